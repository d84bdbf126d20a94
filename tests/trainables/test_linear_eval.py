"""Offline evaluation: the classifier against scikit-learn, strict loading, test images through one door, transfer."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression

from tests.helpers.trial_helpers import digits, tiny
from trainables import checkpoint, command_line, linear_eval
from trainables.data.dataset import Dataset, Split
from trainables.devices import OnDevice
from trainables.settings.config import DataConfig
from trainables.trial import Trial


def blobs(n: int, seed: int, apart: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.arange(n) % 3
    centres = apart * torch.randn(3, 5, generator=torch.Generator().manual_seed(99))
    return centres[labels] + torch.randn(n, 5, generator=torch.Generator().manual_seed(seed)), labels


def test_the_classifier_nears_the_optimum_that_scikit_learn_finds():
    features, labels = blobs(300, seed=0, apart=0.5)
    weights, bias = linear_eval.fit_linear(
        features.double()[None], labels, 3, rates=(0.2, 1e-9), epochs=200, seed=0, batch_size=300
    )
    exact = LogisticRegression(C=1e6, tol=1e-10, max_iter=5000).fit(features.numpy(), labels.numpy())
    ours = torch.softmax(features.double() @ weights[0] + bias[0], dim=1)
    np.testing.assert_allclose(ours.numpy(), exact.predict_proba(features.numpy()), atol=5e-3)
    assert weights[1].abs().max() < 1e-6  # rates do not mix


def test_the_rate_is_chosen_on_validation_and_nan_never_wins():
    features, labels = blobs(200, seed=0)
    validation = blobs(100, seed=1)
    chosen = linear_eval.fit_and_choose(
        features[None], labels, validation, 3, epochs=20, seed=0, rates=(1e-7, 0.1, float("nan"))
    )
    assert chosen.rate == 0.1
    assert chosen.validation_acc1 == linear_eval.accuracies(chosen.classifier, *validation)[0] > 60


def test_accuracies_are_over_samples():
    eye = torch.eye(3)
    classifier = linear_eval.Classifier(eye, torch.zeros(3), torch.zeros(3), torch.ones(()))
    features = torch.tensor([[3.0, 2, 1], [3, 2, 1], [1, 2, 3]])
    acc1, acc5 = linear_eval.accuracies(classifier, features, torch.tensor([0, 1, 2]))
    assert acc1 == pytest.approx(200 / 3)
    assert acc5 == 100.0


@pytest.fixture
def run(tmp_path: Path) -> Path:
    trial = Trial(tiny("kmclr"), digits())
    trial.run_epoch()
    path = checkpoint.save_rolling(tmp_path / "run" / "checkpoints", 1, trial.state_dict())
    torch.save(trial.method.networks.encoder.state_dict(), tmp_path / "other.pt")
    return path


@pytest.fixture
def _data(monkeypatch: pytest.MonkeyPatch) -> None:
    test = digits(228, 300).validation
    monkeypatch.setattr(linear_eval, "load_dataset", lambda cfg, progress=None: digits())
    monkeypatch.setattr(linear_eval, "load_test", lambda cfg, progress=None: test)


def test_the_encoder_is_the_trained_one_and_frozen(run: Path):
    frozen = linear_eval.load_frozen(run)
    stored = checkpoint.read(run)["method"]
    for name, value in frozen.encoder.state_dict().items():
        assert torch.equal(value, stored[f"networks.encoder.{name}"])
    assert not frozen.encoder.training
    assert not any(p.requires_grad for p in frozen.encoder.parameters())
    assert frozen.mean == digits().mean
    assert linear_eval.load_frozen(run.parent.parent).epoch == 1  # the run's folder will do


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", r"do not fit the encoder: .*Missing key"),
        ("superfluous", r"do not fit the encoder: .*Unexpected key"),
        ("shape", r"do not fit the encoder: .*size mismatch"),
        ("kind", "not of a trial: it holds no encoder"),
        ("settings", "its settings do not fit this program"),
    ],
)
def test_a_wrong_checkpoint_is_an_error_never_a_random_encoder(run: Path, change: str, message: str):
    state = checkpoint.read(run)
    name = next(key for key in state["method"] if key.startswith("networks.encoder."))
    if change == "missing":
        del state["method"][name]
    elif change == "superfluous":
        state["method"]["networks.encoder.extra"] = torch.zeros(1)
    elif change == "shape":
        state["method"][name] = torch.zeros(1)
    elif change == "kind":
        state["kind"] = "probe"
    else:
        state["config"]["encoder"]["name"] = "vit"
    checkpoint.write(run, state)
    with pytest.raises(checkpoint.CheckpointError, match=message):
        linear_eval.load_frozen(run)


@pytest.mark.usefixtures("_data")
def test_evaluation_reports_every_test_metric(run: Path):
    result = linear_eval.evaluate(run, epochs=20)
    assert set(result.metrics) == {"test_acc1", "test_acc5", "test_knn_acc1", "test_few_shot_acc1"}
    assert all(20 < value <= 100 for value in result.metrics.values())
    assert result.images == 300
    assert result.learning_rate in linear_eval.RATES
    assert linear_eval.evaluate(run, epochs=20) == result


@pytest.mark.usefixtures("_data")
def test_neighbours_are_20_and_200_at_a_temperature_of_007(run: Path, monkeypatch: pytest.MonkeyPatch):
    def spy(train, train_labels, test, test_labels, k, temperature, classes, ks):
        assert (len(train), len(test), temperature, classes, ks) == (128 * 2, 300, 0.07, 10, (1,))
        return torch.tensor([k / 1000])

    wide = digits(256)
    monkeypatch.setattr(linear_eval, "load_dataset", lambda cfg, progress=None: wide)
    monkeypatch.setattr(linear_eval.metrics, "knn_accuracy", spy)
    result = linear_eval.evaluate(run, epochs=1)
    assert (result.metrics["test_knn_acc1"], result.knn200_acc1) == pytest.approx((2.0, 20.0))


def test_features_are_those_of_images_normalised_as_in_pretraining(run: Path):
    frozen = dataclasses.replace(linear_eval.load_frozen(run), mean=(0.1,), std=(0.7,))
    images = torch.tensor(digits().validation.images_NCHW)
    split = OnDevice(images, torch.zeros(len(images)), torch.zeros(len(images)))
    with torch.no_grad():
        wanted = frozen.encoder((images / 255 - 0.1) / 0.7)
    torch.testing.assert_close(linear_eval.encode_split(frozen, split)[0], wanted, atol=1e-5, rtol=1e-4)


def test_epochs_go_through_the_views_in_turn():
    views, labels = torch.stack([blobs(30, seed=0)[0], blobs(30, seed=1)[0]]).double(), blobs(30, seed=0)[1]
    weights, _ = linear_eval.fit_linear(views, labels, 3, rates=(0.2,), epochs=3, seed=0, batch_size=30)
    by_hand, bias, moving = torch.zeros(5, 3).double(), torch.zeros(3).double(), [0.0, 0.0]
    for epoch, view in enumerate((views[0], views[1], views[0])):
        error = torch.softmax(view @ by_hand + bias, dim=1) - torch.eye(3)[labels]
        moving = [0.9 * moving[0] + view.T @ error / 30, 0.9 * moving[1] + error.mean(0)]
        rate = 0.2 * (1 + np.cos(np.pi * epoch / 3)) / 2
        by_hand, bias = by_hand - rate * moving[0], bias - rate * moving[1]
    torch.testing.assert_close(weights[0], by_hand)


@pytest.mark.usefixtures("_data")
def test_crops_and_flips_are_cached_views(run: Path):
    frozen = linear_eval.load_frozen(run)
    views, labels = linear_eval.encode_training(frozen, digits(), 4, torch.device("cpu"), seed=0)
    assert views.shape == (4, 128, 16)
    assert len(labels) == 128
    plain = linear_eval.encode_training(frozen, digits(), 1, torch.device("cpu"), seed=0)[0]
    assert torch.equal(views[0], plain[0])
    assert not any(torch.allclose(views[i], views[j]) for i in range(4) for j in range(i))
    assert linear_eval.evaluate(run, epochs=8, views=3).metrics["test_acc1"] > 20


def colour(dataset: Dataset) -> Dataset:
    splits = [
        Split(np.repeat(split.images_NCHW, 3, axis=1), split.labels_N, split.ids_N)
        for split in (dataset.train, dataset.validation)
    ]
    return dataclasses.replace(dataset, channels=3, train=splits[0], validation=splits[1])


@pytest.mark.usefixtures("_data")
def test_transfer_needs_fitting_channels(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    grey = linear_eval.evaluate(run, DataConfig(name="digits"), epochs=10)
    trial = Trial(tiny("none"), colour(digits()))
    trial.save(tmp_path / "colour.ckpt")
    repeated = linear_eval.evaluate(tmp_path / "colour.ckpt", epochs=10)  # grey test images, three channels
    assert repeated.images == grey.images
    monkeypatch.setattr(linear_eval, "load_dataset", lambda cfg, progress=None: colour(digits()))
    with pytest.raises(ValueError, match=r"takes 1 channel\(s\), data 'digits' has 3"):
        linear_eval.evaluate(run, epochs=1)


def test_transfer_data_keeps_or_replaces_the_settings():
    own = DataConfig(name="digits", train_limit=100)
    assert command_line.transfer_data(own, None, None, 8) is own
    moved = command_line.transfer_data(own, "digits", "there", 8)
    assert (moved.train_limit, moved.image_size) == (100, 8)
    other = command_line.transfer_data(own, "parquet", "there", 8)
    assert (other.name, other.root, other.train_limit, other.image_size) == ("parquet", "there", None, 8)


def test_an_interrupted_evaluation_ends_without_a_traceback(run: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(linear_eval, "load_dataset", interrupted)
    assert command_line.linear_eval_main([str(run)]) == 130
    assert capsys.readouterr().err.strip() == "interrupted"


def images_in(folder: Path, split: str, per_class: int) -> None:
    """Photographs of unequal sizes, none square: bright ones and dark ones."""
    rng = np.random.default_rng(len(split))
    for label, (low, high) in {"bright": (150, 256), "dark": (0, 106)}.items():
        (folder / split / label).mkdir(parents=True)
        for i in range(per_class):
            pixels = rng.integers(low, high, (20 + i, 31 + 2 * i), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / split / label / f"{i}.png")


def test_transfer_to_a_folder_of_images_of_any_size(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path / "cache"))
    images_in(tmp_path / "photographs", "train", 12)
    images_in(tmp_path / "photographs", "test", 5)
    seen = []
    encode = linear_eval.probe.encode

    def spy(encoder, images, *rest):
        seen.append(tuple(images.shape[1:]))
        return encode(encoder, images, *rest)

    monkeypatch.setattr(linear_eval.probe, "encode", spy)
    arguments = [str(run), "--epochs", "5", "--data", "image_folder", "--root", str(tmp_path / "photographs")]
    assert command_line.linear_eval_main(arguments) == 2
    assert "data.validation_per_class=50 leaves none" in capsys.readouterr().err
    arguments += ["--set", "data.validation_per_class=8"]
    assert command_line.linear_eval_main(arguments) == 2  # 4 of a class are left
    assert "probe.few_shot_labels (5) exceeds the smallest class" in " ".join(capsys.readouterr().err.split())
    assert not seen  # refused before anything was encoded
    assert command_line.linear_eval_main([*arguments, "--set", "probe.few_shot_labels=3"]) == 0
    assert set(seen) == {(1, 8, 8)}  # the pixels that the encoder was trained on
    printed = capsys.readouterr().out
    assert "10 test images" in printed
    assert "3 labels per class" in printed


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epochs=3", "an evaluation can only change data.*"),
        ("data.image_sise=8", "did you mean 'image_size'"),
        ("data.image_size=1", "data.image_size must be greater than or equal to 4"),
    ],
)
@pytest.mark.usefixtures("_data")
def test_settings_of_an_evaluation_are_checked(
    run: Path, override: str, message: str, capsys: pytest.CaptureFixture[str]
):
    assert command_line.linear_eval_main([str(run), "--set", override]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("_data")
def test_command_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "result.json"
    assert command_line.linear_eval_main([str(run), "--epochs", "5", "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "300 test images, encoder after 1 epochs of kmclr" in printed
    assert json.loads(out.read_text())["metrics"].keys() >= {"test_acc1"}
    for arguments, message in (
        ([str(tmp_path / "other.pt")], "not a checkpoint of this program"),
        ([str(tmp_path / "nothing")], "no such checkpoint file"),
        ([str(tmp_path)], "no checkpoint in this folder"),
        ([str(run), "--epochs", "0"], "--epochs must be at least 1"),
        ([str(run), "--data", "imagenet"], "imagenet"),
    ):
        assert command_line.linear_eval_main(arguments) == 2
        error = capsys.readouterr().err
        assert message in error
        assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(("rate", "word"), [(0.01, "smallest"), (0.1, None), (1.0, "largest")])
def test_a_learning_rate_at_the_edge_of_those_tried_is_said(rate, word):
    text = command_line.rate_text(rate)
    assert text.startswith(f"learning rate {rate:g}")
    assert ("tried" in text) == (word is not None)
    assert word is None or word in text

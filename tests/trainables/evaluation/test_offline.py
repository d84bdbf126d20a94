"""Offline evaluation: strict loading, test images through one door, transfer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.trial_helpers import digits, tiny
from trainables import checkpoint
from trainables.data.dataset import Dataset, Split
from trainables.devices import OnDevice
from trainables.evaluation import offline
from trainables.evaluation.classifier import RATES
from trainables.settings.config import DataConfig
from trainables.trial import Trial


def test_the_encoder_is_the_trained_one_and_frozen(run: Path):
    frozen = offline.load_frozen(run)
    stored = checkpoint.read(run)["method"]
    for name, value in frozen.encoder.state_dict().items():
        assert torch.equal(value, stored[f"networks.encoder.{name}"])
    assert not frozen.encoder.training
    assert not any(p.requires_grad for p in frozen.encoder.parameters())
    assert frozen.mean == digits().mean
    assert offline.load_frozen(run.parent.parent).epoch == 1  # the run's folder will do


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", r"do not fit the encoder: encoder has other parts: .*layers\.0"),
        ("superfluous", r"do not fit the encoder: encoder has other parts: .*extra"),
        ("shape", r"do not fit the encoder: .* is not torch\.float32 of shape"),
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
        offline.load_frozen(run)


@pytest.mark.usefixtures("_data")
def test_evaluation_reports_every_test_metric(run: Path):
    result = offline.evaluate(run, epochs=20)
    assert set(result.metrics) == {"test_acc1", "test_acc5", "test_knn_acc1", "test_few_shot_acc1"}
    assert all(20 < value <= 100 for value in result.metrics.values())
    assert result.images == 300
    assert result.learning_rate in RATES
    assert offline.evaluate(run, epochs=20) == result


@pytest.mark.usefixtures("_data")
def test_neighbours_are_20_and_200_at_a_temperature_of_007(run: Path, monkeypatch: pytest.MonkeyPatch):
    def spy(train, train_labels, test, test_labels, k, temperature, classes, ks):
        assert (len(train), len(test), temperature, classes, ks) == (128 * 2, 300, 0.07, 10, (1,))
        return torch.tensor([k / 1000])

    wide = digits(256)
    monkeypatch.setattr(offline, "load_dataset", lambda cfg, progress=None: wide)
    monkeypatch.setattr(offline.metrics, "knn_accuracy", spy)
    result = offline.evaluate(run, epochs=1)
    assert (result.metrics["test_knn_acc1"], result.knn200_acc1) == pytest.approx((2.0, 20.0))


def test_features_are_those_of_images_normalised_as_in_pretraining(run: Path):
    frozen = dataclasses.replace(offline.load_frozen(run), mean=(0.1,), std=(0.7,))
    images = torch.tensor(digits().validation.images_NCHW)
    split = OnDevice(images, torch.zeros(len(images)), torch.zeros(len(images)))
    with torch.no_grad():
        wanted = frozen.encoder((images / 255 - 0.1) / 0.7)
    torch.testing.assert_close(offline.encode_split(frozen, split)[0], wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.usefixtures("_data")
def test_crops_and_flips_are_cached_views(run: Path):
    frozen = offline.load_frozen(run)
    views, labels = offline.encode_training(frozen, digits(), 4, torch.device("cpu"), seed=0)
    assert views.shape == (4, 128, 16)
    assert len(labels) == 128
    plain = offline.encode_training(frozen, digits(), 1, torch.device("cpu"), seed=0)[0]
    assert torch.equal(views[0], plain[0])
    assert not any(torch.allclose(views[i], views[j]) for i in range(4) for j in range(i))
    assert offline.evaluate(run, epochs=8, views=3).metrics["test_acc1"] > 20


def colour(dataset: Dataset) -> Dataset:
    splits = [
        Split(np.repeat(split.images_NCHW, 3, axis=1), split.labels_N, split.ids_N)
        for split in (dataset.train, dataset.validation)
    ]
    moments = {"mean": dataset.mean * 3, "std": dataset.std * 3}
    return dataclasses.replace(dataset, channels=3, train=splits[0], validation=splits[1], **moments)


@pytest.mark.usefixtures("_data")
def test_transfer_needs_fitting_channels(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    grey = offline.evaluate(run, DataConfig(name="digits"), epochs=10)
    trial = Trial(tiny("none"), colour(digits()))
    trial.save(tmp_path / "colour.ckpt")
    repeated = offline.evaluate(tmp_path / "colour.ckpt", epochs=10)  # grey test images, three channels
    assert repeated.images == grey.images
    monkeypatch.setattr(offline, "load_dataset", lambda cfg, progress=None: colour(digits()))
    with pytest.raises(ValueError, match=r"takes 1 channel\(s\), data 'digits' has 3"):
        offline.evaluate(run, epochs=1)

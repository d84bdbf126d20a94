"""`python -m trainables.linear_eval`: what it prints, the data it takes, errors of the user."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.helpers.engine_helpers import lines
from tests.helpers.foreign_states import FOREIGN, archive, sealed
from trainables import checkpoint, linear_eval
from trainables.data.source import DataError
from trainables.evaluation import offline
from trainables.settings.config import DataConfig


def test_transfer_data_keeps_or_replaces_the_settings():
    own = DataConfig(name="digits", train_limit=100)
    assert DataConfig(**linear_eval.transfer_data(own, None, None, 8)) == own
    moved = linear_eval.transfer_data(own, "digits", "there", 8)
    assert (moved["train_limit"], moved["image_size"]) == (100, 8)
    other = DataConfig(**linear_eval.transfer_data(own, "parquet", "there", 8))
    assert (other.name, other.root, other.train_limit, other.image_size) == ("parquet", "there", None, 8)


def test_a_fault_of_the_program_keeps_its_traceback(run: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise ValueError("shapes do not match")

    monkeypatch.setattr(offline, "load_dataset", broken)
    with pytest.raises(ValueError, match="shapes do not match"):
        linear_eval.main([str(run)])


def test_an_error_of_the_user_is_one_line(run: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    def missing(*_: object) -> None:
        raise DataError("no data here; set data.root")

    monkeypatch.setattr(offline, "load_dataset", missing)
    assert linear_eval.main([str(run)]) == 2
    assert capsys.readouterr().err == "error: no data here; set data.root\n"


def test_an_interrupted_evaluation_ends_without_a_traceback(run: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(offline, "load_dataset", interrupted)
    assert linear_eval.main([str(run)]) == 130
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
    encode = offline.probe.encode

    def spy(encoder, images, *rest):
        seen.append(tuple(images.shape[1:]))
        return encode(encoder, images, *rest)

    monkeypatch.setattr(offline.probe, "encode", spy)
    arguments = [str(run), "--epochs", "5", "--data", "image_folder", "--root", str(tmp_path / "photographs")]
    assert linear_eval.main(arguments) == 2
    assert "data.validation_per_class=50 leaves none" in capsys.readouterr().err
    arguments += ["--set", "data.validation_per_class=8"]
    assert linear_eval.main(arguments) == 2  # 4 of a class are left
    assert "probe.few_shot_labels (5) exceeds the smallest class" in " ".join(capsys.readouterr().err.split())
    assert not seen  # refused before anything was encoded
    assert linear_eval.main([*arguments, "--set", "probe.few_shot_labels=3"]) == 0
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
    assert linear_eval.main([str(run), "--set", override]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("_data")
def test_command_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "result.json"
    assert linear_eval.main([str(run), "--epochs", "5", "--json", str(out)]) == 0
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
        assert linear_eval.main(arguments) == 2
        error = capsys.readouterr().err
        assert message in error
        assert len(error.strip().splitlines()) == 1


def test_a_studys_trial_gives_exactly_its_numbers(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    ends = [end for end in lines(results / "trials.jsonl") if end["stage"] == "confirm"]
    assert len(ends) == 2
    file = tmp_path / "result.json"
    for end in ends:
        trial = end["trial_id"]
        ways = [str(results), "--trial", trial], [str(results / trial)], [str(results / end["checkpoint"])]
        for way in (*ways, [str((results / end["checkpoint"]).parent)]):
            assert linear_eval.main([*way, "--json", str(file)]) == 0
            found = json.loads(file.read_text())["metrics"]
            assert found == {name: end["metrics"][name] for name in found}
    moved = [*ways[0], "--seed", "99", "--views", "2", "--epochs", "1", "--json", str(file)]
    assert linear_eval.main(moved) == 0
    assert json.loads(file.read_text())["metrics"] != found
    capsys.readouterr()
    for arguments, message in (
        ([str(results)], "name a trial by --trial: confirm-0000-3, confirm-0000-4, search-0000"),
        ([str(results / "confirm-000-3")], "did you mean 'confirm-0000-3'?"),
        ([str(tmp_path), "--trial", "x"], "is not the results folder of a study"),
        ([*ways[0], "--threads", "0"], "--threads must be at least 1"),
    ):
        assert linear_eval.main(arguments) == 2
        error = capsys.readouterr().err
        assert message in error
        assert len(error.splitlines()) == 1


def test_the_readmes_line_reads_a_checkpoint(run: Path):
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (line,) = [line for line in readme.splitlines() if line.startswith("state = torch.load(")]
    scope = {"io": io, "Path": Path, "torch": torch, "path": run}
    exec(line, scope)
    assert scope["state"]["epoch"] == 1
    assert any(name.startswith("networks.encoder.") for name in scope["state"]["method"])


@pytest.mark.parametrize(("rate", "word"), [(0.01, "smallest"), (0.1, None), (1.0, "largest")])
def test_a_learning_rate_at_the_edge_of_those_tried_is_said(rate, word):
    text = linear_eval.rate_text(rate)
    assert text.startswith(f"learning rate {rate:g}")
    assert ("tried" in text) == (word is not None)
    assert word is None or word in text


@pytest.mark.parametrize("what", ["a tensor", "settings as text", "no data", "networks missing", "an epoch as text"])
def test_a_foreign_checkpoint_is_one_line(run: Path, capsys: pytest.CaptureFixture[str], what: str):
    sealed(run, archive(FOREIGN[what](checkpoint.read(run))))
    assert linear_eval.main([str(run)]) == 2
    error = capsys.readouterr().err
    assert str(run) in error
    assert len(error.splitlines()) == 1


@pytest.mark.usefixtures("_data")
def test_of_a_folder_the_newest_usable_one_is_evaluated(run: Path, capsys: pytest.CaptureFixture[str]):
    sealed(run.with_name("epoch_000002.ckpt"), archive(FOREIGN["networks missing"](checkpoint.read(run))))
    assert linear_eval.main([str(run.parent.parent), "--epochs", "1"]) == 0
    said = capsys.readouterr()
    assert "skipped: " in said.err
    assert "epoch_000002.ckpt" in said.err
    assert "encoder after 1 epochs" in said.out

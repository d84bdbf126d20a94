"""`python -m trainables.export`: the folder it makes, the card in it, errors of the user."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from trainables import checkpoint
from trainables.evaluation import offline
from trainables.export import __main__ as export
from trainables.export import backbone, card


def front(folder: Path) -> dict:
    return yaml.safe_load((folder / card.CARD_FILE).read_text().split("---\n")[1])


def blocks(folder: Path) -> list[str]:
    """The Python of the card."""
    return [part.split("```")[0] for part in (folder / card.CARD_FILE).read_text().split("```python\n")[1:]]


def test_a_studys_point_goes_home(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert export.main([str(results), "--point", "search-0000", "--to", "torchvision", "--license", "cc-by-4.0"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    (folder,) = (tmp_path / "exports").iterdir()
    assert f"{Path('exports') / folder.name / 'backbone.pth'}: " in said.out
    shown = (folder / card.CARD_FILE).read_text()
    assert "n = 2 seeds" in shown
    assert "n = 360 images" in shown
    assert "Test acc@1, offline linear" in shown
    assert "kmclr k=10" in shown
    assert "of the 2 trials of its point the best on validation" in shown
    assert str(tmp_path) not in shown  # it is made to be given on
    assert front(folder)["license"] == "cc-by-4.0"

    scope: dict = {}
    monkeypatch.chdir(folder)
    exec(blocks(folder)[0], scope)
    frozen = offline.load_frozen(results, trial=folder.name.removeprefix("fake-"))
    images = torch.randn(2, 1, 8, 8)
    assert torch.equal(scope["model"](images), frozen.encoder(images))


def test_a_second_format_joins_the_first_on_the_card(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    where = ["--out", str(tmp_path / "home")]
    assert export.main([str(run), "--to", "torchvision", "--license", "mit", *where]) == 0
    assert export.main([str(run), "--to", "safetensors", *where]) == 0
    assert front(tmp_path / "home")["license"] == "mit"
    assert list(front(tmp_path / "home")["files"]) == ["backbone.pth", "backbone.safetensors"]
    assert len(blocks(tmp_path / "home")) == 2
    state = checkpoint.read(run)
    checkpoint.write(run, state | {"elapsed_s": state["elapsed_s"] + 1})
    assert export.main([str(run), "--to", "safetensors", *where]) == 0  # of another checkpoint the first is not true
    assert list(front(tmp_path / "home")["files"]) == ["backbone.safetensors"]
    assert front(tmp_path / "home")["license"] == "unknown"


@pytest.mark.parametrize("text", ["# my own page\n", "---\nlicense: mit\n---\n", "---\n[\n---\n"])
def test_a_card_of_somebody_else_stays(run: Path, tmp_path: Path, text: str, capsys) -> None:
    (tmp_path / card.CARD_FILE).write_text(text)
    assert export.main([str(run), "--to", "torchvision", "--out", str(tmp_path)]) == 2
    assert "not a card of this program; choose another folder (--out)" in capsys.readouterr().err
    assert (tmp_path / card.CARD_FILE).read_text() == text
    assert not (tmp_path / "backbone.pth").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--to", "torchvision"], "nowhere: no such checkpoint file"),
        ([".", "--to", "torchvision"], "no checkpoint in this folder"),
        (["RUN", "--to", "torchvision", "--license", "a\x07b"], "--license: expected 1 to 100 characters on one line"),
        (["RUN", "--to", "torchvision", "--license", " "], "--license: expected 1 to 100 characters on one line"),
        (["RUN", "--to", "torchvision", "--point", "x"], "is not the results folder of a study"),
        (["RUN", "--to", "torchvision", "--out", "a\0b"], "--out: a path cannot hold a zero character"),
        (["RUN", "--to", "torchvision", "--out", "file/below"], "Not a directory"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    Path("file").touch()
    assert export.main([str(run) if one == "RUN" else one for one in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_a_mistyped_format_and_a_missing_package(run: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        export.main([str(run), "--to", "onxx"])
    assert ended.value.code == 2
    assert "did you mean 'onnx'?" in capsys.readouterr().err
    monkeypatch.setattr(backbone.importlib.util, "find_spec", lambda name: None)
    assert export.main([str(run), "--to", "onnx"]) == 2
    assert "--to onnx needs onnx" in capsys.readouterr().err

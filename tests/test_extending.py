"""docs/extending.md, followed: its files are written, its study is run, stopped, resumed and reported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from analysis.figures import style
from tests.helpers import extending
from tests.helpers.engine_helpers import lines
from tests.helpers.extending import ROOT, STUDY, run
from trainables.evaluation import offline
from trainables.export import __main__ as export
from trainables.support.build import build


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    yield from extending.place(tmp_path, monkeypatch)


def test_the_study_of_the_page_is_stopped_resumed_and_reported(place: Path) -> None:
    assert run("--allow-code", "--set", "budget.epochs=4") == 0
    folder = place / "results" / "own"
    assert sum(line["status"] == "completed" for line in lines(folder / "trials.jsonl")) < 5
    assert run("--resume") == 2  # the folder's names import nothing
    assert run("--allow-code", "--resume") == 0
    ends = lines(folder / "trials.jsonl")
    assert {end["status"] for end in ends} <= {"completed", "stopped", "interrupted"}
    assert {"search", "confirm"} == {end["stage"] for end in ends}
    for end in (e for e in ends if e["method"] == "random_memory"):
        size = end["params"]["support.options.size"]
        assert (end["metrics"]["support_bytes"], end["metrics"]["support_vectors"]) == (4 * 16 * size, size)
        assert end["label"] == f"random_memory size={size}"
    assert json.loads((folder / "manifest.json").read_text())["own"]["parts"] == {
        "support.name": "mypkg.sets:RandomMemory",
        "encoder.name": "mypkg.nets:PatchMLP",
    }
    assert "random_memory" in (folder / "report.html").read_text()
    assert style.colour("random_memory") == "#E69F00"
    _read_without_the_code(folder)
    _goes_home(folder)


def _read_without_the_code(folder: Path) -> None:
    """In a process of its own, in which the names mean nothing."""
    code = (
        "import sys\nfrom analysis.results.load import load\nfrom analysis.figures import style\n"
        f"found = load({str(folder)!r})\nassert not [m for m in sys.modules if 'mypkg' in m]\n"
        "print(style.colour('random_memory'), *sorted(set(found.trials['method'])))"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.startswith("#E69F00 ")


def _goes_home(folder: Path) -> None:
    """Its encoder is exported under its own names, and the card's lines load it with the page's code."""
    end = next(e for e in lines(folder / "trials.jsonl") if e["stage"] == "confirm" and e["status"] == "completed")
    arguments = [str(folder), "--trial", end["trial_id"], "--out", "home"]
    assert export.main([*arguments, "--to", "safetensors", "--allow-code"]) == 0
    assert export.main([*arguments, "--to", "torchvision", "--allow-code"]) == 2
    scope: dict = {}
    code = Path("home/model_card.md").read_text().split("```python\n")[1].split("```")[0]
    exec(code.replace('"backbone', '"home/backbone'), scope)
    frozen = offline.load_frozen(folder, trial=end["trial_id"])
    images = torch.rand(2, frozen.channels, frozen.image_size, frozen.image_size)
    torch.testing.assert_close(scope["model"](images), frozen.encoder(images))


def test_installed_parts_need_no_flag(place: Path, capsys: pytest.CaptureFixture) -> None:
    extending.install(place)
    settings = yaml.safe_load(STUDY)
    settings["support"]["name"], settings["encoder"]["name"] = "random_memory", "patch_mlp"
    settings["space"]["method"] = ["plain", "random_memory"]
    del settings["space"]["k"]
    (place / "own.yaml").write_text(yaml.safe_dump(settings))
    assert run("--stage", "search", "--set", "search.trials=3") == 0
    assert {e["status"] for e in lines(place / "results/own/trials.jsonl")} <= {"completed", "stopped"}
    settings["support"]["name"] = "random_memroy"
    (place / "own.yaml").write_text(yaml.safe_dump(settings))
    assert run("--plan") == 2
    said = capsys.readouterr().err
    assert "support.name is random_memroy, no support set; did you mean 'random_memory'? Known: " in said.replace(
        "'random_memroy'", "random_memroy"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("support.options.sise=3", "support.options.sise is not a known setting; did you mean 'size'? Known: size"),
        ("support.options.size=0", "support.options.size must be greater than or equal to 1, got 0"),
        ("support.name=mypkg.sets:RandomMemry", "mypkg.sets has no RandomMemry; did you mean 'RandomMemory'"),
        ("support.name=nopkg.sets:A", "there is no module nopkg; install it, or put its folder on PYTHONPATH"),
        ("support.name=mypkg.sets:Field", "is no support set: it has no bytes_of, vectors, ready, _take_in"),
        ("support.name=mypkg.sets:SupportSet", "it has no vectors, ready, _take_in, _find, _unit_rows"),
        ("support.name=queue", "support.name is for support sets of your own; queue is that of method: nnclr"),
        ("encoder.name=mypkg.nets:Section", "is no encoder: it has no forward"),
        ("encoder.name=resnet", "encoder.name is 'resnet', no encoder; did you mean 'resnet18'?"),
        ("space.method=[none, kmclr]", "no method of space.method is random_memory; add it there"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_line(place: Path, capsys: pytest.CaptureFixture, change: str, said: str) -> None:
    assert run("--plan", "--allow-code", "--set", change) == 2
    found = capsys.readouterr().err
    assert said in found
    assert "Traceback" not in found


def test_code_is_refused_without_the_flag(place: Path, capsys: pytest.CaptureFixture) -> None:
    assert run("--plan") == 2
    assert "add --allow-code, or install it as an entry point of kmclr_study.support_sets" in capsys.readouterr().err
    assert "mypkg" not in sys.modules


def test_the_class_of_a_support_set_says_its_bytes(place: Path) -> None:
    assert run("--plan", "--allow-code") == 0
    from trainables.settings.config import PositivesConfig, SupportConfig
    from trainables.vocabulary.methods_and_support_sets import support_bytes

    support = SupportConfig(name="mypkg.sets:RandomMemory", options={"size": 70})
    made = build(support.name, support, PositivesConfig(), dim=12, num_classes=3, device="cpu", seed=0)
    assert support_bytes("random_memory", support, 12) == made.nbytes == 70 * 12 * 4

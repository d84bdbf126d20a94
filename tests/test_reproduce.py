"""The command that a report gives is the command that was used, and gives the same study; the report tells the rest.

Through the command line, with trials that do not train and without Ray.
"""

from __future__ import annotations

import functools
import html
import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml

import run_study
from analysis.report.make import make_report
from study.disk_and_storage import command_again
from study.record import manifest
from study.tune import engine
from tests.helpers import without_ray
from tests.helpers.engine_helpers import fake_trainable, make_study, outcome


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and working folder with a study in it."""
    study = make_study(data={"name": "digits"}, confirm={"seeds": [1, 2], "max_points": 1})
    settings = {k: v for k, v in manifest.dump_study(study).items() if k != "schema"}
    (tmp_path / "my study.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("RAY_ADDRESS", "UV_RUN_RECURSION_DEPTH"):
        monkeypatch.delenv(name, raising=False)

    @functools.wraps(without_ray.run_stage)
    def run_stage(*given, trainable, **more) -> None:
        without_ray.run_stage(*given, trainable=fake_trainable(), **more)

    monkeypatch.setattr(engine, "run_stage", run_stage)
    monkeypatch.setattr(
        run_study, "report", lambda folder, quiet, *_: make_report([folder], images="none", progress=lambda text: None)
    )
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> int:
    monkeypatch.setattr(sys, "argv", ["/somewhere/run_study.py", *words])
    return run_study.main(words)


def reproduced(page: Path) -> tuple[str, list[str]]:
    """The history and the commands of a report."""
    text = page.read_text()
    found = re.search(r'<p class="history">(.*?)</p><pre>(.*?)</pre>', text, re.S)
    commands = [line for line in html.unescape(found[2]).splitlines() if not line.startswith(("git ", "#"))]
    return html.unescape(found[1]), commands


@pytest.mark.parametrize("out", ["--out=~/some results", "--out=../{}/x", "--out=q?1 %20"])
def test_the_command_of_a_report_repeats_the_study(home: Path, monkeypatch, out: str) -> None:
    words = ["my study.yaml", out.format(home.name), "--set", "question=why 'so' $HOME?", "--quiet", "--device", "cpu"]
    folder = Path(out.format(home.name).removeprefix("--out=")).expanduser() / "fake"
    assert call(monkeypatch, [*words, "--set", "budget={epochs: 20, reserve_for_confirm: false}"]) == 0
    words += ["--set", "budget.epochs=999"]
    assert call(monkeypatch, [*words, "--resume"]) == 0
    assert call(monkeypatch, [*words, "--retry", "failed"]) == 0
    first = outcome(folder)
    told, commands = reproduced(folder / "report.html")
    assert shlex.split(commands[0]) == ["python", "run_study.py", *words]
    begun, resumed, again = told.split(" UTC. ")
    assert begun.startswith("Begun ")
    assert "; stopped: budget.epochs (20) reached " in begun
    assert resumed.startswith("Resumed ")
    assert "; ran to its end " in resumed
    assert again.startswith("Tried again ")
    assert "(failed: 0 trials)" in again
    folder.rename(home / "first")
    assert call(monkeypatch, shlex.split(commands[0])[2:]) == 0
    assert outcome(folder) == first
    assert shlex.split(commands[1], comments=True)[:3] == ["python", "-m", "analysis"]
    assert Path(shlex.split(commands[1])[3]).expanduser() == folder


@pytest.mark.parametrize("budget", ["budget={epochs: 20, reserve_for_confirm: false}", "budget.epochs=60"])
def test_the_command_after_a_budget_raises_it_and_works_as_it_stands(home: Path, monkeypatch, capsys, budget) -> None:
    """Once the budget ended all, once the search, to leave the confirm stage its part."""
    monkeypatch.setattr(run_study, "report", lambda *_: None)
    assert call(monkeypatch, ["my study.yaml", "--set", budget, "--set", "search.trials=40"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "goes on with: " in line]
    words = shlex.split(line.partition("goes on with: ")[2])
    limit = 40 if "20" in budget else 120
    assert words[-2:] == ["--set", f"budget.epochs={limit}"]
    before = len((home / "results/fake/trials.jsonl").read_text().splitlines())
    assert call(monkeypatch, [*words[2:], "--plan"]) == 0
    assert f"budget.epochs {limit}" in " ".join(capsys.readouterr().out.split())
    assert call(monkeypatch, words[2:]) == 0
    assert len((home / "results/fake/trials.jsonl").read_text().splitlines()) > before


def test_a_program_elsewhere_is_named_as_it_was_called(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "run_study.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    assert command_again(["house/run_study.py", "a.yaml"]) == "python house/run_study.py a.yaml"
    monkeypatch.chdir(tmp_path / "house")
    assert command_again([str(tmp_path / "house" / "run_study.py"), "a.yaml"]) == "python run_study.py a.yaml"


def test_a_setting_that_a_command_had_is_replaced_by_the_one_it_goes_on_with() -> None:
    argv = ["run_study.py", "a.yaml", "--set", "budget.epochs=3", "--set=budget.epochs=4", "--set", "seed=1"]
    again = command_again(argv, resume=True, sets={"budget.epochs": "8"})
    assert shlex.split(again)[-5:] == ["--set", "seed=1", "--resume", "--set", "budget.epochs=8"]
    assert again.count("budget.epochs") == 1

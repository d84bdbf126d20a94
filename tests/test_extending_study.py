"""docs/extending.md, followed: the parts of a study (not of a run) that it has, each in a study of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from study import schema
from tests.helpers import extending
from tests.helpers.engine_helpers import lines
from tests.helpers.extending import change, run

SMALL = {
    "data": {"name": "digits", "train_limit": 60, "validation_per_class": 5},
    "train": {"epochs": 2, "batch_size": 30},
    "support": None,
    "encoder": {"name": "small_conv", "width": 4},
    "space": {"method": ["none", "kmclr"], "k": {"low": 4, "high": 30}},
    "confirm": {"enabled": False},
}
"""What makes the study of the page one that takes no time."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    yield from extending.place(tmp_path, monkeypatch)


def drawn(out: str) -> list[dict]:
    return [line["params"] for line in lines(Path(out, "own", schema.DRAWS_FILE))]


def test_a_sampler_draws_also_after_a_stop_what_it_would_have_drawn(place: Path) -> None:
    search = {**extending.part("search")["search"], "trials": 7, "options": {"explore": 0.3}}
    change(place, **SMALL, search=search)
    ways = ("--allow-code", "--stage", "search", "--set", "scheduler.name=none")
    assert run(*ways, "--out", "whole") == 0
    assert run(*ways, "--out", "parts", "--set", "budget.epochs=5") == 0
    Path("parts/own", schema.OPTUNA_FILE).unlink()
    assert run(*ways, "--out", "parts", "--resume") == 0
    assert drawn("parts") == drawn("whole")
    best = max(lines(Path("whole/own", schema.TRIALS_FILE))[:6], key=lambda end: end["metrics"]["accuracy"])
    assert any(params["method"] == best["params"]["method"] for params in drawn("whole")[-1:])
    parts = schema.read_manifest(Path("whole/own"))["own"]["parts"]
    assert parts == {"search.sampler": "mypkg.search:NearTheBest"}
    assert run(*ways, "--out", "whole", "--resume", "--set", "search.options.explore=0.9") == 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("search.sampler=tpee", "search.sampler is 'tpee', no sampler; did you mean 'tpe'? Known: front, grid, near"),
        ("search.sampler=near_the_bst", "did you mean 'near_the_best'?"),
        ("search.sampler=mypkg.search:RandomSmpler", "mypkg.search has no RandomSmpler; did you mean 'RandomSampler'"),
        ("search.sampler=mypkg.search:Section", "is no sampler: it has no infer_relative_search_space, sample_rel"),
        ("search.sampler=mypkg.search:BaseSampler", "is no sampler: it has no infer_relative_search_space, sample_rel"),
        ("search={sampler: near_the_best, options: {explore: 2}}", "explore must be less than or equal to 1, got 2"),
        ("search={sampler: tpe, options: {explore: 1}}", "sampler names no sampler of your own that has options"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_line(place: Path, capsys: pytest.CaptureFixture, changed: str, said: str) -> None:
    extending.install(place)
    change(place, **SMALL)
    assert run("--plan", "--allow-code", "--set", changed) == 2
    found = capsys.readouterr().err
    assert said in found
    assert "Traceback" not in found
    assert len(found.splitlines()) == 1


@pytest.mark.parametrize("changed", ["search.sampler=mypkg.search:NearTheBest"])
def test_code_is_refused_without_the_flag(place: Path, capsys: pytest.CaptureFixture, changed: str) -> None:
    change(place, **SMALL)
    assert run("--plan", "--set", changed) == 2
    assert "add --allow-code, or install it as an entry point of kmclr_study." in capsys.readouterr().err
    assert "mypkg" not in sys.modules

"""The search benchmark's command: every strategy runs, names are checked, and the file of shares is complete."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import common, lcbench, search_strategies, search_tables
from benchmarks.search_replay import Recorded

HEAD = "method,size,temperature,forget_every,seed,epoch,accuracy,support_bytes\n"
ROWS = [("none", 0, 40, 0), ("kmclr", 5, 60, 100), ("kmclr", 50, 70, 1000), ("kmclr", 500, 50, 10000)]


@pytest.fixture
def curves(tmp_path: Path) -> Path:
    rows = [f"{m},{s},0.2,1,0,{e},{a + e},{b}" for m, s, a, b in ROWS for e in (1, 2, 3, 4)]
    (tmp_path / "curves.csv").write_text(HEAD + "\n".join(rows) + "\n")
    return tmp_path / "curves.csv"


def test_every_strategy_runs_and_is_compared_by_seed(curves: Path) -> None:
    recorded = Recorded(curves)
    names = [name for name, strategy in search_strategies.STRATEGIES.items() if not strategy.peer]
    found = search_strategies.run(lambda seed: recorded, range(5, 7), trainings=2, grace=1, eta=3, names=names)
    assert list(found) == names
    assert all(rows.shape == (2, 8) and (np.diff(rows) >= 0).all() and rows.max() <= 1 for rows in found.values())
    text = search_tables.one_world(found, "pareto_asha + tpe", 4, [1, 2])
    assert "| asha + tpe |" in text
    assert text.count("| pareto_asha + tpe |") == 1


def test_the_command_writes_tables_and_every_share(curves: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(common, "RESULTS", tmp_path / "results")
    options = ["--curves", str(curves), "--seeds", "2", "--first-seed", "7", "--budgets", "2", "3", "--workers", "1"]
    chosen = ["--strategies", "random", "tpe, no stopping", "--ours", "random", "--json", str(tmp_path / "s.json")]
    search_strategies.main([*options, *chosen])
    shares = json.loads((tmp_path / "s.json").read_text())
    assert {name: list(worlds) for name, worlds in shares.items()} == {
        "random": ["curves"],
        "tpe, no stopping": ["curves"],
    }
    assert [len(values) for values in shares["random"]["curves"].values()] == [2, 2]
    assert "n = 2 seeds from 7, 1 workers" in capsys.readouterr().out


def test_unknown_names_are_refused_in_one_line(capsys) -> None:
    with pytest.raises(SystemExit):
        search_strategies.parse(["--strategies", "tpe"])
    assert "no 'tpe'; there are: pareto_asha + tpe; " in capsys.readouterr().err
    with pytest.raises(SystemExit, match=r"search_strategies: --lcbench nowhere: has no model\.onnx"):
        search_strategies.main(["--lcbench", "nowhere"])


def test_reported_tasks_are_those_that_settings_were_not_chosen_on(monkeypatch) -> None:
    known = dict.fromkeys([*lcbench.DEVELOPMENT_TASKS, "1", "2"])
    monkeypatch.setattr(lcbench, "load", lambda folder: known)

    def tasks(*names: str) -> list[str]:
        return list(search_strategies.make_worlds(search_strategies.parse(["--lcbench", "x", "--tasks", *names])))

    assert tasks("reported") == ["1", "2"]
    assert tasks("development", "1") == [*lcbench.DEVELOPMENT_TASKS, "1"]
    assert tasks("all") == list(known)
    with pytest.raises(search_strategies.UserError, match=r"--tasks: no 3; there are: all, development, reported, "):
        tasks("3")

"""Lists of many studies: what stands in each row, in a pipe and in a terminal."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from analysis.report import listing
from analysis.results import shelf
from analysis.results.front import front_of
from analysis.results.load import load
from tests.helpers.synthetic_results import write_results


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study, a running one, a rehearsal that was interrupted, and a broken one."""
    folder = tmp_path_factory.mktemp("shelf")
    write_results(folder / "done", trials=9, epochs=4, confirm_seeds=(1, 2, 3))
    write_results(folder / "live", trials=4, epochs=4, confirm_seeds=(), running=2)
    cut = write_results(folder / "cut", trials=7, epochs=4, confirm_seeds=(), rehearsal=True, seed=3)
    manifest = cut / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"finished"', '"interrupted"'))
    bad = write_results(folder / "bad", trials=1, epochs=1, confirm_seeds=()) / "trials.jsonl"
    bad.write_text(bad.read_text() + "no\n")
    return folder


def test_a_row_tells_of_a_study(top: Path) -> None:
    done = load(top / "done")
    rows = {row[0]: dict(zip(listing.list_of(top).heads, row, strict=True)) for row in listing.list_of(top).rows}
    assert {name: row["State"] for name, row in rows.items()} == {
        "bad": "unreadable", "cut": "interrupted, rehearsal", "done": "finished", "live": "running",
    }  # fmt: skip
    best = front_of(done).points.sort_values("y").iloc[-1]
    assert rows["done"]["Best"] == (
        f"{best['y']:.2f} % [{best['low']:.2f}, {best['high']:.2f}] on test, n = 3: {best['label']}"
    )
    count = int(front_of(done).points["on_front"].sum())
    assert rows["done"]["Front"].startswith(f"{count} points: 0 B ")
    assert rows["live"]["Trials"] == "4 search, 2 unfinished"
    assert "on validation, n = 1" in rows["live"]["Best"]
    assert "not JSON" in rows["bad"]["Question"]
    assert rows["done"]["Question"].startswith("How few prototypes")
    later = listing.list_of(top / "done", shelf.last_sign(done) + timedelta(hours=3.2))
    assert dict(zip(later.heads, later.rows[0], strict=True))["Age"] == "3.2 h"


def test_seeds_of_a_confirmed_point_are_one_row(top: Path) -> None:
    found, said = listing.found_in([top, top / "done"], "method=kmclr k=400")
    assert said.startswith("6 trials in 3 of 3 studies; bad cannot be read (")  # 4 of done, though given twice
    done = load(top / "done").trials
    mean = done[(done["stage"] == "confirm") & (done["p_k"] == 400)]["test_acc1"].mean()
    (row,) = [row for row in found.rows if row[3] == "confirmed"]
    assert (row[0], row[4]) == ("done", "n = 3")
    assert row[6].startswith(f"{mean:.2f} % [")
    some, _ = listing.found_in([top], "k=400 seed<=2 stage=confirm")
    assert [row[3:5] for row in some.rows] == [("completed", "n = 1")] * 2  # not all of its seeds
    accuracies = [float(row[5].split()[0]) for row in found.rows]
    assert accuracies == sorted(accuracies, reverse=True)
    assert listing.found_in([top], "k=399") == (None, said.replace("6 trials in 3", "0 trials in 0"))


def test_a_pipe_gets_a_table_and_a_narrow_terminal_blocks(
    top: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = listing.list_of(top)
    listing.show(found)
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == list(found.heads)
    assert len(rows) == 4
    assert all("[" in row for row in rows if row.startswith("done"))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((80, 24)))
    listing.show(found)
    shown = capsys.readouterr().out
    assert "  State     finished\n  Trials    " in shown
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((400, 24)))
    listing.show(found)
    _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == ["bad", "cut", "done", "live"]

"""Cells on disk: what was run comes back exactly, a torn line is run again, and anything else is refused by line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.search_cells import Cell, Cells
from trainables.vocabulary.errors import UserError

CELL = Cell("task", "random", 3, 4, 2, 1, 1, 3)
SHARES = np.array([0, 0, 0.25, 0.25, 0.25, 0.7, 0.7, 0.7])


def test_cells_come_back_from_their_own_file_and_from_others(tmp_path: Path) -> None:
    Cells(tmp_path / "new" / "own.jsonl").add(CELL, SHARES)
    Cells(tmp_path / "other.jsonl").add(CELL._replace(seed=4), SHARES / 2)
    cells = Cells(tmp_path / "new" / "own.jsonl", [tmp_path / "other.jsonl"])
    assert cells.shares(CELL).tolist() == SHARES.tolist()
    assert cells.shares(CELL._replace(seed=4)).tolist() == (SHARES / 2).tolist()
    for changed in ({"world": "other"}, {"strategy": "grid"}, {"trainings": 3}, {"workers": 2}, {"grace": 2}):
        assert CELL._replace(**changed) not in cells


def test_a_torn_last_line_is_dropped_and_written_again(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    Cells(path).add(CELL, SHARES)
    whole = path.read_text()
    path.write_text(whole + whole[:30])
    cells = Cells(path)
    assert CELL in cells
    cells.add(CELL._replace(seed=9), SHARES)
    assert CELL._replace(seed=9) in Cells(path)


def test_what_is_no_cell_or_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"world": 1}\n')
    with pytest.raises(UserError, match=r"bad\.jsonl:1 is no cell of search_strategies"):
        Cells(None, [tmp_path / "bad.jsonl"])
    with pytest.raises(UserError, match=r"absent\.jsonl: No such file"):
        Cells(None, [tmp_path / "absent.jsonl"])

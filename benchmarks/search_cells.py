"""Cells of `benchmarks.search_strategies` on disk: one search each, a JSON object a line, appended as it ends.

A cell that is there is not run again, so a table that takes hours can be stopped and gone on with, and tables that were
made apart are put together. `steps`: [[epoch, share of the best hypervolume from then on], ...].
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trainables.vocabulary.errors import UserError


class Cell(NamedTuple):
    """What decides a search's outcome."""

    world: str
    strategy: str
    seed: int
    epochs: int
    trainings: int
    """Budget, in full trainings."""
    workers: int
    grace: int
    eta: int


class Cells:
    """Cells of some files, and the file that new ones go to (None: they are not kept)."""

    def __init__(self, own: Path | None = None, others: Iterable[Path] = ()) -> None:
        self.own = own
        self._steps: dict[Cell, list[tuple[int, float]]] = {}
        for path in [*others, *([own] if own is not None and own.exists() else [])]:
            self._read(path)

    def _read(self, path: Path) -> None:
        try:
            lines = path.read_text().splitlines(keepends=True)
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from None
        for number, line in enumerate(lines, 1):
            if not line.endswith("\n"):  # torn
                if path == self.own:
                    path.write_text("".join(lines[:-1]))
                continue
            try:
                row = json.loads(line)
                steps = [(int(epoch), float(share)) for epoch, share in row["steps"]]
                self._steps[Cell(*(row[name] for name in Cell._fields))] = steps
            except (ValueError, KeyError, TypeError):
                raise UserError(f"{path}:{number} is no cell of search_strategies") from None

    def __contains__(self, cell: Cell) -> bool:
        return cell in self._steps

    def shares(self, cell: Cell) -> np.ndarray:
        """Share after each epoch [budget in epochs]."""
        share_B = np.zeros(cell.trainings * cell.epochs)
        for epoch, share in self._steps[cell]:
            share_B[epoch - 1 :] = share
        return share_B

    def add(self, cell: Cell, share_B: np.ndarray) -> None:
        at = np.flatnonzero(np.diff(share_B, prepend=0.0))
        self._steps[cell] = [(int(i) + 1, float(share_B[i])) for i in at]
        if self.own is not None:
            self.own.parent.mkdir(parents=True, exist_ok=True)
            with self.own.open("a") as file:
                file.write(json.dumps({**cell._asdict(), "steps": self._steps[cell]}) + "\n")

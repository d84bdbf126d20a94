"""Data without a test split, divided once and for all: a share of each class's images becomes the test split."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from trainables.data.source import DataError, Item, Progress, Source, SplitName
from trainables.data.splits import stratified

TEST_SEED = 0
"""Of the draw: no setting changes which images are kept for the test."""


class Divided(Source):
    """The training images of another source, of which `data.test_share` are the test split.

    The draw depends on the images' order in the source and on their labels alone: not on any seed of a study or a run.
    """

    def __init__(self, whole: Source) -> None:
        super().__init__(whole.cfg)
        self.whole = whole

    @property
    def root(self) -> Path:
        return self.whole.root

    def check(self, split: SplitName) -> None:
        self.whole.check("train")
        if there := self._test_there():
            raise DataError(
                f"data.test_share={self.cfg.test_share:g} is for data without a test split, and {there} is one: "
                "take the setting out"
            )

    def _test_there(self) -> Path | None:
        """The first file of a test split of its own."""
        try:
            return self.whole.files("test")[0]
        except DataError:
            return None

    def prepare(self, progress: Progress) -> None:
        self.check("train")

    def files(self, split: SplitName) -> list[Path]:
        return self.whole.files("train")

    def settings(self) -> tuple[object, ...]:
        return (*self.whole.settings(), "test_share", self.cfg.test_share, TEST_SEED)

    @cached_property
    def _rows(self) -> dict[SplitName, np.ndarray]:
        """Rows of the whole, ascending. Raises DataError where a class is too small to be divided."""
        labels_N, names = self.whole.labels(), self.whole.class_names()
        counts = np.bincount(labels_N, minlength=len(names))
        if counts.min() < 2:
            poorest = int(counts.argmin())
            raise DataError(
                f"{self.root}: class {names[poorest]} has {counts[poorest]} images, too few to divide into training "
                "and test (data.test_share)"
            )
        assert self.cfg.test_share is not None
        wanted = round(self.cfg.test_share * len(labels_N))
        train, test = stratified(labels_N, min(max(len(names), wanted), len(labels_N) - len(names)), TEST_SEED)
        return {"train": train, "test": test}

    def labels(self) -> np.ndarray:
        return self.whole.labels()[self._rows["train"]]

    def count(self, split: SplitName) -> int:
        return len(self._rows[split])

    def class_names(self) -> tuple[str, ...]:
        return self.whole.class_names()

    def items(self, split: SplitName) -> Iterator[Item]:
        taken = set(self._rows[split].tolist())
        return (item for row, item in enumerate(self.whole.items("train")) if row in taken)

    def notes(self, split: SplitName) -> list[str]:
        return self.whole.notes(split) if split == "train" else []

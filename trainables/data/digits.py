"""The embedded digits: scikit-learn's, no files of one's own."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from trainables.data.source import Item, Source, SplitName
from trainables.data.splits import stratified

DIGITS_TEST, DIGITS_SEED = 360, 0  # a fifth of the 1,797 images


class Digits(Source):
    """scikit-learn's 1,797 handwritten digits, 8x8, grey levels 0-16 scaled to 0-255; every fifth image is test."""

    def files(self, split: SplitName) -> list[Path]:
        return []

    def settings(self) -> tuple[object, ...]:
        pixels, labels = _digits()
        return (pixels.tobytes().hex(), labels.tobytes().hex(), DIGITS_TEST, DIGITS_SEED)

    def count(self, split: SplitName) -> int:
        return DIGITS_TEST if split == "test" else len(_digits()[1]) - DIGITS_TEST

    def class_names(self) -> tuple[str, ...]:
        return tuple(str(digit) for digit in range(10))

    def items(self, split: SplitName) -> Iterator[Item]:
        pixels, labels = _digits()
        train, test = stratified(labels, DIGITS_TEST, DIGITS_SEED)
        for i in test if split == "test" else train:
            yield Item(pixels[i], int(labels[i]), f"digits {i}")


@functools.cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 8, 8] and labels from scikit-learn's file, read without importing scikit-learn (seconds a process)."""
    package = Path(importlib.util.find_spec("sklearn").origin).parent
    table = np.loadtxt(package / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    return np.round(table[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8), table[:, -1].astype(np.int64)

"""Which images go where: stratified draws of whole numbers of images."""

from __future__ import annotations

import numpy as np

from trainables.data.source import DataError
from trainables.settings.config import DataConfig


def stratified(labels_N: np.ndarray, take: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (left, taken), both ascending: `take` images, each class in proportion, drawn with `seed`.

    A smaller `take` is a subset of a larger one up to rounding: each class is shuffled once, on its own.
    """
    classes, counts = np.unique(labels_N, return_counts=True)
    taken = []
    for label, share in zip(classes, shares(counts, take), strict=True):
        members = np.flatnonzero(labels_N == label)
        taken.append(np.random.default_rng([seed, int(label)]).permutation(members)[:share])
    mask = np.zeros(len(labels_N), dtype=bool)
    mask[np.concatenate(taken)] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def shares(counts: np.ndarray, total: int) -> np.ndarray:
    """`total` split in proportion to `counts`: whole numbers by largest remainder, at least 1 each if total allows."""
    ideal = counts * (total / counts.sum())
    result = np.floor(ideal).astype(np.int64)
    if total >= len(counts):
        result = np.maximum(result, 1)
    while (missing := total - result.sum()) != 0:
        gap = ideal - result
        gap[(result >= counts) if missing > 0 else (result <= 1)] = -np.inf if missing > 0 else np.inf
        result[np.argmax(gap) if missing > 0 else np.argmin(gap)] += np.sign(missing)
    return result


def split_rows(labels_N: np.ndarray, names: tuple[str, ...], cfg: DataConfig) -> tuple[np.ndarray, np.ndarray]:
    """Rows (train, validation), both ascending. Raises DataError where a class or the limit is too small."""
    per_class = cfg.validation_per_class
    counts = np.bincount(labels_N, minlength=len(names))
    if counts.min() <= per_class:
        poorest = int(counts.argmin())
        raise DataError(
            f"class {poorest} ({names[poorest]}) has {counts[poorest]} training images, so data.validation_per_class="
            f"{per_class} leaves none to train on: set it below {counts[poorest]}"
        )
    if cfg.train_limit is not None and cfg.train_limit < len(names):
        raise DataError(
            f"data.train_limit={cfg.train_limit} is below the {len(names)} classes: one image each at least"
        )
    left = counts - per_class
    take = left if cfg.train_limit is None else shares(left, min(cfg.train_limit, int(left.sum())))
    train, validation = [], []
    for label in range(len(names)):
        rng = np.random.default_rng([cfg.split_seed, label])
        rows = rng.permutation(np.flatnonzero(labels_N == label))
        validation.append(rows[:per_class])
        train.append(rows[per_class : per_class + take[label]])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(validation))

"""Stratified draws by hand and at random."""

import numpy as np
import pytest

from trainables.data.splits import shares, split_rows, stratified
from trainables.settings.config import DataConfig


def test_split_rows_by_hand():
    labels = np.array([0, 1, 0, 1, 0, 1, 0, 0])
    cfg = DataConfig(name="digits", validation_per_class=1, train_limit=3)
    train, validation = split_rows(labels, ("a", "b"), cfg)
    assert labels[validation].tolist().count(0) == labels[validation].tolist().count(1) == 1
    assert np.bincount(labels[train]).tolist() == [2, 1]  # 4 and 2 are left, a limit of 3 takes half of each
    assert len(set(train) | set(validation)) == 5


@pytest.mark.parametrize(
    ("counts", "total", "expected"),
    [
        ([10, 10], 10, [5, 5]),
        ([100, 1], 10, [9, 1]),  # nobody is left out
        ([3, 3, 3], 4, [2, 1, 1]),
        ([5, 1, 1, 1], 4, [1, 1, 1, 1]),
        ([2, 2], 4, [2, 2]),
        ([1, 50, 1], 52, [1, 50, 1]),
    ],
)
def test_shares_by_hand(counts, total, expected):
    assert shares(np.array(counts), total).tolist() == expected


def test_shares_are_exact_and_never_exceed_the_class():
    rng = np.random.default_rng(0)
    for _ in range(200):
        counts = rng.integers(1, 60, size=rng.integers(2, 12))
        total = int(rng.integers(len(counts), counts.sum() + 1))
        result = shares(counts, total)
        assert result.sum() == total
        assert (result >= 1).all()
        assert (result <= counts).all()


def test_stratified_takes_every_image_once():
    labels = np.arange(100) % 7
    left, taken = stratified(labels, 20, seed=3)
    assert sorted([*left, *taken]) == list(range(100))
    assert len(taken) == 20
    assert np.ptp(np.bincount(labels[taken])) <= 1

"""Points of the confirm stage and the score they are measured by."""

from __future__ import annotations

import dataclasses
import math

import pytest

from analysis.results import points
from analysis.results.intervals import intervals


def values_of(results, point: str, column: str) -> list[float]:
    trials = results.trials
    return trials.loc[trials["point"] == point, column].tolist()


def test_confirmed_points_hold_mean_and_interval_of_their_seeds(results):
    table = points.confirmed(results, "test_acc1")
    means = intervals(dict(zip(table["point"], table["values"], strict=True)))
    for row in table.itertuples():
        assert row.y == pytest.approx(sum(values_of(results, row.point, "test_acc1")) / 3)
        assert (row.y, row.low, row.high, row.n) == means[row.point][:4]
        assert sorted(row.values) == [1, 2, 3]


def test_score_is_the_test_counterpart_of_the_studys_score(results, rehearsal, search_only):
    assert points.confirm_score(results).column == "test_acc1"
    assert points.confirm_score(rehearsal).column == "test_few_shot_acc1"
    assert points.confirm_score(search_only) is None
    bare = dataclasses.replace(results, trials=results.trials.assign(test_acc1=math.nan))
    assert points.confirm_score(bare).column == "accuracy"

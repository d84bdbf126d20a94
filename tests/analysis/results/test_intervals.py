"""Intervals against scipy.stats, and resampled fronts in cases whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from analysis.results.intervals import (
    PERCENT,
    mean_interval,
    paired_difference,
    paired_ratio,
    pooled_deviation,
    resampled_costs,
    resampled_means,
)


@pytest.mark.parametrize("n", [2, 3, 5, 9])
def test_few_values_give_the_t_interval(n):
    values = np.random.default_rng(n).normal(57, 0.4, n)
    found = mean_interval(values)
    low, high = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.mean, found.n, found.how) == (pytest.approx(values.mean()), n, "t")


def test_many_values_give_the_bootstrap():
    values = np.random.default_rng(0).exponential(2.0, 40)
    found = mean_interval(values)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=2000, rng=np.random.default_rng(5)).confidence_interval
    assert found.how == "bootstrap"
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.12)
    assert found == mean_interval(values)


def test_t_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(3)
    found = [mean_interval(rng.normal(10, 1, 4)) for _ in range(1000)]
    covered = np.mean([i.low <= 10 <= i.high for i in found])
    assert 0.93 < covered < 0.97


def test_degenerate_samples():
    assert mean_interval([]).how == "no value"
    assert math.isnan(mean_interval([math.nan]).mean)
    one = mean_interval([4.0, math.nan])
    assert (one.mean, one.n, one.how) == (4.0, 1, "single value")
    assert math.isnan(one.low)
    assert mean_interval([4.0, 4.0, 4.0])[:3] == (4.0, 4.0, 4.0)
    assert mean_interval([4.0] * 12)[:3] == (4.0, 4.0, 4.0)


def test_paired_difference_uses_equal_seeds_only():
    a, b = {1: 57.0, 2: 58.0, 3: 59.5, 7: 99.0}, {1: 56.0, 2: 57.5, 3: 58.0, 8: 1.0}
    found = paired_difference(a, b)
    differences = np.array([1.0, 0.5, 1.5])
    low, high = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert found[:4] == (pytest.approx(1.0), pytest.approx(low), pytest.approx(high), 3)
    assert paired_difference({1: 1.0}, {2: 1.0}).n == 0


def test_paired_ratio_is_exact_for_proportional_values():
    a, b = {s: 0.9 * (50 + s) for s in range(4)}, {s: 50.0 + s for s in range(4)}
    assert paired_ratio(a, b)[:3] == pytest.approx((0.9, 0.9, 0.9))


def test_paired_ratio_inverts():
    a, b = {1: 57.0, 2: 58.0, 3: 56.1}, {1: 58.1, 2: 58.9, 3: 58.0}
    there, back = paired_ratio(a, b), paired_ratio(b, a)
    assert there.mean == pytest.approx(1 / back.mean)
    assert (there.low, there.high) == pytest.approx((1 / back.high, 1 / back.low))
    assert paired_ratio({1: 0.0}, {1: 2.0}).n == 0


def test_pooled_deviation_by_hand():
    deviation, freedom = pooled_deviation([[1.0, 3.0], [10.0, 10.0, 13.0], [5.0]])
    assert freedom == 3
    assert deviation == pytest.approx(math.sqrt((2 + 6) / 3))
    assert pooled_deviation([[1.0], [2.0]])[1] == 0


def test_resampled_means_have_the_spread_of_a_mean():
    rng = np.random.default_rng(0)
    samples = [rng.normal(50, 1, 5) for _ in range(40)]
    drawn = resampled_means(samples, draws=4000)
    assert drawn.mean(0) == pytest.approx([s.mean() for s in samples], abs=0.05)
    assert drawn.std(0).mean() == pytest.approx(pooled_deviation(samples)[0] / math.sqrt(5), rel=0.05)
    assert (drawn == resampled_means(samples, draws=4000)).all()


def test_many_seeds_are_resampled_from_the_values():
    values = [50.0] * 19 + [70.0]
    drawn = resampled_means([values, values])
    assert set(np.round(drawn.ravel() - 50, 6)) <= {float(k) for k in range(21)}


def test_a_limited_interval_is_the_t_interval_cut_off():
    values = [99.0, 99.8]
    low, _ = stats.t.interval(0.95, 1, loc=99.4, scale=stats.sem(values))
    found = mean_interval(values, limits=PERCENT)
    assert (found.mean, found.low, found.high) == (pytest.approx(99.4), pytest.approx(low), 100.0)
    assert mean_interval(values).high > 100
    assert math.isnan(mean_interval([99.0], limits=PERCENT).high)


def test_counted_costs_are_exact_and_measured_ones_vary_with_their_means():
    assert (resampled_costs([[4.0, 4.0], [0.0, 0.0]], draws=5) == [4.0, 0.0]).all()
    costs = [[10.0, 11.0, 12.0], [100.0, 110.0, 120.0]]
    drawn = resampled_costs(costs, draws=4000)
    assert (drawn > 0).all()
    assert np.median(drawn, axis=0) == pytest.approx([11.0, 110.0], rel=0.02)
    deviation, _ = pooled_deviation([np.log(c) for c in costs])
    assert np.log(drawn).std(0) == pytest.approx([deviation / math.sqrt(3) * math.sqrt(2)] * 2, rel=0.15)  # t, 4 d.f.

"""The one rule of intervals against scipy.stats, its floor by hand, and draws that agree with it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from analysis.results.intervals import (
    PERCENT,
    compared,
    cost_intervals,
    drawn_costs,
    drawn_means,
    half_widths,
    intervals,
    pooled_of,
)


def of(*samples: list[float]) -> list[dict[int, float]]:
    """Values in the order of seeds 1, 2, ..."""
    return [dict(enumerate(sample, 1)) for sample in samples]


def only(values: list[float], **how: object):
    return intervals({"it": dict(enumerate(values))}, **how)["it"]


@pytest.mark.parametrize("n", [2, 3, 5, 9, 10, 40])
def test_a_mean_alone_has_students_interval_at_every_n(n):
    values = np.random.default_rng(n).normal(57, 0.4, n)
    found = only(values)
    low, high = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.mean, found.n, found.how) == (pytest.approx(values.mean()), n, "t")


def test_equal_values_take_the_deviation_of_the_points_beside_them():
    found = intervals({"equal": {1: 50.0, 2: 50.0}, "a": {1: 40.0, 2: 41.0}, "b": {1: 60.0, 2: 61.0, 3: 62.0}})
    deviation, freedom = math.sqrt((0 + 0.5 + 2.0) / 4), 4
    half = stats.t.ppf(0.975, freedom) * deviation / math.sqrt(2)
    assert found["equal"][:3] == pytest.approx((50.0, 50.0 - half, 50.0 + half))
    own = stats.t.ppf(0.975, 1) * math.sqrt(0.5) / math.sqrt(2)  # wider than pooled
    assert found["a"].high - found["a"].mean == pytest.approx(own)


def test_values_that_say_nothing_of_the_spread_have_no_interval():
    assert only([]).how == "no value"
    assert math.isnan(only([math.nan]).mean)
    one = only([4.0, math.nan])
    assert (one.mean, one.n, one.how) == (4.0, 1, "single value")
    assert math.isnan(one.low)
    for values in ([4.0, 4.0], [0.1] * 12):
        equal = only(values)
        assert (equal.mean, equal.how) == (pytest.approx(values[0]), "equal values")
        assert math.isnan(equal.low)
    single = intervals({"one": {1: 50.0}, "more": {1: 50.0, 2: 51.0}})["one"]
    assert math.isnan(single.low)  # nothing shows that it scatters like the others


def test_a_limited_interval_is_the_t_interval_cut_off():
    values = [99.0, 99.8]
    low, _ = stats.t.interval(0.95, 1, loc=99.4, scale=stats.sem(values))
    found = only(values, limits=PERCENT)
    assert (found.mean, found.low, found.high) == (pytest.approx(99.4), pytest.approx(low), 100.0)
    assert only(values).high > 100


def test_pooled_deviation_by_hand():
    found = pooled_of(of([1.0, 3.0], [10.0, 10.0, 13.0], [5.0]))
    assert found.freedom == 3
    assert found.deviation == pytest.approx(math.sqrt((2 + 6) / 3))
    assert pooled_of(of([1.0], [2.0])).freedom == 0


# --- comparisons ---


def test_a_difference_uses_equal_seeds_only():
    a, b = {1: 57.0, 2: 58.0, 3: 59.5, 7: 99.0}, {1: 56.0, 2: 57.5, 3: 58.0, 8: 1.0}
    found = compared({"a": a}, b)["a"]
    low, high = stats.ttest_1samp([1.0, 0.5, 1.5], 0).confidence_interval(0.95)
    assert found[:4] == (pytest.approx(1.0), pytest.approx(low), pytest.approx(high), 3)
    assert compared({"a": {1: 1.0}}, {2: 1.0})["a"].n == 0


def test_a_choice_among_several_widens_the_interval_by_bonferroni():
    a, b = {1: 57.0, 2: 58.0, 3: 59.5}, {1: 56.0, 2: 57.5, 3: 58.0}
    found = compared({"a": a}, b, choices=6)["a"]
    low, high = stats.ttest_1samp([1.0, 0.5, 1.5], 0).confidence_interval(1 - 0.05 / 6)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_a_ratio_is_of_logarithms_and_inverts():
    a, b = {1: 57.0, 2: 58.0, 3: 56.1}, {1: 58.1, 2: 58.9, 3: 58.0}
    there, back = compared({0: a}, b, ratio=True)[0], compared({0: b}, a, ratio=True)[0]
    assert there.mean == pytest.approx(1 / back.mean)
    assert (there.low, there.high) == pytest.approx((1 / back.high, 1 / back.low))
    assert compared({0: {1: 0.0}}, {1: 2.0}, ratio=True)[0].n == 0
    proportional = {s: 0.9 * v for s, v in b.items()}
    assert compared({0: proportional, 1: a}, b, ratio=True)[0].mean == pytest.approx(0.9)


# --- costs ---


def test_counted_costs_are_exact_and_measured_ones_vary_with_their_means():
    exact = cost_intervals(dict(enumerate(of([4.0, 4.0], [0.0, 0.0]))))
    assert [found[:3] for found in exact.values()] == [(4.0, 4.0, 4.0), (0.0, 0.0, 0.0)]
    assert (drawn_costs(of([4.0, 4.0], [0.0, 0.0]), draws=5) == [4.0, 0.0]).all()
    costs = of([10.0, 11.0, 12.0], [100.0, 110.0, 120.0])
    found = cost_intervals(dict(enumerate(costs)))
    assert 0 < found[0].low < found[0].mean < found[0].high
    assert found[1].low == pytest.approx(10 * found[0].low)
    drawn = drawn_costs(costs, draws=4000)
    assert (drawn > 0).all()
    assert np.quantile(drawn[:, 0], 0.975) == pytest.approx(found[0].high, rel=0.05)


# --- draws ---


def test_draws_have_the_spread_of_the_intervals():
    rng = np.random.default_rng(0)
    samples = of(*(rng.normal(50, 1, 5) for _ in range(12)), [50.0] * 5)
    drawn, found = drawn_means(samples, draws=20_000), intervals(dict(enumerate(samples)))
    for i in range(len(samples)):
        assert np.quantile(drawn[:, i], 0.975) - found[i].mean == pytest.approx(found[i].high - found[i].mean, rel=0.08)
    assert (drawn[:2000] == drawn_means(samples, draws=20_000)[:2000]).all()


def test_draws_keep_what_the_seeds_share():
    shared = np.random.default_rng(1).normal(0, 1, 6)
    drawn = drawn_means(of(50 + shared, 60 + shared, 55 - shared))
    correlation = np.corrcoef(drawn.T)
    assert correlation[0, 1] == pytest.approx(1, abs=1e-6)
    assert correlation[0, 2] == pytest.approx(-1, abs=1e-6)


def test_draws_of_a_single_run_take_the_pooled_deviation_and_of_nothing_are_nan():
    drawn = drawn_means(of([50.0, 50.2, 49.8], [50.05], []), draws=4000)
    assert np.quantile(drawn[:, 1], 0.975) - 50.05 == pytest.approx(0.2 * stats.t.ppf(0.975, 2), rel=0.15)
    assert np.isnan(drawn[:, 2]).all()
    assert np.isnan(drawn_means(of([1.0], [2.0]))).all()
    assert np.isnan(drawn_means(of([1.0, 1.0], [2.0, 2.0]))).all()


# --- coverage: the whole is in benchmarks.coverage ---


@pytest.mark.parametrize("deviations", ["equal", "one noisy"])
@pytest.mark.parametrize("shared", [0.0, 0.9])
@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_every_point_is_covered_as_often_as_said(n, shared, deviations):
    rng = np.random.default_rng((n, int(10 * shared), len(deviations)))
    spread = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 3.0 if deviations == "one noisy" else 1.0])[:, None]
    covered = []
    for _ in range(400):
        own, seed = spread * rng.standard_normal((6, n)), rng.standard_normal(n)
        values = math.sqrt(1 - shared) * own + math.sqrt(shared) * seed
        half = half_widths(np.full(6, n), values.std(1, ddof=1))
        covered.append(np.abs(values.mean(1)) <= half)
    assert np.mean(covered, axis=0).min() > 0.91


def test_the_best_of_several_is_covered_as_often_as_said():
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(400):
        values = rng.normal(50, 0.5, (7, 3))
        bare, *others = of(*values)
        best = int(values[1:].mean(1).argmax())
        found = compared(dict(enumerate(others)), bare, choices=6)[best]
        covered.append(found.low <= 0 <= found.high)
    assert np.mean(covered) > 0.93

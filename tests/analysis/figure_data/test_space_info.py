"""Numbers behind the figures of the search space (accuracy over k, map): saturation, intervals, interpolation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis.figure_data import space_info as space
from analysis.figure_data.common import NotEnough
from tests.helpers.figure_inputs import trial_row


def power_law(rng: np.random.Generator, noise: float, top: float = 2000.0) -> tuple[np.ndarray, np.ndarray]:
    k = np.repeat(np.geomspace(20, top, 8).round(), 3)
    return k, 60 - 30 * k**-0.6 + rng.normal(0, noise, len(k))


def test_saturation_recovers_an_exact_power_law() -> None:
    k, accuracy = power_law(np.random.default_rng(0), 0.0)
    found = space.fit_saturation(k, accuracy + np.random.default_rng(1).normal(0, 1e-6, len(k)))
    assert (found.status, found.model) == (space.FITTED, "power")
    assert found.asymptote.mean == pytest.approx(60, abs=1e-3)
    assert found.c == pytest.approx(0.6, abs=1e-3)
    assert found.k == pytest.approx((30 / 0.5) ** (1 / 0.6), rel=1e-3)


def test_saturation_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    truth, covered, fitted = (30 / 0.5) ** (1 / 0.6), 0, 0
    for seed in range(40):
        found = space.fit_saturation(*power_law(np.random.default_rng(seed), 0.1))
        if found.status != space.NOT_IDENTIFIABLE:
            fitted += 1
            covered += found.k_low <= truth <= found.k_high
    assert fitted >= 35
    assert covered / fitted > 0.85


def test_saturation_admits_what_the_data_do_not_carry() -> None:
    rng = np.random.default_rng(0)
    few = space.fit_saturation(np.array([50.0, 200, 400]), np.array([50.0, 55, 56]))
    assert few.status == space.NOT_IDENTIFIABLE
    assert "3 sizes in 3 trials" in few.reason
    k = np.repeat([25.0, 50, 100, 200, 400], 3)
    flat = space.fit_saturation(k, 50 + rng.normal(0, 1, len(k)))
    assert flat.status == space.NOT_IDENTIFIABLE
    assert math.isnan(flat.k)
    falling = space.fit_saturation(k, 60 - 0.02 * k + rng.normal(0, 0.1, len(k)))
    assert falling.status == space.NOT_IDENTIFIABLE


def test_a_curve_that_is_flat_from_some_k_on_is_exponential_and_saturates_where_it_does() -> None:
    k = np.repeat([10.0, 25, 50, 100, 200, 400, 800, 1600], 3)
    truth, covered = 90 * math.log(9 / 0.5), 0
    for seed in range(30):
        noise = np.random.default_rng(seed).normal(0, 0.3, len(k))
        found = space.fit_saturation(k, 57 - 9 * np.exp(-k / 90) + noise)
        assert (found.status, found.model) == (space.FITTED, "exponential")
        assert found.asymptote.low < found.asymptote.mean < found.asymptote.high
        covered += found.k_low <= truth <= found.k_high
    assert covered / 30 > 0.85
    exact = space.fit_saturation(k, 57 - 9 * np.exp(-k / 90) + np.random.default_rng(0).normal(0, 1e-6, len(k)))
    assert exact.k == pytest.approx(truth, rel=1e-4)
    np.testing.assert_allclose(exact.fit, 57 - 9 * np.exp(-exact.grid / 90), atol=1e-4)


def test_an_exponential_that_never_leaves_the_tolerance_has_no_saturation_point() -> None:
    k = np.repeat([10.0, 25, 50, 100, 200, 400], 3)
    noise = np.random.default_rng(0).normal(0, 0.005, len(k))
    found = space.fit_saturation(k, 57 - 0.3 * np.exp(-k / 90) + noise)
    assert found.status == space.NOT_IDENTIFIABLE
    assert "within 0.5 points of its asymptote at every k" in found.reason


def test_an_asymptote_above_a_hundred_percent_is_no_fit() -> None:
    k, accuracy = power_law(np.random.default_rng(0), 0.05)
    found = space.fit_saturation(k, accuracy + 41)
    assert found.status == space.NOT_IDENTIFIABLE
    assert "is above 100 %" in found.reason


def test_saturation_is_not_extrapolated() -> None:
    found = space.fit_saturation(*power_law(np.random.default_rng(0), 0.02, top=300.0))
    assert found.status == space.NOT_REACHED
    assert "still more than 0.5 points below the asymptote at k = 300" in found.reason


def test_accuracy_by_k_takes_the_stage_with_enough_sizes_and_refers_to_the_others() -> None:
    rows = [
        trial_row(f"k{k}", p_k=k, p_temperature=0.1 * i, accuracy=40.0 + i) for i, k in enumerate((10, 20, 40, 80), 1)
    ]
    rows += [trial_row("q", method="nnclr", accuracy=60.0), trial_row("n", method="none", accuracy=30.0)]
    rows += [trial_row("c", stage="confirm", p_k=40, accuracy=99.0)]
    found = space.accuracy_by_k(pd.DataFrame(rows))
    assert found.stage == "search"
    np.testing.assert_array_equal(found.sizes, [10, 20, 40, 80])
    assert {m: i.mean for m, i in found.references.items()} == {"nnclr": 60.0, "none": 30.0}
    assert found.vary == ("temperature",)
    with pytest.raises(NotEnough, match="fewer than two values of k"):
        space.accuracy_by_k(pd.DataFrame(rows[:1]))


def test_map_interpolates_linearly_in_logarithms_and_only_within_the_hull() -> None:
    corners = [(10, 0.1, 40.0), (1000, 0.1, 50.0), (10, 0.4, 42.0), (1000, 0.4, 52.0)]
    rows = [trial_row(str(i), p_k=k, p_temperature=t, accuracy=a) for i, (k, t, a) in enumerate(corners)]
    rows.append(trial_row("stopped", status="stopped", p_k=5000, p_temperature=0.9, accuracy=1.0))
    found = space.space_map(pd.DataFrame(rows))
    assert len(found.points) == 5
    assert found.grid_size[[0, -1]] == pytest.approx([10, 1000])
    row, column = 30, 20
    expected = 40 + 10 * column / 59 + 2 * row / 59
    assert found.grid_accuracy[row, column] == pytest.approx(expected)
    on_a_line = [trial_row(str(i), p_k=10**i, p_temperature=0.1 * 2**i, accuracy=40.0) for i in (1, 2, 3)]
    assert space.space_map(pd.DataFrame(on_a_line)).grid_accuracy is None
    with pytest.raises(NotEnough, match="no trial of nnclr"):
        space.space_map(pd.DataFrame(rows), "nnclr")

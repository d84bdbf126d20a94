"""Saturation points that two laws and the seeds allow: found, bounded, or refused, and true as often as said."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.figure_data.saturation import TOLERANCE, Saturation, saturation

FOUR = np.array([50.0, 200.0, 400.0, 600.0])
EIGHT = np.array([10.0, 25.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1600.0])


def power(k: np.ndarray, point: float, c: float) -> np.ndarray:
    return 60 - TOLERANCE * (k / point) ** -c


def exponential(k: np.ndarray, point: float, c: float) -> np.ndarray:
    return 60 - TOLERANCE * np.exp(-c * (k - point))


def studied(mean_K: np.ndarray, seeds: int, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Values [K, S]: every seed moves its whole curve, and scatters about it."""
    return mean_K[:, None] + rng.normal(0, 0.5, seeds) + noise * rng.standard_normal((len(mean_K), seeds))


def is_true(found: Saturation, point: float) -> bool:
    above = found.low <= point or found.low < found.smallest
    return above and (point <= found.high or found.high > found.largest)


@pytest.mark.parametrize(("law", "c"), [(power, 0.9), (exponential, 0.01)])
def test_with_little_scatter_the_true_law_and_its_point_are_found(law, c):
    found = saturation(EIGHT, studied(law(EIGHT, 300, c), 3, 1e-3, np.random.default_rng(0)))
    assert [one.law for one in found.laws if one.fits] == [law.__name__]
    mine = next(one for one in found.laws if one.fits)
    assert found.named
    assert mine.low <= mine.best <= mine.high
    assert mine.best == pytest.approx(300, rel=0.02)
    assert mine.high / mine.low < 1.05
    np.testing.assert_allclose(mine.fit - law(mine.grid, 300, c), (mine.fit - law(mine.grid, 300, c)).mean(), atol=0.05)


def test_a_seed_that_moves_its_whole_curve_is_no_scatter():
    values = studied(exponential(EIGHT, 300, 0.01), 3, 0.1, np.random.default_rng(2))
    moved = saturation(EIGHT, values + np.array([-8.0, 0.0, 8.0]))
    still = saturation(EIGHT, values)
    assert still.named
    assert (moved.low, moved.high) == pytest.approx((still.low, still.high), rel=1e-6)


def test_a_power_law_beyond_the_sizes_is_not_said_to_saturate_within_them():
    """Sizes 50 to 600 of a power law that saturates at 1,600: four sizes cannot tell it from an exponential."""
    rng, true, named, both = np.random.default_rng(2), 0, 0, 0
    for _ in range(60):
        found = saturation(FOUR, studied(power(FOUR, 1600, 0.6), 3, 0.3, rng))
        true += is_true(found, 1600) or math.isnan(found.low)
        named += found.named
        both += all(one.fits for one in found.laws)
    assert true >= 55
    assert named <= 3
    assert both >= 50


@pytest.mark.parametrize(
    ("sizes", "law", "point", "c", "seeds"),
    [(FOUR, power, 400, 1.0, 3), (FOUR, exponential, 300, 0.01, 2), (EIGHT, power, 900, 0.6, 5)],
)
def test_what_is_said_is_true_as_often_as_said(sizes, law, point, c, seeds):
    rng, own = np.random.default_rng(3), 0
    for _ in range(60):
        found = saturation(sizes, studied(law(sizes, point, c), seeds, 0.25, rng))
        mine = next(one for one in found.laws if one.law == law.__name__)
        own += is_true(found._replace(laws=(mine,)), point)
    assert own >= 52


def test_a_flat_or_falling_curve_names_no_point():
    rng = np.random.default_rng(4)
    flat = saturation(FOUR, studied(np.full(4, 50.0), 3, 0.2, rng))
    assert not flat.named
    assert flat.low < flat.smallest
    falling = saturation(FOUR, studied(60 - 0.02 * FOUR, 3, 0.05, rng))
    assert not falling.named
    assert not any(one.fits for one in falling.laws)
    assert all(math.isnan(one.best) and not len(one.fit) for one in falling.laws)


@pytest.mark.parametrize(
    ("shape", "why"),
    [((3, 5), "3 sizes with 5 seeds in common"), ((6, 1), "6 sizes with 1 seed in common"), ((4, 0), "4 sizes with 0")],
)
def test_too_few_sizes_or_seeds_are_refused(shape, why):
    found = saturation(np.arange(1.0, shape[0] + 1), np.random.default_rng(0).normal(50, 1, shape))
    assert why in found.reason
    assert not found.named
    assert found.laws == ()


def test_seeds_without_scatter_are_refused():
    found = saturation(FOUR, power(FOUR, 400, 1.0)[:, None] + np.array([0.0, 1.0]))
    assert "their scatter is not known" in found.reason

"""Early values foretell last ones as far as finished trials show it."""

import numpy as np
import pytest

from study.search.foretelling import explained, foretell

NOTHING = np.zeros(0)


def test_before_any_has_finished_the_value_itself_is_foretold() -> None:
    mean, variance = foretell(np.array([3.0, 5.0]), NOTHING, NOTHING, spread=2.0)
    np.testing.assert_allclose(mean, [3.0, 5.0])
    np.testing.assert_allclose(variance, 1.0)  # half a spread, squared


def test_a_line_is_learned_and_its_error() -> None:
    generator = np.random.default_rng(0)
    at = generator.normal(40, 5, 400)
    last = 10 + 0.5 * at + generator.normal(0, 1, 400)
    mean, variance = foretell(np.array([30.0, 50.0]), at, last, spread=5.0)
    np.testing.assert_allclose(mean, [25.0, 35.0], atol=0.4)
    np.testing.assert_allclose(variance, 1.0, rtol=0.3)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_what_is_foretold_follows_the_unit(scale: float) -> None:
    at, last = np.array([1.0, 2, 4]), np.array([2.0, 3, 4.5])
    mean, variance = foretell(np.array([3.0]), at, last, spread=1.5)
    scaled = foretell(scale * np.array([3.0]), scale * at, scale * last, spread=scale * 1.5)
    np.testing.assert_allclose(scaled[0], scale * mean)
    np.testing.assert_allclose(scaled[1], scale**2 * variance)


def test_missing_values_of_finished_trials_are_left_out() -> None:
    at, last = np.array([1.0, 2, np.nan, 4]), np.array([2.0, 3, 7, 4.5])
    with_nan = foretell(np.array([3.0]), at, last, spread=1.5)
    without = foretell(np.array([3.0]), at[[0, 1, 3]], last[[0, 1, 3]], spread=1.5)
    np.testing.assert_allclose(with_nan, without)


def test_a_spread_of_nothing_is_no_error() -> None:
    mean, variance = foretell(np.array([2.0]), np.full(3, 2.0), np.full(3, 2.0), spread=0.0)
    assert mean[0] == pytest.approx(2.0)
    assert 0 < variance[0] < 1e-6


def test_explained_is_one_for_a_line_and_low_for_noise() -> None:
    generator = np.random.default_rng(1)
    at = generator.normal(size=20_000)
    assert explained(at, 3 * at + 1, at) == pytest.approx(1.0)
    assert explained(at, generator.normal(size=20_000), at) < 0.05
    assert explained(at, -at, at) == pytest.approx(0.0)  # a wrong order foretells nothing
    share = explained(at, at + generator.normal(size=20_000), at)
    assert share == pytest.approx(0.5, abs=0.03)


def test_explained_counts_the_spread_of_all_not_of_those_that_finished() -> None:
    generator = np.random.default_rng(2)
    everybody = generator.normal(size=40_000)
    last = everybody + generator.normal(size=40_000)
    chosen = np.argsort(everybody)[:8000]
    finished = np.where(np.isin(np.arange(40_000), chosen), last, np.nan)
    assert explained(everybody, finished, everybody) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("at", [[1.0, 2.0], [1.0, 1.0, 1.0], [np.nan, 1.0, 2.0]])
def test_explained_says_nothing_of_too_little(at: list[float]) -> None:
    assert explained(np.array(at), np.arange(len(at)), np.array(at)) is None

"""Early values foretell last ones as far as finished trials show it."""

import numpy as np
import pytest

from study.search.front.foretelling import PRIOR_ERROR, Line


def _curves(at: np.ndarray, last: np.ndarray) -> list[np.ndarray]:
    return [np.array([a, b]) for a, b in zip(at, last, strict=True)]


def test_before_any_has_finished_the_value_itself_is_foretold() -> None:
    line = Line(1, [], [1.0, 2.0, 3.0, 4.0])
    mean, variance = line(2.5)
    assert mean == pytest.approx(2.5)
    assert variance > (PRIOR_ERROR * line.spread) ** 2
    assert line.trust == pytest.approx(1 - PRIOR_ERROR**2)


def test_a_line_is_learned_and_its_error() -> None:
    generator = np.random.default_rng(0)
    at = generator.normal(40, 5, 4000)
    last = 10 + 0.5 * at + generator.normal(0, 1, 4000)
    line = Line(1, _curves(at, last), list(at))
    for value, expected in ((30.0, 25.0), (50.0, 35.0)):
        mean, variance = line(value)
        assert mean == pytest.approx(expected, abs=0.2)
        assert variance == pytest.approx(1.0, rel=0.1)


def test_noise_is_not_trusted_and_a_line_is() -> None:
    generator = np.random.default_rng(1)
    at = generator.normal(size=400)
    assert Line(1, _curves(at, generator.normal(size=400)), list(at)).trust < 0.2
    assert Line(1, _curves(at, at + 3), list(at)).trust > 0.95


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_what_is_foretold_follows_the_unit(scale: float) -> None:
    at, last = np.array([1.0, 2, 4]), np.array([2.0, 3, 4.5])
    mean, variance = Line(1, _curves(at, last), list(at))(3.0)
    scaled = Line(1, _curves(scale * at, scale * last), list(scale * at))(scale * 3.0)
    assert scaled == pytest.approx((scale * mean, scale**2 * variance))


def test_missing_values_and_no_spread_are_no_error() -> None:
    at, last = np.array([1.0, 2, np.nan, 4]), np.array([2.0, 3, 7, 4.5])
    assert Line(1, _curves(at, last), list(at))(3.0) == Line(1, _curves(at[[0, 1, 3]], last[[0, 1, 3]]), list(at))(3.0)
    assert np.isfinite(Line(1, _curves(np.full(3, 2.0), np.full(3, 2.0)), [2.0] * 3)(2.0)).all()
    assert np.isfinite(Line(5, [], [])(2.0)).all()

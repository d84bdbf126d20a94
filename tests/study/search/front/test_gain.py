"""The expected gain of hypervolume: hand-computed, against Monte Carlo, and at the edges."""

import numpy as np
import pytest

from study.search.front.gain import Bounded, bounded_improvement, expected_gain, improvement
from trainables.dominance import hypervolume

CORNER = np.array([10.0, 5.0])
FRONT = np.array([[2.0, 4.0], [4.0, 2.0], [7.0, 1.0]])


def _sampled(mean, deviation, front, corner) -> float:
    draws = mean + deviation * np.random.default_rng(0).standard_normal((4000, len(mean)))
    before = hypervolume(front, corner)
    return float(np.mean([hypervolume(np.vstack([front, row]), corner) - before for row in draws]))


def test_improvement_of_a_normal_cost() -> None:
    assert improvement(0.0, 1.0, 0.0) == pytest.approx(1 / np.sqrt(2 * np.pi))
    assert improvement(1.0, 0.0, 3.0) == pytest.approx(2.0)
    assert improvement(3.0, 0.0, 1.0) == pytest.approx(0.0)


def test_without_uncertainty_the_gain_is_exact() -> None:
    points = np.array([[3.0, 3.0], [5.0, 3.0], [1.0, 0.5], [2.0, 4.0], [11.0, 1.0], [1.0, 6.0]])
    before = hypervolume(FRONT, CORNER)
    exact = [hypervolume(np.vstack([FRONT, p]), CORNER) - before for p in points]
    np.testing.assert_allclose(expected_gain(points, np.zeros_like(points), FRONT, CORNER), exact, atol=1e-9)


@pytest.mark.parametrize("uncertain", [0, 1])
def test_one_uncertain_objective_agrees_with_monte_carlo(uncertain: int) -> None:
    deviation = np.zeros(2)
    deviation[uncertain] = 1.5
    for mean in ([3.0, 3.0], [5.0, 3.0], [8.0, 0.5]):
        closed = expected_gain(np.array([mean]), deviation[None], FRONT, CORNER)[0]
        assert closed == pytest.approx(_sampled(np.array(mean), deviation, FRONT, CORNER), rel=0.08, abs=0.03)


def test_two_uncertain_objectives_and_three_agree_with_monte_carlo() -> None:
    deviation = np.array([1.0, 0.7])
    found = expected_gain(np.array([[3.0, 3.0]]), deviation[None], FRONT, CORNER)[0]
    assert found == pytest.approx(_sampled(np.array([3.0, 3.0]), deviation, FRONT, CORNER), rel=0.1)
    front, corner = np.array([[1.0, 2, 3], [2, 1, 1]]), np.array([4.0, 4, 4])
    mean, deviation = np.array([1.5, 1.5, 1.5]), np.array([0.5, 0.0, 0.4])
    found = expected_gain(mean[None], deviation[None], front, corner)[0]
    assert found == pytest.approx(_sampled(mean, deviation, front, corner), rel=0.1)


def test_one_objective_is_expected_improvement_and_an_empty_front_is_bounded_by_the_corner() -> None:
    found = expected_gain(np.array([[1.0]]), np.array([[2.0]]), np.array([[3.0]]), np.array([9.0]))
    assert found[0] == pytest.approx(float(improvement(1.0, 2.0, 3.0)))
    empty = expected_gain(np.array([[1.0, 2.0]]), np.zeros((1, 2)), np.zeros((0, 2)), CORNER)
    assert empty[0] == pytest.approx(9 * 3)
    assert len(expected_gain(np.zeros((0, 2)), np.zeros((0, 2)), FRONT, CORNER)) == 0


def test_a_cost_above_a_bound_agrees_with_monte_carlo() -> None:
    bounded = Bounded(0, -1.0)
    mean, deviation = bounded.warped(3.0), 0.4
    draws = bounded.cost(mean + deviation * np.random.default_rng(0).standard_normal(100_000))
    sampled = np.maximum(2.5 - draws, 0).mean()
    assert float(bounded_improvement(mean, deviation, 2.5, bounded)) == pytest.approx(sampled, rel=0.03)
    found = expected_gain(np.array([[mean, 3.0]]), np.array([[deviation, 0.0]]), FRONT, CORNER, bounded)[0]
    rows = np.stack([draws[:4000], np.full(4000, 3.0)], 1)
    before = hypervolume(FRONT, CORNER)
    exact = np.mean([hypervolume(np.vstack([FRONT, row]), CORNER) - before for row in rows])
    assert found == pytest.approx(exact, rel=0.08)


def test_a_bounded_cost_that_is_certain_gains_exactly() -> None:
    bounded = Bounded(0, -1.0)
    found = expected_gain(np.array([[bounded.warped(3.0), 3.0]]), np.zeros((1, 2)), FRONT, CORNER, bounded)
    before = hypervolume(FRONT, CORNER)
    assert found[0] == pytest.approx(hypervolume(np.vstack([FRONT, [3.0, 3.0]]), CORNER) - before, rel=1e-4)

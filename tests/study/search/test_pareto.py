"""The order of preference: hand-computed, and against definitions."""

import numpy as np

from study.search import pareto
from trainables import dominance


def test_scale_free_ignores_units_and_shares_ties() -> None:
    costs = np.array([[1.0, 10], [2, 1000], [2, 1e8], [5, 10]])
    scaled = pareto.scale_free(costs)
    np.testing.assert_allclose(scaled[:, 0], [0, 0.5, 0.5, 1])
    np.testing.assert_allclose(pareto.scale_free(np.log(costs)), scaled)
    assert (pareto.scale_free(np.ones((3, 1))) == 0).all()


def test_epsilon_net_goes_to_the_other_end_then_to_the_middle() -> None:
    points = np.array([[0.0, 1.0], [0.1, 0.9], [0.5, 0.5], [1.0, 0.0]])
    assert pareto.epsilon_net_order(points) == [0, 3, 2, 1]
    assert pareto.epsilon_net_order(np.zeros((0, 2))) == []


def test_preference_order_respects_fronts() -> None:
    costs = np.random.default_rng(1).random((40, 2))
    order = pareto.preference_order(costs)
    assert sorted(order) == list(range(40))
    ranks = dominance.ranks(costs)[order]
    assert (np.diff(ranks) >= 0).all()


def test_preference_order_of_one_objective_is_a_stable_sort() -> None:
    assert pareto.preference_order(np.array([[3.0], [1], [2], [1]])) == [1, 3, 2, 0]

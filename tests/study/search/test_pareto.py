"""Dominance, ties and hypervolume: hand-computed, against definitions and against pymoo."""

import numpy as np
import pytest

from study.search import pareto


def test_costs_turn_max_into_min() -> None:
    costs = pareto.to_costs({"b": 3, "a": 2.0}, {"a": "max", "b": "min"})
    np.testing.assert_array_equal(costs, [-2.0, 3.0])


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "1"])
def test_finite_refuses(value) -> None:
    assert pareto.finite({"a": 1, "b": np.float64(2)}, {"a": "max", "b": "min"})
    assert not pareto.finite({"a": 1, "b": value}, {"a": "max", "b": "min"})
    assert not pareto.finite({"a": 1}, {"a": "max", "b": "min"})


def test_ranks_by_hand() -> None:
    costs = np.array([[1, 4], [2, 3], [2, 4], [3, 3], [3, 4], [1, 4]])
    np.testing.assert_array_equal(pareto.non_dominated_rank(costs), [0, 0, 1, 1, 2, 0])


def test_ranks_agree_with_pymoo() -> None:
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    costs = np.random.default_rng(0).integers(0, 12, (60, 3)).astype(float)
    ranks = pareto.non_dominated_rank(costs)
    for level, members in enumerate(NonDominatedSorting().do(costs)):
        assert set(members) == set(np.flatnonzero(ranks == level))


def test_rank_of_nothing_and_of_nan() -> None:
    assert pareto.non_dominated_rank(np.zeros((0, 2))).shape == (0,)
    with pytest.raises(ValueError, match="must not be NaN"):
        pareto.non_dominated_rank(np.array([[np.nan, 1.0]]))


def test_dominates() -> None:
    assert pareto.dominates(np.array([1, 1]), np.array([1, 2]))
    assert not pareto.dominates(np.array([1, 1]), np.array([1, 1]))
    assert not pareto.dominates(np.array([0, 2]), np.array([1, 1]))


def test_scale_free_ignores_units_and_shares_ties() -> None:
    costs = np.array([[1.0, 10], [2, 1000], [2, 1e8], [5, 10]])
    scaled = pareto.scale_free(costs)
    np.testing.assert_allclose(scaled[:, 0], [0, 0.5, 0.5, 1])
    np.testing.assert_allclose(pareto.scale_free(np.log(costs)), scaled)
    assert (pareto.scale_free(np.ones((3, 1))) == 0).all()


def test_crowding_by_hand() -> None:
    distance = pareto.crowding_distance(np.array([[0.0, 4], [1, 2], [4, 0]]))
    np.testing.assert_allclose(distance, [np.inf, 4 / 4 + 4 / 4, np.inf])


def test_epsilon_net_goes_to_the_other_end_then_to_the_middle() -> None:
    points = np.array([[0.0, 1.0], [0.1, 0.9], [0.5, 0.5], [1.0, 0.0]])
    assert pareto.epsilon_net_order(points) == [0, 3, 2, 1]
    assert pareto.epsilon_net_order(np.zeros((0, 2))) == []


@pytest.mark.parametrize("tie_break", ["epsilon_net", "crowding"])
def test_preference_order_respects_fronts(tie_break: str) -> None:
    costs = np.random.default_rng(1).random((40, 2))
    order = pareto.preference_order(costs, tie_break)
    assert sorted(order) == list(range(40))
    ranks = pareto.non_dominated_rank(costs)[order]
    assert (np.diff(ranks) >= 0).all()


def test_preference_order_of_one_objective_is_a_stable_sort() -> None:
    assert pareto.preference_order(np.array([[3.0], [1], [2], [1]])) == [1, 3, 2, 0]


def test_preference_order_refuses_unknown_tie_break() -> None:
    with pytest.raises(ValueError, match="'epsilon_net' or 'crowding', got 'dice'"):
        pareto.preference_order(np.ones((2, 2)), "dice")


def test_front_keeps_one_of_equal_points() -> None:
    costs = np.array([[2.0, 1], [1, 2], [1, 2], [3, 3]])
    assert pareto.front_indices(costs) == [1, 0]
    assert pareto.front_indices(np.zeros((0, 2))) == []


def test_hypervolume_by_hand_and_against_pymoo() -> None:
    from pymoo.indicators.hv import HV

    assert pareto.hypervolume_2d(np.array([[1.0, 2], [2, 1]]), (3.0, 3.0)) == pytest.approx(3.0)
    assert pareto.hypervolume_2d(np.zeros((0, 2)), (1.0, 1.0)) == 0.0
    assert pareto.hypervolume_2d(np.array([[2.0, 0.0]]), (1.0, 1.0)) == 0.0
    costs = np.random.default_rng(2).random((30, 2))
    assert pareto.hypervolume_2d(costs, (1.0, 1.0)) == pytest.approx(HV(ref_point=np.ones(2))(costs))


def test_hypervolume_of_accuracy_and_bytes() -> None:
    assert pareto.hypervolume_accuracy_bytes([50.0], [0.0]) == pytest.approx(50 * np.log10(1 + 2**30))
    assert pareto.hypervolume_accuracy_bytes([50.0], [2**30]) == 0.0

"""Dominance, ties, the front and its hypervolume: hand-computed, against definitions and against pymoo."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from trainables import dominance

BOTH = {"accuracy": "max", "support_bytes": "min"}
THREE = {**BOTH, "epoch_s": "min"}


def end(trial_id: str, accuracy: float | None, size: float | None, stage="search", status="completed", **more) -> dict:
    metrics = {"accuracy": accuracy, "support_bytes": size, **more}
    return {"trial_id": trial_id, "stage": stage, "status": status, "metrics": metrics}


def ids(ends) -> list[str]:
    return [e["trial_id"] for e in ends]


def dominates(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a <= b).all() and (a < b).any())


def test_costs_turn_max_into_min() -> None:
    np.testing.assert_array_equal(dominance.to_costs({"b": 3, "a": 2.0}, {"a": "max", "b": "min"}), [-2.0, 3.0])
    with pytest.raises(KeyError, match="b"):
        dominance.to_costs({"a": 1}, {"a": "max", "b": "min"})


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "1"])
def test_finite_refuses(value) -> None:
    assert dominance.finite({"a": 1, "b": np.float64(2)}, {"a": "max", "b": "min"})
    assert not dominance.finite({"a": 1, "b": value}, {"a": "max", "b": "min"})
    assert not dominance.finite({"a": 1}, ("a", "b"))


# --- ranks and fronts of costs ---


def test_ranks_by_hand() -> None:
    costs = np.array([[1, 4], [2, 3], [2, 4], [3, 3], [3, 4], [1, 4]])
    np.testing.assert_array_equal(dominance.ranks(costs), [0, 0, 1, 1, 2, 0])


def test_ranks_agree_with_pymoo() -> None:
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    costs = np.random.default_rng(0).integers(0, 12, (60, 3)).astype(float)
    ranks = dominance.ranks(costs)
    for level, members in enumerate(NonDominatedSorting().do(costs)):
        assert set(members) == set(np.flatnonzero(ranks == level))


def test_ranks_of_nothing_and_of_nan() -> None:
    assert dominance.ranks(np.zeros((0, 2))).shape == (0,)
    with pytest.raises(ValueError, match="must not be NaN"):
        dominance.ranks(np.array([[np.nan, 1.0]]))


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_on_the_front_is_what_nobody_dominates(objectives: int) -> None:
    costs = np.random.default_rng(objectives).integers(0, 6, (40, objectives)).astype(float)
    expected = [not any(dominates(other, one) for other in costs) for one in costs]
    np.testing.assert_array_equal(dominance.on_front(costs), expected)


def test_equal_points_are_on_the_front_together_and_nan_is_nowhere() -> None:
    costs = np.array([[1.0, 2], [2, 1], [1, 2], [np.nan, 0], [3, 3]])
    np.testing.assert_array_equal(dominance.on_front(costs), [True, True, True, False, False])
    three = np.column_stack([costs, np.zeros(5)])
    np.testing.assert_array_equal(dominance.on_front(three), [True, True, True, False, False])
    assert dominance.on_front(np.zeros((0, 2))).shape == (0,)


# --- the front of a study's trials ---


def test_front_of_completed_search_trials_best_accuracy_first() -> None:
    ends = [
        end("c", 40, 1),
        end("a", 60, 10),
        end("b", 50, 20),
        end("stopped", 99, 1, status="stopped"),
        end("confirm", 99, 1, stage="confirm"),
        end("nan", float("nan"), 1),
        end("none", 70, None),
    ]
    assert ids(dominance.completed(ends, BOTH)) == ["c", "a", "b"]
    assert ids(dominance.front(ends, BOTH)) == ["a", "c"]
    assert dominance.front([], BOTH) == []


def test_equal_trials_stand_side_by_side_the_earlier_first() -> None:
    ends = [end("d", 40, 1), end("a", 60, 10), end("b", 60, 10), end("c", 40, 1)]
    assert ids(dominance.front(ends, BOTH)) == ["a", "b", "d", "c"]


def test_a_third_objective_keeps_more_on_the_front() -> None:
    ends = [end("a", 60, 10, epoch_s=2.0), end("b", 50, 20, epoch_s=1.0), end("c", 50, 20, epoch_s=3.0)]
    assert ids(dominance.front(ends, BOTH)) == ["a"]
    assert ids(dominance.front(ends, THREE)) == ["a", "b"]


# --- hypervolume ---


def test_hypervolume_by_hand() -> None:
    assert dominance.hypervolume([[1.0], [0.5]], [2.0]) == 1.5
    assert dominance.hypervolume([[1.0, 2], [2, 1]], [3.0, 3.0]) == pytest.approx(3.0)
    assert dominance.hypervolume([[0.0, 0, 0]], [1.0, 2, 3]) == pytest.approx(6.0)
    assert dominance.hypervolume([[0.0, 0, 1], [1, 1, 0]], [2.0, 2, 2]) == pytest.approx(4.0 + 1.0)


def test_points_outside_of_the_reference_and_no_points_have_no_volume() -> None:
    assert dominance.hypervolume(np.zeros((0, 2)), [1.0, 1.0]) == 0.0
    assert dominance.hypervolume([[2.0, 0.0], [1.0, 0.0]], [1.0, 1.0]) == 0.0


@pytest.mark.parametrize("objectives", [2, 3, 4])
@pytest.mark.parametrize("ties", [False, True])
def test_hypervolume_agrees_with_pymoo(objectives: int, ties: bool) -> None:
    from pymoo.indicators.hv import HV

    generator = np.random.default_rng(objectives)
    costs = generator.integers(0, 5, (30, objectives)) / 4 if ties else generator.random((30, objectives))
    reference = np.full(objectives, 0.9)
    assert dominance.hypervolume(costs, reference) == pytest.approx(HV(ref_point=reference)(costs))


def test_dominated_points_and_order_do_not_change_the_volume() -> None:
    costs = np.random.default_rng(5).random((8, 3))
    volume = dominance.hypervolume(costs, np.ones(3))
    assert dominance.hypervolume(costs[dominance.on_front(costs)], np.ones(3)) == pytest.approx(volume)
    for order in itertools.permutations(range(3)):
        assert dominance.hypervolume(costs[::-1, list(order)], np.ones(3)) == pytest.approx(volume)


def test_scaled_costs_count_bytes_in_decades() -> None:
    values = {"accuracy": 60.0, "support_bytes": 999, "epoch_s": 2.0}
    np.testing.assert_allclose(dominance.scaled_costs(values, THREE), [-60.0, 3.0, 2.0])


def test_reference_is_the_worst_of_each_objective() -> None:
    points = [{"epoch_s": 2.0}, {"epoch_s": 3.0}]
    np.testing.assert_allclose(dominance.reference(points, THREE), [0.0, np.log10(1 + 2**30), 3.3])
    np.testing.assert_allclose(dominance.reference([], THREE)[2], 1.1)


def test_volume_of_a_front() -> None:
    limit = np.log10(1 + 2**30)
    assert dominance.front_volume([], BOTH) == 0.0
    assert dominance.front_volume([end("a", 50, 0)], BOTH) == pytest.approx(50 * limit)
    assert dominance.front_volume([end("a", 50, 2**30)], BOTH) == 0.0
    two = [end("a", 60, 999), end("b", 50, 0), end("dominated", 40, 999)]
    assert dominance.front_volume(two, BOTH) == pytest.approx(60 * (limit - 3) + 50 * 3)

"""Fronts and hypervolumes against pymoo, on random and degenerate sets; fronts of other seeds whose answer is known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from pymoo.indicators.hv import HV
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting
from scipy import stats

from analysis.results import front
from analysis.results.load import load
from study.schema import UserError
from tests.helpers.synthetic_results import write_results

TIME = {"accuracy": "max", "epoch_s": "min"}
BYTES = {"accuracy": "max", "support_bytes": "min"}
THREE = {**BYTES, "epoch_s": "min"}


def on_front(x: Sequence[float], y: Sequence[float]) -> np.ndarray:
    return front.on_front(pd.DataFrame({"y": y, "epoch_s": x}), TIME)


def hypervolume(x: Sequence[float], y: Sequence[float], limit: float) -> float:
    """Of costs up to `limit` and accuracies from 0 on."""
    return front.hypervolume(pd.DataFrame({"y": y, "epoch_s": x}), TIME, np.array([0.0, limit]))


def statistics(costs: Sequence, samples: Sequence, draws: int = 2000) -> front.FrontStatistics:
    """Values in the order of seeds 1, 2, ..."""
    by_seed = {"accuracy": [dict(enumerate(v, 1)) for v in samples], "epoch_s": [dict(enumerate(v, 1)) for v in costs]}
    return front.front_statistics(by_seed, TIME, np.array([0.0, 100.0]), draws)


def sets(kind: str) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(7)
    if kind == "random":
        return [(rng.random(n), rng.random(n)) for n in (2, 3, 10, 60, 200)]
    if kind == "ties":
        return [(rng.integers(0, 4, n) / 4, rng.integers(0, 4, n) / 4) for n in (5, 20, 80) for _ in range(5)]
    if kind == "duplicates":
        return [(np.repeat(rng.random(6), 3), np.repeat(rng.random(6), 3))]
    if kind == "one value":
        return [(np.full(5, 0.3), np.full(5, 0.6)), (np.full(5, 0.3), rng.random(5)), (rng.random(5), np.full(5, 0.5))]
    return [(np.array([0.2]), np.array([0.7])), (np.array([1.5]), np.array([0.7]))]


KINDS = ("random", "ties", "duplicates", "one value", "one point")


@pytest.mark.parametrize("kind", KINDS)
def test_front_agrees_with_pymoo(kind):
    for x, y in sets(kind):
        theirs = NonDominatedSorting().do(np.column_stack([x, -y]), only_non_dominated_front=True)
        assert set(np.flatnonzero(on_front(x, y))) == set(theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_hypervolume_agrees_with_pymoo(kind):
    for x, y in sets(kind):
        theirs = HV(ref_point=np.array([1.0, 0.0]))(np.column_stack([x, -y]))
        assert hypervolume(x, y, 1.0) == pytest.approx(float(theirs), abs=1e-12)


def test_hypervolume_on_bytes_agrees_with_pymoo():
    rng = np.random.default_rng(1)
    x, y = np.concatenate([[0.0], 10 ** rng.uniform(3, 8, 30)]), rng.uniform(40, 60, 31)
    points = pd.DataFrame({"y": y, "support_bytes": x})
    corner = front.reference_of(points, BYTES)
    costs = np.column_stack([np.log10(1 + x), -y])
    theirs = HV(ref_point=np.array([math.log10(1 + 2**30), 0.0]))(costs)
    assert front.hypervolume(points, BYTES, corner) == pytest.approx(float(theirs))


def test_nan_is_nowhere():
    x, y = np.array([1.0, math.nan, 2.0, 3.0]), np.array([5.0, 99.0, math.nan, 6.0])
    assert on_front(x, y).tolist() == [True, False, False, True]
    assert hypervolume(x, y, 10) == hypervolume(x[[0, 3]], y[[0, 3]], 10)


def test_empty():
    assert on_front([], []).tolist() == []
    assert hypervolume([], [], 1.0) == 0.0


def test_hypervolume_by_hand():
    # steps of 10 from 2 to 5 and of 20 from 5 to 10
    assert hypervolume([2, 5], [10, 20], 10) == 3 * 10 + 5 * 20


# --- three objectives ---


def three(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"y": rng.uniform(40, 60, n), "support_bytes": 10 ** rng.uniform(3, 8, n), "epoch_s": rng.uniform(10, 20, n)}
    )


def test_three_objectives_agree_with_pymoo():
    points = three(40)
    corner = front.reference_of(points, THREE)
    assert corner == pytest.approx([0.0, math.log10(1 + 2**30), 1.1 * points["epoch_s"].max()])
    costs = np.column_stack([-points["y"], np.log10(1 + points["support_bytes"]), points["epoch_s"]])
    assert front.hypervolume(points, THREE, corner) == pytest.approx(float(HV(ref_point=corner)(costs)))
    theirs = NonDominatedSorting().do(costs, only_non_dominated_front=True)
    found = front.on_front(points, THREE)
    assert set(np.flatnonzero(found)) == set(theirs)
    assert found.sum() > front.on_front(points, BYTES).sum()


def test_front_of_a_study_is_over_its_own_objectives(tmp_path):
    results = load(write_results(tmp_path / "s", trials=10, epochs=4, objectives=THREE))
    found = front.front_of(results)
    assert found.objectives == THREE
    assert found.points["on_front"].tolist() == front.on_front(found.points, THREE).tolist()
    assert (found.points["p_front"] > 0).any()
    assert math.isnan(found.statistics.low)  # time is measured
    over_bytes = front.front_of(load(write_results(tmp_path / "b", trials=10, epochs=4))).statistics
    assert over_bytes.low < over_bytes.hypervolume < over_bytes.high
    other = front.front_of(front.against(results, "gpu_hours"))
    assert other.objectives == {"accuracy": "max", "gpu_hours": "min"}
    with pytest.raises(
        UserError, match="--x: expected one of support_bytes, method_bytes, peak_memory_bytes, epoch_s, gpu_hours"
    ):
        front.against(results, "price")


def test_reference_in_words():
    words = front.reference_in_words([-0.0, math.log10(1 + 2**30), 22.0], THREE)
    assert words == (
        "reference point: accuracy 0 %, support set 1.07 GB, time per epoch 22 s; "
        "axes: accuracy in %, support set in log10(1 + bytes), time per epoch in s"
    )


# --- what the seeds say ---


def test_a_point_far_ahead_is_surely_on_the_front_and_one_far_behind_surely_not():
    found = statistics([[1], [2], [3]], [[50, 51, 50.5], [60, 60.5, 59.5], [40, 41, 40.5]])
    assert found.probability_N.tolist() == pytest.approx([1.0, 1.0, 0.0], abs=0.002)  # Student's t has long tails
    assert found.low < found.hypervolume < found.high


def test_two_equal_points_share_the_front_evenly():
    samples = [[50.0, 51.0, 52.0], [51.0, 52.0, 50.0]]
    found = statistics([[1], [2]], samples, draws=4000)
    assert found.probability_N[0] == 1.0  # the cheapest is always on it
    assert found.probability_N[1] == pytest.approx(0.5, abs=0.03)


def test_single_runs_have_a_hypervolume_but_no_probability():
    found = statistics([[1], [2]], [[50.0], [60.0]])
    assert np.isnan(found.probability_N).all()
    assert found.hypervolume == hypervolume([1, 2], [50, 60], 100)
    assert math.isnan(found.low)


def test_a_single_run_borrows_the_pooled_deviation():
    found = statistics([[1], [2]], [[50.0, 50.2, 49.8], [50.05]])
    assert 0.2 < found.probability_N[1] < 0.9


def test_no_points():
    found = statistics([], [])
    assert found.probability_N.size == 0
    assert found.hypervolume == 0.0


def test_no_hypervolume_is_made_of_more_than_a_hundred_percent():
    found = statistics([[0.0]], [[99.0, 100.0]])
    assert found.high == 100.0 * 100.0


def test_seeds_that_move_all_points_move_the_hypervolume_but_not_the_front():
    together = [[50.0, 53.0, 47.0], [51.0, 54.1, 47.9]]  # the second is ahead at every seed
    found = statistics([[1], [2]], together)
    assert found.probability_N[1] > 0.98
    by_seed = [99 * a + 98 * (b - a) for a, b in zip(*together, strict=True)]
    half = stats.t.ppf(0.975, 2) * np.std(by_seed, ddof=1) / math.sqrt(3)
    assert (found.low, found.high) == pytest.approx((found.hypervolume - half, found.hypervolume + half), rel=1e-3)


def test_the_hypervolumes_lower_end_is_measured_on_seeds_that_did_not_choose_the_front():
    # each point leads at one seed: chosen by means, the front is higher than any choice can be expected to be
    luck = [[56.0, 54.0, 54.0], [54.0, 56.0, 54.0], [54.0, 54.0, 56.0]]
    found = statistics([[1], [1], [1]], luck)
    assert found.hypervolume == pytest.approx(99 * (54 + 2 / 3))
    assert found.hypervolume - found.low > (found.high - found.hypervolume) + 30


def test_a_measured_cost_or_seeds_that_are_not_shared_leave_the_hypervolume_without_interval():
    accuracy = [[50.0, 51.0, 52.0], [60.0, 61.0, 62.0]]
    assert math.isfinite(statistics([[1, 1, 1], [2, 2, 2]], accuracy).low)
    assert math.isnan(statistics([[1.0, 1.1, 1.2], [2, 2, 2]], accuracy).low)
    assert math.isnan(statistics([[1], [2]], [[50.0, 51.0, 52.0], [60.0]]).low)

"""Numbers over the search: against hand-computed values and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from analysis.figure_data import search_info as search
from analysis.figure_data.common import NotEnough
from tests.helpers.figure_inputs import tables, trial_row


def test_rungs_count_survivors_and_epochs() -> None:
    trials, reports = tables(
        (trial_row("a", max_epochs=6, epochs=6), [1.0] * 6),
        (trial_row("b", max_epochs=6, epochs=2, status="stopped"), [1.0] * 2),
        (trial_row("c", max_epochs=6, epochs=1, status="diverged"), [1.0]),
        (trial_row("d", max_epochs=6, method="none"), [1.0] * 6),
    )
    found = search.rung_flow(trials, reports, [2, 4])
    assert found.ends == (2, 4, 6)
    assert found.trials == {"kmclr": 3, "none": 1}
    assert found.reached == {"kmclr": (2, 1, 1), "none": (1, 1, 1)}
    assert found.spent == {"kmclr": (5, 2, 2), "none": (2, 2, 2)}
    assert sum(map(sum, found.spent.values())) == len(reports)
    with pytest.raises(NotEnough, match="no rungs"):
        search.rung_flow(trials, reports, [])


def test_hypervolume_counts_epochs_of_all_trials_and_completed_points_only() -> None:
    early, late = "2025-01-01T00:00:10.000+00:00", "2025-01-01T01:00:00.000+00:00"
    trials, reports = tables(
        (trial_row("late", accuracy=60.0, ended=late, began="2025-01-01T00:30:00Z"), [1.0, 2.0]),
        (trial_row("early", ended=early), [1.0, 2.0]),
        (trial_row("stopped", status="stopped", ended=early), [9.0]),
    )
    objectives, corner = {"accuracy": "max", "epoch_s": "min"}, np.array([0.0, 10.0])
    trials["epoch_s"] = [4.0, 2.0, 1.0]
    found = search.hypervolume_over_time(trials, reports, objectives, corner)
    np.testing.assert_array_equal(found.epochs_spent, [3, 5])
    np.testing.assert_array_equal(found.hypervolume, [50 * 8, 50 * 8 + 10 * 6])
    np.testing.assert_array_equal(found.front, [1, 2])
    assert found.labels == ("early", "late")
    with pytest.raises(NotEnough, match="fewer than two completed"):
        search.hypervolume_over_time(trials.iloc[:1], reports, objectives, corner)


def test_agreement_matches_scipy_and_its_edges() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=30), rng.normal(size=30)
    found = search.agreement(x, y)
    assert found.tau == pytest.approx(stats.kendalltau(x, y).statistic)
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    half = stats.t.ppf(0.975, 28) * math.sqrt(0.437 / 26)
    assert math.atanh(found.tau_high) - math.atanh(found.tau) == pytest.approx(half)
    half = stats.t.ppf(0.975, 28) * math.sqrt((1 + found.rho**2 / 2) / 27)
    assert math.atanh(found.rho_high) - math.atanh(found.rho) == pytest.approx(half)
    same = search.agreement(x, 3 * x)
    assert same.tau == pytest.approx(1)
    assert 0.9 < same.tau_low < same.tau_high == 1
    assert search.agreement(x[:6], x[:6]).tau_low < 0.8  # perfect in six trials proves little
    assert math.isnan(search.agreement(x[:4], y[:4]).tau)
    assert math.isnan(search.agreement(np.ones(9), y[:9]).tau)
    assert search.agreement([*x[:6], np.nan], [*y[:6], 1.0]).n == 6


def test_rank_agreement_compares_each_epoch_with_the_last() -> None:
    pairs = [(trial_row(f"t{i}", accuracy=float(i), max_epochs=3), [-float(i), float(i), float(i)]) for i in range(6)]
    pairs.append((trial_row("x", status="stopped"), [99.0]))
    found = search.rank_agreement(*tables(*pairs), rungs=[2])
    assert (found.stage, found.n, found.epochs, found.rungs) == ("search", 6, (1, 2), (2,))
    assert [a.tau for a in found.overall] == pytest.approx([-1, 1])
    assert set(found.by_method) == {"kmclr"}
    with pytest.raises(NotEnough, match="4 completed trials"):
        search.rank_agreement(*tables(*pairs[:4]), rungs=[2])
    trials, reports = tables(*pairs)
    for left in range(5):  # a folder of an earlier version may lack reports
        with pytest.raises(NotEnough, match=f"^{left} completed trials"):
            search.rank_agreement(trials, reports[reports["trial_id"].isin([f"t{i}" for i in range(left)])], rungs=[2])


def test_confirmed_points_are_ranked_within_each_seed() -> None:
    """Over all trials the seeds' own levels would hide that each seed keeps the points' order."""
    pairs = [
        (trial_row(f"{s}-{i}", stage="confirm", seed=s, label=f"p{i}", accuracy=i + 50.0 * s, max_epochs=2),
         [i - 50.0 * s, i + 50.0 * s])
        for s in (0, 1) for i in range(6)
    ]  # fmt: skip
    found = search.rank_agreement(*tables(*pairs), rungs=[1])
    assert (found.stage, found.n, found.seeds) == ("confirm", 6, 2)
    assert found.overall[0].tau == pytest.approx(1)
    one = search.agreement(range(6), range(6))
    assert (found.overall[0].tau_low, found.overall[0].n) == (pytest.approx(one.tau_low), 6)

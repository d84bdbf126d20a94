"""Budgets that have no room for what is proposed are raised, by hand-computed amounts; others are left alone."""

from __future__ import annotations

from analysis.health.room import raised
from tests.helpers.health_inputs import confirm_trial, curve, search_trial, studied

SEEDS = {"confirm.seeds": "[1,2,3,4,5]"}
SESSION = {"sessions": [{"started": "2025-03-01T08:00:00+00:00", "ended": "2025-03-01T09:00:00+00:00",
                         "reason": "done"}]}  # fmt: skip


def study(**budget):
    """30 epochs on record, 6 of each trial: 2 of the search and 3 of one confirmed point, 12 minutes each."""
    pairs = [search_trial(i, curve(50), wall_s=720.0) for i in range(2)]
    pairs += [confirm_trial(0, seed, 50 + seed, wall_s=720.0) for seed in (1, 2, 3)]
    return studied(*pairs, study={"budget": budget, "search": {"trials": 2}}, manifest=SESSION)


def test_a_budget_with_room_is_left_alone():
    assert raised(study(epochs=42, wall_clock_h=1.5, reserve_for_confirm=True), SEEDS) == {}
    assert raised(study(), SEEDS) == {}


def test_a_budget_without_room_gets_what_is_used_and_a_fifth_more_than_is_needed():
    # two seeds of one point: 12 epochs more and 2 tests as long as an epoch (120 s), beside 30 epochs and 1 hour
    assert raised(study(epochs=41), SEEDS) == {"budget.epochs": "45"}
    assert raised(study(wall_clock_h=1.2), SEEDS) == {"budget.wall_clock_h": "1.6"}


def test_trials_more_count_with_the_points_that_may_then_be_confirmed():
    # 3 trials and their 3 points with 3 seeds each: 12 trainings of 6 epochs
    assert raised(study(epochs=101), {"search.trials": "5"}) == {"budget.epochs": str(30 + 87)}
    assert raised(study(epochs=102), {"search.trials": "5"}) == {}


def test_trials_tried_again_count():
    results = study(epochs=31)
    results.trials.loc[0, "status"] = "failed"
    assert raised(results, {}, retry=True) == {"budget.epochs": "38"}
    assert raised(results, {}) == {}

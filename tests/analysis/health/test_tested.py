"""The validation front on test, and tuning against the untuned baselines."""

from __future__ import annotations

import pytest

from analysis.health.finding import ACT, FINE, UNKNOWN, WATCH
from analysis.health.tested import gains_of, gap_of, tuning, validation_and_test
from tests.helpers.health_inputs import confirm_trial, curve, search_trial, studied


def confirmed(points, **more):
    """Points (method, baseline, bytes, search value, test values by seed), confirmed with as many seeds."""
    trials = []
    for i, (method, baseline, size, searched, tests) in enumerate(points):
        facts = {"method": method, "baseline": baseline, "support_bytes": size}
        trials.append(search_trial(i, curve(searched), **facts))
        trials += [confirm_trial(i, seed, test, test + 1, **facts) for seed, test in enumerate(tests, 1)]
    return studied(*trials, **more)


def test_the_bounds_of_a_front_that_holds_and_of_one_that_turns_over():
    """Three points of 10, 100 and 1000 bytes; the second falls below the first on test."""
    points = [("kmclr", False, 9.0, 50, [50]), ("kmclr", False, 99.0, 60, [45]), ("kmclr", False, 999.0, 70, [66])]
    gap = gap_of(confirmed(points))
    assert gap.points["optimistic"].tolist() == [True, False, True]
    assert gap.points["pessimistic"].tolist() == [False, True, True]  # those that are better than none of the others
    assert gap.fell == pytest.approx(-1)
    decades = -gap.corner[1] if gap.corner[1] < 0 else gap.corner[1]
    assert gap.validation == pytest.approx(50 * 1 + 60 * 1 + 70 * (decades - 3))
    assert gap.optimistic == pytest.approx(50 * 2 + 66 * (decades - 3))
    assert gap.pessimistic == pytest.approx(45 * 1 + 66 * (decades - 3))
    finding = validation_and_test(confirmed(points))
    assert finding.verdict == WATCH
    assert finding.said[0] == "1 of the 3 are off the front on test, dominated by another of them: point 1."
    assert "moved by −1.00 percentage points" in finding.said[2]
    points[1] = ("kmclr", False, 99.0, 60, [58])
    assert validation_and_test(confirmed(points)).verdict == FINE


def test_points_off_the_validation_front_do_not_count():
    points = [("kmclr", False, 9.0, 50, [50]), ("kmclr", True, 99.0, 40, [90])]
    assert len(gap_of(confirmed(points)).points) == 1


def test_tuning_that_ended_worse_is_said_and_asks_for_more_trials():
    points = [("kmclr", True, 9.0, 50, [52, 53, 54]), ("kmclr", False, 99.0, 60, [50, 51.1, 51.9])]
    finding = tuning(confirmed(points, study={"search": {"trials": 20}}))
    assert finding.verdict == ACT
    assert finding.said[0].startswith("Tuning ended worse than the untuned baseline: point 1 (")
    assert "by −2.00 [" in finding.said[0]
    assert finding.sets == {"search.trials": "30"}


def test_worse_at_less_cost_is_not_held_against_it():
    points = [("kmclr", True, 99.0, 50, [52, 53, 54]), ("kmclr", False, 9.0, 60, [50, 51.1, 51.9])]
    finding = tuning(confirmed(points))
    assert finding.verdict == WATCH
    assert "worse than the untuned baseline, at less cost" in finding.said[0]


def test_tuning_that_ended_better_is_fine_and_an_open_one_is_watched():
    better = [("kmclr", True, 9.0, 50, [52, 53, 54]), ("kmclr", False, 9.0, 60, [60, 61.1, 61.9])]
    assert tuning(confirmed(better)).verdict == FINE
    open_one = [("kmclr", True, 9.0, 50, [52, 53, 54]), ("kmclr", False, 9.0, 60, [50, 53, 57])]
    assert tuning(confirmed(open_one)).verdict == WATCH
    assert "not told apart" in tuning(confirmed(open_one)).said[0]


def test_both_are_chosen_on_validation_not_on_test():
    points = [
        ("kmclr", True, 9.0, 55, [10, 11, 12]), ("kmclr", True, 9.0, 50, [90, 91, 92]),
        ("kmclr", False, 9.0, 60, [20, 21, 22]), ("kmclr", False, 9.0, 58, [95, 96, 97]),
    ]  # fmt: skip
    (gain,) = gains_of(confirmed(points))
    assert (gain.tuned["label"], gain.base["label"], gain.gained.mean) == ("point 2", "point 0", 10.0)


def test_each_method_with_both_is_compared_too():
    points = [
        ("kmclr", True, 9.0, 50, [50, 51]), ("kmclr", False, 9.0, 60, [55, 56]),
        ("nnclr", True, 9.0, 70, [70, 71]), ("nnclr", False, 9.0, 65, [65, 66]), ("none", True, 0.0, 40, [40, 41]),
    ]  # fmt: skip
    assert [gain.of for gain in gains_of(confirmed(points))] == ["", "kmclr", "nnclr"]
    assert [gain.gained.mean for gain in gains_of(confirmed(points))] == [-5, 5, -5]


def test_without_test_values_nothing_is_told():
    results = studied(search_trial(0, curve(50)), search_trial(1, curve(60)))
    assert validation_and_test(results).verdict == UNKNOWN
    assert tuning(results).verdict == UNKNOWN

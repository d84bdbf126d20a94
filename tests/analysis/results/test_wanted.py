"""The wanted region in the answer: who lies in it, how surely, and that it is spoken of first."""

from __future__ import annotations

import dataclasses

import pytest

from analysis.report.answer import answer
from analysis.results.front import front_of
from analysis.results.wanted import limits_of, sentences
from tests.helpers.health_inputs import confirm_trial, curve, search_trial, studied

REGION = {"support_bytes": {"max": 1e6, "min": None}, "accuracy": {"max": None, "min": 55.0}}
WORDS = "the wanted region (support set at most 1 MB and accuracy at least 55 %)"


def study(*points, wanted=REGION):
    """Confirmed points of (bytes, mean accuracy), 0.2 around it; the search measured as much."""
    trials = [search_trial(i, curve(y), support_bytes=float(x)) for i, (x, y) in enumerate(points)]
    trials += [
        confirm_trial(i, seed, y + 0.2 * (seed - 2), support_bytes=float(x))
        for i, (x, y) in enumerate(points)
        for seed in (1, 2, 3)
    ]
    return studied(*trials, study={"wanted": wanted})


def said(*points, wanted=REGION):
    results = study(*points, wanted=wanted)
    (one,) = sentences(results, front_of(results))
    assert answer(results)[0] == one
    return one


def test_a_point_that_surely_lies_in_it_is_named_with_its_interval_and_costs():
    text = said((5e5, 57.0), (9e5, 55.1), (5e6, 60.0))
    assert text == (
        f"Yes: {WORDS} is reached by point 0 (57.00 % [56.50, 57.50], 500 kB); 1 more in the mean, with n = 3 seeds."
    )


def test_what_is_below_or_dearer_does_not_reach_it():
    assert said((5e5, 52.0), (5e6, 60.0)).startswith(
        f"No: {WORDS} is not reached, with n = 3 seeds; nearest is point 0 (52.00 % ["
    )
    assert said((2e6, 57.0)) == f"No: none of the 1 confirmed points is in {WORDS}; all cost more."


def test_what_the_seeds_leave_open_is_said_to_be_open():
    assert said((5e5, 55.1)).startswith(
        f"It cannot be told whether {WORDS} is reached with n = 3 seeds; best in the mean"
    )
    assert "nearest in the mean is point 0 (54.90 %" in said((5e5, 54.9))


@pytest.mark.parametrize(("limit", "inside"), [(1e6, "2 of 3"), (5e5, "1 of 3")])
def test_a_region_of_bytes_alone_is_exact_and_holds_its_edge(limit, inside):
    text = said((5e5, 57.0), (1e6, 55.0), (5e6, 60.0), wanted={"support_bytes": {"max": limit, "min": None}})
    assert text.startswith(f"Yes: {inside} confirmed points are in the wanted region (support set at most ")


def test_of_a_search_it_is_said_of_single_runs():
    results = studied(
        *(search_trial(i, curve(y), support_bytes=1e3) for i, y in enumerate((57.0, 40.0))), study={"wanted": REGION}
    )
    assert sentences(results, front_of(results)) == [
        f"In {WORDS} lie 1 of 2 finished trials, each a single run (n = 1 only); the best is point 0 (57.00 %, 1 kB)."
    ]


def test_without_a_region_nothing_is_said_and_another_axis_drops_what_it_has_not():
    assert sentences(study((5e5, 57.0), wanted={}), None) == []
    other = dataclasses.replace(study((5e5, 57.0)), objectives={"accuracy": "max", "epoch_s": "min"})
    assert limits_of(other) == {"accuracy": 55.0}

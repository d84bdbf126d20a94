"""What the verdicts leave open and the seeds that would tell: the same numbers as the answer's."""

from __future__ import annotations

import re

import pytest

from analysis.health.checks import findings
from analysis.health.finding import ACT, FINE, UNKNOWN, WATCH
from analysis.health.question import question
from analysis.report.answer import answer
from analysis.report.health import run_next
from tests.helpers.health_inputs import confirm_trial, curve, search_trial, studied


def study(apart: float, scatter: float, **more):
    """`none` against kmclr, whose values lie so far above it in the mean."""
    signs = {1: -1.0, 2: 0.0, 3: 1.0}
    pairs = [search_trial(i, curve(50), method=m) for i, m in enumerate(("none", "kmclr"))]
    pairs += [confirm_trial(0, s, 50.0, method="none", support_bytes=0.0, support_vectors=0.0) for s in signs]
    pairs += [confirm_trial(1, s, 50 + apart + scatter * sign, support_vectors=10.0) for s, sign in signs.items()]
    return studied(*pairs, **more)


def test_a_question_that_is_answered_asks_for_nothing():
    assert question(study(5.0, 0.1)).verdict == FINE
    assert question(studied(search_trial(0, curve(50)))).verdict == UNKNOWN


@pytest.mark.parametrize(("apart", "verdict"), [(1.0, ACT), (0.6, WATCH)])
def test_the_seeds_that_the_answer_names_are_those_that_health_asks_for_and_run_next_runs(apart, verdict):
    results = study(apart, 0.7)
    found = question(results)
    named = int(re.search(r"about (\d+) seeds would tell", answer(results)[0])[1])
    assert found.verdict == verdict
    assert f"about {named} seeds would tell" in " ".join(found.said)
    assert found.sets["confirm.seeds"].count(",") + 1 == named
    ahead = run_next(results, findings(results))
    assert f"confirm.seeds={found.sets['confirm.seeds']}" in ahead.command
    assert "Nothing asks for a change" not in ahead.why
    assert f"{named} seeds" in ahead.why


def test_more_seeds_than_anybody_would_run_are_not_asked_for_and_the_next_step_says_so():
    results = study(0.01, 1.5)
    found = question(results)
    assert (found.verdict, found.sets) == (WATCH, {})
    ahead = run_next(results, findings(results))
    assert ahead.command is None
    assert ahead.why.startswith("No number of seeds within reach would tell what the verdicts leave open")

"""Points that the seeds cannot tell apart, and the seeds that would."""

from __future__ import annotations

import numpy as np
from scipy import stats

from analysis.health.apart import OFF, WORTH, apart, pairs
from analysis.health.finding import ACT, FINE, UNKNOWN, WATCH, Finding
from analysis.results.front import front_of
from analysis.results.intervals import CONFIDENCE
from analysis.results.power import POWER, seeds_needed
from tests.helpers.health_inputs import confirm_trial, curve, search_trial, studied


def confirmed(points, seeds=(1, 2, 3), spread=0.3):
    """Points of these mean accuracies, each dearer than the one before; scatter of the same size for each."""
    noise = np.random.default_rng(3).normal(0, spread, (len(points), len(seeds)))
    noise -= noise.mean(1, keepdims=True)
    noise *= spread / noise.std(1, ddof=1, keepdims=True) if len(seeds) > 1 else 0
    trials = [search_trial(i, curve(a), support_bytes=100.0 * (i + 1)) for i, a in enumerate(points)]
    for i, a in enumerate(points):
        for j, seed in enumerate(seeds):
            trials.append(confirm_trial(i, seed, a + noise[i, j], support_bytes=100.0 * (i + 1)))
    return studied(*trials, seeds=list(seeds))


def test_far_points_are_told_apart():
    finding = apart(confirmed([50, 70, 90]))
    assert (finding.verdict, dict(finding.sets)) == (FINE, {})
    assert finding.said == ("All 3 pairs of confirmed points are told apart with n = 3 seeds.",)


def test_near_points_are_not_and_the_power_analysis_says_how_many_seeds_would(monkeypatch):
    deferring = apart(confirmed([50, 51.2], spread=0.5))
    assert (deferring.verdict, dict(deferring.sets)) == (WATCH, {})
    assert deferring.said[-1] == "How many seeds to add is said by the study's question."
    monkeypatch.setattr("analysis.health.apart.question", lambda results: Finding("question", "", FINE, ()))
    results = confirmed([50, 51.2], spread=0.5)
    (pair,) = pairs(front_of(results))
    values = results.trials[results.trials["stage"] == "confirm"].pivot(
        index="seed", columns="point", values="test_acc1"
    )
    difference = values["search-0000"] - values["search-0001"]
    assert pair.difference.mean == difference.mean()
    assert pair.needed == seeds_needed(difference.mean(), difference.std(ddof=1))
    assert 3 < pair.needed <= WORTH
    finding = apart(results)
    assert finding.verdict == ACT
    wanted = ",".join(map(str, range(1, pair.needed + 1)))
    assert finding.sets == {"confirm.seeds": f"[{wanted}]"}
    assert f"about {pair.needed} seeds would tell with a probability of 80 %" in finding.said[1]
    assert f"with {2 * (pair.needed - 3)} trials more" in finding.said[-1]


def test_as_many_seeds_do_tell_in_simulation():
    """Studies of so many seeds, drawn with that effect and scatter: their t intervals leave 0 out as often as said."""

    def seen(n):
        draws = np.random.default_rng(0).normal(0.8, 0.7, (4000, n))
        half = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * draws.std(1, ddof=1) / np.sqrt(n)
        return (draws.mean(1) - half > 0).mean()

    n = seeds_needed(0.8, 0.7)
    assert seen(n - 1) < POWER < seen(n)


def test_points_that_are_equal_are_left_alone():
    finding = apart(confirmed([50, 50.001], spread=0.5))
    assert (finding.verdict, dict(finding.sets)) == (WATCH, {})
    assert "more than 1,000 seeds would be needed: as good as equal" in finding.said[1]


def test_points_off_the_front_are_compared_with_what_keeps_them_off():
    """One point on the front, two dominated ones: all of it rests on the pairs with the first."""
    trials = [search_trial(i, curve(50), support_bytes=100.0 * i) for i in range(3)]
    for i, a in enumerate((60.0, 59.0, 58.9)):
        trials += [confirm_trial(i, s, a + (i + 1) * (s - 2) * 0.4, support_bytes=100.0 * i) for s in (1, 2, 3)]
    found = {frozenset((pair.first, pair.second)): pair.matters for pair in pairs(front_of(studied(*trials)))}
    first, second, third = ("point 0", "point 1", "point 2")
    assert found == {
        frozenset((first, second)): OFF,
        frozenset((first, third)): OFF,
        frozenset((second, third)): "",
    }


def test_one_seed_asks_for_three_and_none_of_the_search():
    results = confirmed([50, 55], seeds=(7,))
    results.manifest["seeds"]["trial"] = 8
    finding = apart(results)
    assert finding.verdict == ACT
    assert finding.sets == {"confirm.seeds": "[7,9,10]"}


def test_without_a_confirm_stage_nothing_is_told():
    finding = apart(studied(search_trial(0, curve(50)), search_trial(1, curve(60))))
    assert finding.verdict == UNKNOWN

"""Budget that was spent where nothing could be gained."""

from __future__ import annotations

import numpy as np

from analysis.health.finding import ACT, FINE, UNKNOWN, WATCH
from analysis.health.spent import spent, without_chance
from tests.helpers.health_inputs import curve, search_trial, studied


def searched(finals, **more):
    return studied(*[search_trial(i, curve(f, early=f - 20)) for i, f in enumerate(finals)], **more)


def test_trials_without_a_chance_are_counted_from_the_first_decision():
    """20 trials of equal cost and perfect ranks: only the best can be on the front."""
    at, trials, epochs = without_chance(searched(range(40, 60)))
    assert at == 2
    assert trials >= 17
    assert epochs == 4 * trials


def test_stopping_is_proposed_where_nobody_is_stopped():
    nobody = {"scheduler": {"name": "none"}}
    finding = spent(searched(range(40, 60), study=nobody))
    assert finding.verdict == ACT
    assert finding.sets == {"scheduler.name": "pareto_asha", "scheduler.grace_period": "2"}
    assert spent(searched(range(40, 60))).verdict == WATCH  # a scheduler is there


def test_a_dearer_trial_counts_with_the_cheaper_ones_it_must_beat():
    trials = [search_trial(i, curve(40 + i, early=20 + i), support_bytes=100.0 * (i + 1)) for i in range(20)]
    assert without_chance(studied(*trials))[1] == 0  # each is dearer and better: all on the front


def test_failures_and_a_levelled_curve_are_told():
    rng = np.random.default_rng(0)
    level = [20.0, 40.0, 45.0, 50.0, 50.0, 50.0]  # nothing after epoch 4; the last quarter begins after 5
    trials = [search_trial(i, [v + s for v in level]) for i, s in enumerate(rng.normal(0, 3, 8))]
    trials.append(search_trial(9, [1.0, 1.0, 1.0], status="diverged"))
    finding = spent(studied(*trials))
    assert finding.said[0] == "1 trial that failed took 3 of the search's 51 epochs."
    assert any("last quarter of the epochs (5 to 6) gained 0.00 [0.00, 0.00]" in said for said in finding.said)
    assert finding.verdict == WATCH


def test_a_method_that_never_reaches_the_front_is_named():
    trials = [search_trial(i, curve(60 + i), support_bytes=10.0) for i in range(6)]
    trials += [search_trial(10 + i, curve(40 + i), support_bytes=20.0, method="nnclr") for i in range(6)]
    said = " ".join(spent(studied(*trials)).said)
    assert "No finished trial is on the search's front of nnclr (6 trials, 36 epochs)." in said


def test_little_is_unknown_and_nothing_to_save_is_fine():
    assert spent(searched([50, 60])).verdict == UNKNOWN
    trials = [search_trial(i, curve(40 + i, early=20 + i), support_bytes=100.0 * (i + 1)) for i in range(8)]
    assert spent(studied(*trials)).verdict == FINE

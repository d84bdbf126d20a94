"""What early stopping saved, and how likely it stopped a point of the front."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.figure_data.search_info import agreement
from analysis.health.finding import ACT, FINE, UNKNOWN
from analysis.health.stopping import Foretold, foretold, stopped, stopping
from tests.helpers.health_inputs import curve, search_trial, studied


def searched(early, final, cut=(), **more):
    """Trials with these accuracies after epoch 2 and at the end; those of `cut` were stopped there."""
    trials = []
    for i, (e, f) in enumerate(zip(early, final, strict=True)):
        values = curve(f, early=e)
        trials.append(search_trial(i, values[:2] if i in cut else values))
    return studied(*trials, **more)


def test_epochs_that_were_saved():
    found = stopped(searched(range(30, 40), range(50, 60), cut=(0, 1, 2)))
    assert (found.spent, found.saved) == (6, 12)  # three trials stopped after 2 of 6 epochs
    finding = stopping(searched(range(30, 40), range(50, 60), cut=(0, 1, 2)))
    assert "ended 3 of 10 trials early and saved 12 epochs, 20 % of" in finding.said[0]  # of 60


def test_ranks_that_agree_make_a_stopped_trial_hopeless():
    finding = stopping(searched(range(30, 50), range(50, 70), cut=(0, 1, 2)))
    assert finding.verdict == FINE
    assert "probability of below 1 %" in finding.said[1]
    assert "epoch 2: 1.00" in finding.said[2]


def lottery(first_rung):
    """What is said of a study whose early values say nothing of the last ones."""
    rng = np.random.default_rng(0)
    early, final = rng.normal(40, 3, 24), rng.normal(60, 3, 24)
    study = {"scheduler": {"name": "asha", "grace_period": first_rung, "reduction_factor": 3}}
    return stopping(searched(early, final, cut=range(12), study=study))


def test_ranks_that_do_not_agree_make_stopping_a_lottery():
    finding = lottery(2)
    assert finding.verdict == ACT
    assert finding.sets == {"scheduler.name": "none"}  # the next rung would be the last epoch
    assert "tau" in finding.said[2]


def test_a_later_first_rung_is_proposed_where_there_is_one():
    assert lottery(1).sets == {"scheduler.grace_period": "3"}


def test_the_cheapest_trial_is_always_on_the_front():
    trials = [search_trial(i, curve(50 + i, early=30 + i)) for i in range(8)]
    trials.append(search_trial(9, [10.0, 11.0], support_bytes=5.0))
    found = stopped(studied(*trials))
    assert found.trials["chance"].tolist() == [1.0]


def test_the_model_is_made_of_the_trials_that_finished():
    model = foretold(searched([30, 31, 32, 33, 34, 35, 99], [50, 51, 52, 53, 54, 55, 1], cut=(6,)), 2)
    assert model.early_F.tolist() == [30, 31, 32, 33, 34, 35]
    assert model.final_F.tolist() == [50, 51, 52, 53, 54, 55]
    assert model.agreement.tau == pytest.approx(1)


def test_few_finished_trials_say_so():
    finding = stopping(searched(range(30, 36), range(50, 56), cut=(0, 1)))
    assert finding.verdict == UNKNOWN
    assert "4 trials finished, and ranks are compared from 5 on" in finding.said[1]
    none = stopping(searched(range(30, 36), range(50, 56)))
    assert none.verdict == FINE


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
def test_chances_are_as_often_right_as_they_say(correlation):
    """Trials drawn with a known correlation: the finished ones foretell the rest; told and seen shares agree."""
    rng, told, seen = np.random.default_rng(1), [], []
    for _ in range(150):
        early = rng.normal(40, 3, 40)
        final = 60 + correlation * (early - 40) + 3 * np.sqrt(1 - correlation**2) * rng.normal(size=40)
        model = Foretold(2, agreement(early[:20], final[:20]), early[:20], final[:20])
        told += [model.exceeds(e, 62.0) for e in early[20:]]
        seen += list(final[20:] > 62.0)
    told, seen = np.array(told), np.array(seen, float)
    assert abs(told.mean() - seen.mean()) < 0.03
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.01)):
        inside = (told >= low) & (told < high)
        if inside.sum() > 100:  # 20 trials leave the correlation itself open, most where it is 0
            assert abs(told[inside].mean() - seen[inside].mean()) < 0.12, (low, high)

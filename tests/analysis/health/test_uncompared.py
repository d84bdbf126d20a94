"""Arms that a study declares and says nothing of: which, why, and what would help."""

from __future__ import annotations

import pytest

from analysis.health.finding import ACT, FINE, UNKNOWN, WATCH
from analysis.health.uncompared import uncompared
from analysis.report.answer import answer
from tests.helpers.health_inputs import confirm_trial, curve, search_trial, studied

SPACE = {"space": {"method": ["kmclr", "none"]}, "scheduler": {"name": "asha"}, "search": {"trials": 4}}


def searched(*more, first: str = "kmclr"):
    return [search_trial(0, curve(50), method=first), *more]


def confirmed(**more):
    return [confirm_trial(0, seed, 50 + seed, **more) for seed in (1, 2)]


def test_nothing_is_said_where_each_declared_method_has_a_point():
    results = studied(*searched(search_trial(1, curve(40), method="none")), study=SPACE)
    assert uncompared(results).verdict == FINE
    assert not any("not compared" in said for said in answer(results))
    begun = studied(*searched(), study=SPACE, status="running")
    assert uncompared(begun).verdict == UNKNOWN


def test_a_method_that_was_stopped_in_all_trials_is_told_with_the_rungs_and_the_settings_that_help():
    stopped = [search_trial(i, curve(30)[:n], method="none") for i, n in ((1, 2), (2, 2), (3, 4))]
    found = uncompared(studied(*searched(*stopped), *confirmed(), study=SPACE))
    assert found.verdict == ACT
    assert found.said[0] == ("none is not compared: its 3 trials did not finish (2 stopped at rung 2 and 1 at rung 4).")
    assert found.sets == {"search.trials": "8", "scheduler.name": "none"}
    assert "--set search.trials=8 --set scheduler.name=none" in found.said[-1]
    (one,) = (
        said for said in answer(studied(*searched(*stopped), *confirmed(), study=SPACE)) if "not compared" in said
    )
    assert one == " ".join(found.said)


@pytest.mark.parametrize(
    ("trials", "said", "sets"),
    [
        ([], "none is not compared: the search has drawn no point of it in 1 trial.", ["search.trials"]),
        (
            [search_trial(1, [1.0], method="none", status="failed", error="RuntimeError: no")],
            "none is not compared: its only trial did not finish (1 failed: RuntimeError: no).",
            ["search.trials"],
        ),
        (
            [search_trial(1, [1.0], method="none")],
            "none is not compared: its only trial did not finish (all stopped at rung 1).",
            ["search.trials", "scheduler.name"],
        ),
        (
            [search_trial(1, curve(10), method="none")],
            "none is not confirmed: 1 trial of it finished, but none is on the front.",
            ["confirm.per_method"],
        ),
    ],
)
def test_each_reason_has_its_words(trials, said, sets):
    found = uncompared(studied(*searched(*trials), *confirmed(), study=SPACE))
    assert found.said[0] == said
    assert list(found.sets) == sets


def test_a_method_whose_confirm_trials_failed_and_one_without_a_place():
    done = searched(search_trial(1, curve(10), method="none"))
    failed = confirm_trial(1, 1, 10, method="none", status="failed", error="OSError: disk")
    found = uncompared(studied(*done, *confirmed(), failed, study=SPACE))
    assert found.said == ("none is not compared: its only confirm trial did not finish (1 failed: OSError: disk).",)
    assert found.verdict == WATCH
    full = uncompared(studied(*done, *confirmed(), study=SPACE, manifest={"per_method": True}))
    assert full.said == (
        "none is not confirmed: 1 trial of it finished, but the places of confirm.max_points went to others.",
    )


def test_only_baselines_confirmed_is_told_with_the_reason():
    base = search_trial(0, curve(50), baseline=True)
    tuned = [search_trial(i, curve(60)[:2]) for i in (1, 2)]
    study = {**SPACE, "space": {"method": ["kmclr"]}}
    found = uncompared(studied(base, *tuned, *confirmed(baseline=True), study=study))
    assert found.said[0] == (
        "Only baselines were confirmed, so nothing that the search has tuned is compared: its other 2 trials did not "
        "finish (all stopped at rung 2)."
    )
    assert found.sets["scheduler.name"] == "none"
    alone = uncompared(studied(base, *confirmed(baseline=True), study=study))
    assert alone.said[0].endswith("the search had 1 trial, baselines alone.")
    paused = {**study, "scheduler": {"name": "promote"}}
    assert "scheduler.name" not in uncompared(studied(base, *tuned, *confirmed(baseline=True), study=paused)).sets

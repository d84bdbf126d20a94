"""Every check has something to say of every study."""

from __future__ import annotations

import dataclasses

import pytest

from analysis.health.checks import CHECKS, findings
from analysis.health.finding import VERDICTS, more_trials, share, trials_of
from analysis.results.front import against
from analysis.results.load import load
from tests.helpers.health_inputs import curve, search_trial, studied
from tests.helpers.synthetic_results import write_results

KINDS = {
    "full": {"trials": 24},
    "nothing yet": {"trials": 0, "confirm_seeds": ()},
    "one trial": {"trials": 1, "confirm_seeds": ()},
    "running": {"trials": 9, "running": 3, "confirm_seeds": ()},
    "one seed": {"trials": 12, "confirm_seeds": (1,)},
    "one method": {"trials": 12, "methods": ("none",)},
    "accuracy alone": {"trials": 12, "objectives": {"accuracy": "max"}},
    "three objectives": {"trials": 12, "objectives": {"accuracy": "max", "support_bytes": "min", "epoch_s": "min"}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_check_gives_a_verdict_and_words(tmp_path, kind):
    results = load(write_results(tmp_path / "k", epochs=6, **KINDS[kind]))
    for one in (results, against(results, "peak_memory_bytes")):
        found = findings(one)
        assert len({finding.name for finding in found}) == len(CHECKS)
        for finding in found:
            assert finding.verdict in VERDICTS
            assert finding.said
            assert all(said.endswith(".") and "nan" not in said for said in finding.said)


def test_reports_alone_are_enough():
    results = studied(search_trial(0, curve(50)))
    empty = dataclasses.replace(results, trials=results.trials.iloc[:0])
    assert {finding.verdict for finding in findings(empty)} <= {"cannot be told", "fine"}


def test_shares_in_words():
    assert [share(p) for p in (0.001, 0.42, 0.999)] == ["below 1 %", "42 %", "above 99 %"]


def test_half_as_many_trials_more_and_at_least_four():
    results = studied(search_trial(0, curve(50)), study={"search": {"trials": 21}})
    assert (trials_of(results), more_trials(results)) == (21, {"search.trials": "32"})
    assert more_trials(dataclasses.replace(results, study={})) == {"search.trials": "5"}

"""Studies over other objectives than support bytes, from search to confirm: what is shown, and what is on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from study import schema
from study.listeners.terminal import Terminal
from study.record.journal import Journal
from tests.helpers.engine_helpers import KINDS_OF_OBJECTIVES, lines, make_study, run_fake
from trainables import dominance
from trainables.wording import number_in_words, value_in_words

SMALL = {"search": {"trials": 6, "startup_trials": 2}, "train": {"epochs": 3, "checkpoint_every": 1}, "baselines": ()}
CONFIRM = {"confirm": {"per_method": False, "seeds": [1], "max_points": 2}}
HEADINGS = {
    "memory": "trial point accuracy % peak memory",
    "time": "trial point accuracy % time per epoch s",
    "three": "trial point accuracy % support set peak memory",
}


def row_of(end: Mapping[str, Any], objectives: Mapping[str, str]) -> str:
    """A trial in the printed front."""
    values = (number_in_words(end["metrics"][name], schema.OBJECTIVES[name]) for name in objectives)
    return " ".join([end["trial_id"], end["label"], *values])


def line_of(end: Mapping[str, Any], objectives: Mapping[str, str]) -> str:
    """What the line of a trial's end says between its epochs and the best so far."""
    metrics = [(schema.OBJECTIVES[name], end["metrics"][name]) for name in objectives]
    return " | ".join(f"{metric.title.lower()} {value_in_words(value, metric)}" for metric, value in metrics)


def check_printed(printed: Sequence[str], kind: str, ends: Sequence[Mapping[str, Any]]) -> None:
    objectives = KINDS_OF_OBJECTIVES[kind]
    for end in ends:
        (line,) = [text for text in printed if f"] {end['trial_id']} " in text]
        assert f"/{end['max_epochs']} | {line_of(end, objectives)} | best " in line
    at = printed.index(HEADINGS[kind])
    completed, front = dominance.completed(ends, objectives), dominance.front(ends, objectives)
    assert printed[at - 1] == f"Pareto front of {len(completed)} completed trials (validation, seed 0: n = 1 each)"
    assert list(printed[at + 1 : at + 1 + len(front)]) == [row_of(end, objectives) for end in reversed(front)]


@pytest.mark.timeout(280)
@pytest.mark.parametrize("kind", HEADINGS)
def test_a_study_over_these_objectives_runs_from_search_to_confirm(tmp_path, capsys, kind) -> None:
    objectives = KINDS_OF_OBJECTIVES[kind]
    study = make_study(objectives=objectives, **SMALL, **CONFIRM)
    assert run_fake(study, tmp_path) == 0
    journal = Journal(tmp_path / "fake")
    Terminal(study).front(journal)  # with which a study without confirm stage ends
    journal.close()
    printed = [" ".join(text.split()) for text in capsys.readouterr().out.splitlines()]
    seeds = len(study.confirm.seeds)
    assert f"Confirmed: 2 points with {seeds} seed{'s' * (seeds != 1)}" in printed
    ends = lines(tmp_path / "fake" / schema.TRIALS_FILE)
    front = dominance.front(ends, objectives)
    assert len(front) > 1
    check_printed(printed, kind, ends)
    confirmed = [end for end in ends if end["stage"] == schema.CONFIRM]
    assert len({end["point"] for end in confirmed}) == 2
    assert {end["point"] for end in confirmed} <= {end["trial_id"] for end in front}
    assert all("test_acc1" in end["metrics"] for end in confirmed)
    for report in lines(tmp_path / "fake" / schema.REPORTS_FILE):
        assert dominance.finite(report, objectives)

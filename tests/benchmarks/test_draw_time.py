"""The time of a draw: every sampler draws from the same history, and the table says how long."""

from __future__ import annotations

import pytest

from benchmarks.draw_time import EPOCHS, history, measure, report
from benchmarks.synthetic_curves import Synthetic


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_draws_are_timed_and_shown() -> None:
    found = measure([9], 2, ["front", "tpe"])
    assert set(found) == {(9, "front"), (9, "tpe")}
    assert all(len(timing.seconds) == 2 for timing in found.values())
    text = report(found, 2)
    assert "| trials | front | tpe |" in text
    assert "| 9 | " in text


def test_one_of_three_trials_of_the_history_finished() -> None:
    study, reports = history(Synthetic(0, epochs=EPOCHS, early=2.0), 9)
    assert [len(reports[n]) for n in range(9)] == [EPOCHS, EPOCHS // 9, EPOCHS // 9] * 3
    assert sum(trial.state.name == "COMPLETE" for trial in study.trials) == 3

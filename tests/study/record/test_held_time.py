"""Time that trials hold their process, and their share of a GPU: set-up, restoring and evaluation count, waiting does
not, and a later session reads it off the journal."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from study import schema
from study.record.budget import Budget
from study.record.held_time import HeldTime
from study.record.journal import Journal
from study.record.recorder import Recorder
from study.settings.config import BudgetConfig
from study.tune import durable
from tests.helpers.record_helpers import BOTH, result, task

SHARE = 0.25


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s

    def after(self, seconds: float) -> Clock:
        self.s += seconds
        return self


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def session(tmp_path, clock):
    """Opens the study's folder as a new session of the study does."""
    opened: list[Recorder] = []

    def open_() -> Recorder:
        opened.append(Recorder(Journal(tmp_path), BOTH, gpus_per_trial=SHARE, clock=clock))
        return opened[-1]

    yield open_
    for recorder in opened:
        recorder.journal.close()


def gpu_seconds(recorder: Recorder) -> float:
    return recorder.gpu_hours * 3600


def test_set_up_evaluation_and_the_moment_count(session, clock) -> None:
    recorder = session()
    assert gpu_seconds(recorder) == 0
    recorder.start(task(0))
    clock.after(30)  # set-up of the trial, in its first step
    assert gpu_seconds(recorder) == pytest.approx(30 * SHARE)
    clock.after(10)
    recorder.report(task(0), result(1, epoch_s=10.0))
    clock.after(100)  # offline evaluation
    recorder.report(task(0), result(2, epoch_s=10.0))
    recorder.end(task(0), schema.COMPLETED)
    clock.after(500)  # nobody holds anything
    assert gpu_seconds(recorder) == pytest.approx(140 * SHARE)
    assert [r["held_s"] for r in recorder.journal.reports] == [40, 140]
    assert recorder.journal.ends["search-0000"]["wall_s"] == 140


def test_what_the_process_did_before_it_was_known_to_run_counts(session, clock) -> None:
    """Tune says that a trial has started when its set-up, and with it the restoring of a resumed one, is over."""
    recorder = session()
    recorder.start(task(0))
    clock.after(10)
    recorder.report(task(0), result(1, held_s=35.0))
    clock.after(10)
    recorder.report(task(0), result(2, held_s=45.0))
    assert gpu_seconds(recorder) == pytest.approx(45 * SHARE)


def test_waiting_for_another_process_does_not_count(session, clock) -> None:
    recorder = session()
    recorder.start(task(0))
    clock.after(20)
    recorder.lost(task(0))
    clock.after(3600)
    recorder.start(task(0))
    clock.after(10)
    recorder.report(task(0), result(1, held_s=12.0))
    assert gpu_seconds(recorder) == pytest.approx((20 + 12) * SHARE)


def test_trials_side_by_side_add_up(session, clock) -> None:
    recorder = session()
    for number in (0, 1, 2):
        recorder.start(task(number))
    clock.after(10)
    recorder.end(task(0), schema.STOPPED)
    clock.after(10)
    assert gpu_seconds(recorder) == pytest.approx((10 + 20 + 20) * SHARE)


@pytest.mark.parametrize(("how", "first"), [("interrupted", 50.0), ("killed", 40.0)])
def test_a_later_session_goes_on_counting(session, clock, how: str, first: float) -> None:
    recorder = session()
    recorder.start(task(0))
    clock.after(15)
    recorder.end(task(0), schema.COMPLETED)
    recorder.start(task(1))
    clock.after(40)
    recorder.report(task(1), result(1))
    clock.after(10)
    if how == "interrupted":
        recorder.interrupt()
    clock.after(10_000)
    recorder = session()
    assert gpu_seconds(recorder) == pytest.approx((15 + first) * SHARE)
    recorder.start(task(1))
    clock.after(5)
    recorder.report(task(1), result(2, held_s=8.0))
    recorder.end(task(1), schema.COMPLETED)
    assert recorder.journal.ends["search-0001"]["wall_s"] == first + 8
    assert gpu_seconds(recorder) == gpu_seconds(session()) == pytest.approx((15 + first + 8) * SHARE)


def test_the_budget_stops_in_the_middle_of_a_long_evaluation(session, clock) -> None:
    recorder = session()
    budget = Budget(BudgetConfig(gpu_hours=1.0), recorder, 0.0)
    recorder.start(task(0))
    clock.after(3600 / SHARE - 1)
    assert budget.spent() is None
    clock.after(1)
    assert budget.spent() == "budget.gpu_hours (1) reached"


def test_a_trial_that_is_not_known_has_held_nothing(tmp_path) -> None:
    journal = Journal(tmp_path)
    held = HeldTime(journal)
    assert held.reported("x", 5.0) == held.leave("x") == held.total() == 0
    journal.close()


def test_a_process_counts_from_the_start_of_its_set_up(monkeypatch, clock) -> None:
    class Slow:
        """Stands for a trainable: 30 s of set-up, 20 s an epoch."""

        def setup(self, config: dict) -> None:
            clock.after(30)

        def reset_config(self, config: dict) -> bool:
            clock.after(5)
            return True

        def step(self) -> dict:
            clock.after(20)
            return {"epoch": 1}

    monkeypatch.setattr(durable, "time", SimpleNamespace(monotonic=clock))
    trial: Callable = type("Trial", (durable.Durable, Slow), {})()
    trial.setup({})
    assert [trial.step()["held_s"], trial.step()["held_s"]] == [50, 70]
    trial.reset_config({})
    assert trial.step()["held_s"] == 25

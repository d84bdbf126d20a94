"""The rungs as Ray Tune's scheduler."""

from types import SimpleNamespace

import pytest
from ray.exceptions import OutOfMemoryError

from study.tune import ray_internals, rung_scheduler
from study.tune.lives import Lives
from study.tune.rung_scheduler import RungScheduler
from tests.helpers.record_helpers import BOTH
from tests.helpers.search_helpers import point, rungs

NO_LIVES = Lives(0, list, judge_s=0)


def ask(scheduler, trial_id, epoch, values, *, baseline=False) -> str:
    trial = SimpleNamespace(config={"trial_id": trial_id, "number": 0, "baseline": baseline})
    return scheduler.on_trial_result(None, trial, {"epoch": epoch, **values})


def test_rung_scheduler_behind_tune() -> None:
    scheduler = RungScheduler(rungs(), BOTH, NO_LIVES)
    assert scheduler.set_search_properties(None, None)
    assert not scheduler.set_search_properties("accuracy", "max")
    assert ask(scheduler, "a", 1, point(80, 10)) == "CONTINUE"
    assert ask(scheduler, "b", 1, point(70, 20)) == "STOP"
    assert ask(scheduler, "base", 1, point(60, 30), baseline=True) == "CONTINUE"
    assert ask(scheduler, "c", 1, point(float("nan"), 20)) == "STOP"
    assert "0:1: " in scheduler.debug_string()


def test_no_scheduler_never_stops() -> None:
    scheduler = RungScheduler(None, BOTH, NO_LIVES)
    assert ask(scheduler, "a", 1, point(0, 10)) == "CONTINUE"
    assert ask(scheduler, "base", 1, point(float("nan"), 10), baseline=True) == "STOP"
    assert scheduler.debug_string() == "FIFO"


# --- trials that lose their processes ---


class Controller:
    """As much of Tune's as a scheduler is given: trials of these ids, all of them running."""

    def __init__(self, *ids: str) -> None:
        self.trials = [SimpleNamespace(config={"trial_id": one}, status="RUNNING") for one in ids]

    def get_trials(self) -> list[SimpleNamespace]:
        return self.trials

    def stop_trial(self, trial: SimpleNamespace) -> None:
        trial.status = "TERMINATED"

    def _set_trial_status(self, trial: SimpleNamespace, status: str) -> None:
        trial.status = status

    def lose(self, scheduler: RungScheduler, trial: SimpleNamespace) -> str:
        """What Tune does with a trial whose process is lost; its status then."""
        trial.status = "ERROR"
        scheduler.on_trial_error(self, trial)
        trial.status = "PENDING"
        self.trials.remove(trial)
        self.trials.append(trial)
        scheduler.on_trial_add(self, trial)
        return trial.status


@pytest.fixture
def lossy(monkeypatch):
    """A function that makes a scheduler whose trials are lost for `error`, with a clock to set: now[0]."""
    now = [0.0]
    monkeypatch.setattr(rung_scheduler.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))

    def make(error: Exception, **settings) -> tuple[RungScheduler, list[float]]:
        monkeypatch.setattr(ray_internals, "error_of", lambda trial: error)
        lives = Lives(**{"max_failures": 0, "dead_nodes": list, "judge_s": 0.0, "clock": lambda: now[0], **settings})
        return RungScheduler(None, BOTH, lives), now

    return make


def test_a_trial_that_may_lose_its_process_is_tried_again_at_once(lossy) -> None:
    scheduler, _ = lossy(ValueError("x"), max_failures=1)
    controller = Controller("a", "b")
    a, b = controller.trials
    assert controller.lose(scheduler, a) == "PENDING"
    assert scheduler.choose_trial_to_run(controller) is a
    a.status = "RUNNING"
    assert controller.lose(scheduler, a) == "PAUSED"
    assert scheduler.choose_trial_to_run(controller) is None
    assert (a.status, b.status) == ("TERMINATED", "RUNNING")


def test_a_trial_that_memory_ended_waits_while_others_go_on(lossy) -> None:
    scheduler, now = lossy(ray_internals.ProcessLost(OutOfMemoryError("low on memory")))
    controller = Controller("a", "b")
    a, b = controller.trials
    assert controller.lose(scheduler, a) == "PAUSED"
    b.status = "PENDING"
    assert scheduler.choose_trial_to_run(controller) is b
    b.status = "RUNNING"
    assert scheduler.choose_trial_to_run(controller) is None
    assert now == [0.0]
    b.status = "TERMINATED"
    assert scheduler.choose_trial_to_run(controller) is None
    assert now == [rung_scheduler.IDLE_S]  # nothing else would keep Tune from asking without a pause
    now[0] = 100.0
    assert scheduler.choose_trial_to_run(controller) is a
    assert scheduler.held == {}

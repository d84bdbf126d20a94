"""The rungs as Ray Tune's scheduler."""

from types import SimpleNamespace

from tests.helpers.record_helpers import BOTH
from tests.helpers.search_helpers import point, rungs


def ask(scheduler, trial_id, epoch, values, *, baseline=False) -> str:
    trial = SimpleNamespace(config={"trial_id": trial_id, "number": 0, "baseline": baseline})
    return scheduler.on_trial_result(None, trial, {"epoch": epoch, **values})


def test_rung_scheduler_behind_tune() -> None:
    from study.tune.rung_scheduler import RungScheduler

    scheduler = RungScheduler(rungs(), BOTH)
    assert scheduler.set_search_properties(None, None)
    assert not scheduler.set_search_properties("accuracy", "max")
    assert ask(scheduler, "a", 1, point(80, 10)) == "CONTINUE"
    assert ask(scheduler, "b", 1, point(70, 20)) == "STOP"
    assert ask(scheduler, "base", 1, point(60, 30), baseline=True) == "CONTINUE"
    assert ask(scheduler, "c", 1, point(float("nan"), 20)) == "STOP"
    assert "0:1: " in scheduler.debug_string()


def test_no_scheduler_never_stops() -> None:
    from study.tune.rung_scheduler import RungScheduler

    scheduler = RungScheduler(None, BOTH)
    assert ask(scheduler, "a", 1, point(0, 10)) == "CONTINUE"
    assert ask(scheduler, "base", 1, point(float("nan"), 10), baseline=True) == "STOP"
    assert scheduler.debug_string() == "FIFO"

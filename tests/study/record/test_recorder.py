"""Events of trials become journal lines, and listeners are told."""

from __future__ import annotations

import pytest

from study import schema
from tests.helpers.engine_helpers import lines
from tests.helpers.record_helpers import Witness, result, task


def test_events_become_lines_and_reach_listeners(recorder, tmp_path) -> None:
    told = []
    recorder.tell = lambda task, line: told.append((line["status"], (tmp_path / "trials.jsonl").stat().st_size > 0))
    recorder.start(task())
    assert recorder.report(task(), result(1))
    assert not recorder.report(task(), result(1))
    recorder.tick()
    assert recorder.end(task(), schema.STOPPED, checkpoint="ray/x")
    assert not recorder.end(task(), schema.COMPLETED)
    recorder.finish(hurry=True)
    assert recorder.listeners[0].seen == [
        ("started", "search-0000"),
        ("reported", 1),
        ("tick",),
        ("ended", "stopped"),
        ("close", True),
    ]
    assert told == [("stopped", True)]
    (end,) = lines(tmp_path / schema.TRIALS_FILE)
    assert set(end) == set(schema.TRIAL_FIELDS)
    assert (end["epochs"], end["metrics"]["accuracy"], end["checkpoint"]) == (1, 50.0, "ray/x")
    assert recorder.epochs_done == 1


def test_a_listener_that_fails_is_switched_off(recorder) -> None:
    class Broken(Witness):
        def started(self, task) -> None:
            raise RuntimeError("no screen")

    recorder.listeners.insert(0, Broken())
    with pytest.warns(UserWarning, match="Broken switched off after an error: no screen"):
        recorder.start(task())
    recorder.report(task(), result(1))
    assert recorder.listeners[0].seen == [("started", "search-0000"), ("reported", 1)]


@pytest.mark.parametrize(
    ("last", "status"),
    [
        (result(4), schema.COMPLETED),
        (result(2), schema.STOPPED),
        (result(2, float("nan")), schema.DIVERGED),
        ({"epoch": 2, "accuracy": 1.0}, schema.DIVERGED),
        ({"status": "timed_out", "error": "x"}, schema.TIMED_OUT),
        (result(4, status="out_of_memory"), schema.OUT_OF_MEMORY),
    ],
)
def test_verdicts(recorder, last, status) -> None:
    assert recorder.status_at_end(task(), last) == status


def test_interrupting_records_who_was_running(recorder) -> None:
    recorder.start(task(0))
    recorder.start(task(1))
    recorder.report(task(1), result(1))
    recorder.end(task(0), schema.COMPLETED)
    recorder.tell = lambda *_: pytest.fail("the searcher must not hear of interrupted trials")
    assert recorder.interrupt() == 1
    assert recorder.journal.ends["search-0001"]["status"] == schema.INTERRUPTED
    assert recorder.interrupt() == 0


def test_pictures_go_to_their_own_file(recorder, tmp_path) -> None:
    picture = {"epoch": 1, "vectors": [[0, 1]], "sample": [], "labels": []}
    recorder.report(task(), result(1, projection=picture))
    assert lines(tmp_path / "projections" / "search-0000.jsonl") == [
        {"schema": 1, "trial_id": "search-0000", **picture}
    ]
    assert "projection" not in lines(tmp_path / schema.REPORTS_FILE)[0]

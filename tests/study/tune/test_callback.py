"""The ledger, Tune's callback, checkpoints and signals, without a cluster."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray import cloudpickle

from study import schema
from study.interrupt import StopSignals, StudyStopped
from study.record.checkpoints import Checkpoints, own_storage, storage_of, storage_uri
from study.record.journal import Journal
from study.record.recorder import Ledger
from study.record.task import Task, from_config, point_key
from study.search import rungs as pareto_asha
from study.search.resume import replay, settle
from study.tune.callback import StudyCallback
from tests.helpers.engine_helpers import lines

BOTH = {"accuracy": "max", "support_bytes": "min"}


def task(number=0, **more) -> Task:
    params = {"method": "kmclr", "k": 50}
    fixed = {"label": "kmclr k=50", "method": "kmclr", "seed": 0, "max_epochs": 4, "params": params, "run": {"seed": 0}}
    return Task(**{"stage": "search", "trial_id": f"search-{number:04d}", "number": number, **fixed, **more})


def result(epoch, accuracy=50.0, **more) -> dict:
    return {"epoch": epoch, "accuracy": accuracy, "support_bytes": 10, "epoch_s": 2.0, "config": {}, **more}


class Witness:
    """A listener that writes everything down."""

    def __init__(self) -> None:
        self.seen: list[tuple] = []

    def started(self, task) -> None:
        self.seen.append(("started", task.trial_id))

    def reported(self, task, line) -> None:
        self.seen.append(("reported", line["epoch"]))

    def ended(self, task, line) -> None:
        self.seen.append(("ended", line["status"]))

    def tick(self) -> None:
        self.seen.append(("tick",))

    def close(self, hurry) -> None:
        self.seen.append(("close", hurry))


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(Journal(tmp_path), BOTH)
    made.listeners = [Witness()]
    yield made
    made.journal.close()


def test_task_survives_tune_s_config() -> None:
    one = task(extra={"linear_epochs": 7}, resume_from=("a", "b"))
    config = json.loads(json.dumps(one.config())) | {"threads": 1}
    assert config["linear_epochs"] == 7
    assert from_config(config) == one
    assert point_key({"a": 1, "b": 2}) == point_key({"b": 2, "a": 1})


def test_events_become_lines_and_reach_listeners(ledger, tmp_path) -> None:
    told = []
    ledger.tell = lambda task, line: told.append((line["status"], (tmp_path / "trials.jsonl").stat().st_size > 0))
    ledger.start(task())
    assert ledger.report(task(), result(1))
    assert not ledger.report(task(), result(1))
    ledger.tick()
    assert ledger.end(task(), schema.STOPPED, checkpoint="ray/x")
    assert not ledger.end(task(), schema.COMPLETED)
    ledger.finish(hurry=True)
    assert ledger.listeners[0].seen == [
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
    assert ledger.epochs_done == 1


def test_a_listener_that_fails_is_switched_off(ledger) -> None:
    class Broken(Witness):
        def started(self, task) -> None:
            raise RuntimeError("no screen")

    ledger.listeners.insert(0, Broken())
    with pytest.warns(UserWarning, match="Broken switched off after an error: no screen"):
        ledger.start(task())
    ledger.report(task(), result(1))
    assert ledger.listeners[0].seen == [("started", "search-0000"), ("reported", 1)]


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
def test_verdicts(ledger, last, status) -> None:
    assert ledger.status_at_end(task(), last) == status


def test_interrupting_records_who_was_running(ledger) -> None:
    ledger.start(task(0))
    ledger.start(task(1))
    ledger.report(task(1), result(1))
    ledger.end(task(0), schema.COMPLETED)
    ledger.tell = lambda *_: pytest.fail("the searcher must not hear of interrupted trials")
    assert ledger.interrupt() == 1
    assert ledger.journal.ends["search-0001"]["status"] == schema.INTERRUPTED
    assert ledger.interrupt() == 0


def test_pictures_go_to_their_own_file(ledger, tmp_path) -> None:
    picture = {"epoch": 1, "vectors": [[0, 1]], "sample": [], "labels": []}
    ledger.report(task(), result(1, projection=picture))
    assert lines(tmp_path / "projections" / "search-0000.jsonl") == [
        {"schema": 1, "trial_id": "search-0000", **picture}
    ]
    assert "projection" not in lines(tmp_path / schema.REPORTS_FILE)[0]


# --- Tune's callback ---
def make_callback(ledger, reasons=()) -> StudyCallback:
    queue = list(reasons)
    folder = ledger.journal.folder
    return StudyCallback(ledger, Checkpoints(folder, None), lambda: queue.pop(0) if queue else None)


def tune_trial(
    one: Task, last: dict | None = None, pickled: Path | None = None, text: Path | None = None
) -> SimpleNamespace:
    state = SimpleNamespace(ray_actor=None)
    files = {"pickled_error_file": pickled and str(pickled), "error_file": text and str(text)}
    return SimpleNamespace(config=one.config(), last_result=last, temporary_state=state, **files)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_callback_records_what_tune_says(ledger, tmp_path) -> None:
    callback = make_callback(ledger)
    trial = tune_trial(task(), result(1))
    callback.on_trial_start(0, [], trial)
    callback.on_trial_result(0, [], trial, result(1))
    callback.on_trial_result(0, [], trial, result(2, float("nan")))
    callback.on_trial_complete(0, [], tune_trial(task(), result(2, float("nan"))))
    ends = lines(tmp_path / schema.TRIALS_FILE)
    assert [(e["status"], e["epochs"], e["error"]) for e in ends] == [("diverged", 1, None)]


def test_a_given_up_trial_s_error_is_read_where_tune_wrote_it(ledger, tmp_path) -> None:
    """Tune copies its error files to the storage later: what counts are the ones on the driver's disk."""
    pickled = write(tmp_path / "error.pkl", cloudpickle.dumps(MemoryError("cannot allocate 10 GB")))
    torn = write(tmp_path / "torn.pkl", cloudpickle.dumps(MemoryError("x"))[:10])
    text = write(tmp_path / "error.txt", b"Failure # 1 (occurred at ...)\nThe actor died.\n")
    callback = make_callback(ledger)
    for number, files in enumerate([(pickled, text), (tmp_path / "gone.pkl", text), (torn, text), (None, None)]):
        callback.on_trial_error(0, [], tune_trial(task(number), None, *files))
    ends = lines(tmp_path / schema.TRIALS_FILE)
    assert [(e["status"], e["epochs"]) for e in ends] == [("out_of_memory", 0), *[("failed", 0)] * 3]
    errors = [e["error"] for e in ends]
    assert errors[0].startswith("out of memory: shrink train.batch_size")
    assert errors[1] == "RuntimeError: The actor died."
    assert errors[2].startswith("RuntimeError: its error could not be read (")
    assert errors[3] == "unknown error"


def test_callback_stops_when_asked(ledger, tmp_path) -> None:
    callback = make_callback(ledger, [None, "budget"])
    trial = tune_trial(task(), result(1))
    callback.on_trial_start(0, [trial], trial)
    callback.on_step_end(0, [trial])
    with pytest.raises(StudyStopped, match="budget"):
        callback.on_step_end(0, [trial])
    callback.on_trial_error(0, [trial], trial)  # what Tune does to killed actors does not count
    callback.on_trial_complete(0, [trial], trial)
    callback.on_step_end(0, [trial])
    assert lines(tmp_path / schema.TRIALS_FILE) == []


def test_an_end_that_cannot_be_recorded_ends_the_study_between_events(ledger, tmp_path) -> None:
    """Tune takes an error of `on_trial_complete` for the trial's own and would start it again."""
    callback = make_callback(ledger, [None, None])
    trial = tune_trial(task(), result(9))

    def fail(*_: object) -> None:
        raise OSError("disk full")

    ledger.tell = fail
    callback.on_trial_complete(0, [trial], trial)
    callback.on_trial_complete(0, [trial], tune_trial(task(1), result(9)))
    with pytest.raises(OSError, match="disk full"):
        callback.on_step_end(0, [trial])
    callback.on_step_end(0, [trial])
    assert [e["trial_id"] for e in lines(tmp_path / schema.TRIALS_FILE)] == ["search-0000"]


def checkpoint(folder: Path, session: str, trial_id: str, index: int, state: object) -> Path:
    path = folder / "ray" / session / trial_id / f"checkpoint_{index:06d}"
    path.mkdir(parents=True)
    (path / "state.json").write_text(state if isinstance(state, str) else json.dumps(state))
    return path


def test_checkpoints_are_found_over_sessions_and_tidied(tmp_path) -> None:
    checkpoints = Checkpoints(tmp_path, None)
    assert checkpoints.of(task()) == []
    made = [
        checkpoint(tmp_path, "search-2", "search-0000", 1, {}),
        checkpoint(tmp_path, "search-2", "search-0000", 0, {}),
        checkpoint(tmp_path, "search-1", "search-0000", 9, {}),
    ]
    other = [
        checkpoint(tmp_path, "search-10", "search-0001", 0, {}),
        checkpoint(tmp_path, "confirm-3", "search-0000", 0, {}),
    ]
    assert checkpoints.of(task()) == [str(p) for p in made]
    assert checkpoints.tidy(task(), keep=1) == "ray/search-2/search-0000/checkpoint_000001"
    assert checkpoints.of(task()) == [str(made[0])]
    assert checkpoints.tidy(task(), keep=0) is None
    assert [p.exists() for p in [*made, *other]] == [False, False, False, True, True]


def test_checkpoints_below_a_uri(tmp_path) -> None:
    (tmp_path / "results").mkdir()
    checkpoint(tmp_path, "search-1", "search-0000", 0, {})
    checkpoints = Checkpoints(tmp_path / "results", f"file://{tmp_path}/ray/")
    assert checkpoints.of(task()) == [f"file://{tmp_path}/ray/search-1/search-0000/checkpoint_000000"]


def test_studies_share_a_storage_without_sharing_folders(tmp_path) -> None:
    """One study's tidying must not remove another's checkpoints; a study finds its own again wherever it lies."""
    started = "2026-11-25T12:00:18.970+00:00"
    own = own_storage(f"file://{tmp_path}/ray/", "pareto", started)
    assert own == f"file://{tmp_path}/ray/pareto-20261125120018970"
    assert own_storage(None, "pareto", started) is None
    mine = checkpoint(tmp_path, "pareto-20261125120018970/search-1", "search-0000", 0, {})
    other = checkpoint(tmp_path, "k_sweep-20261125120018970/search-1", "search-0000", 0, {})
    checkpoints = Checkpoints(tmp_path / "results", own)
    assert checkpoints.of(task()) == [f"file://{mine}"]
    assert checkpoints.tidy(task(), keep=0) is None
    assert (mine.exists(), other.exists()) == (False, True)


def test_storage_may_be_relative_and_must_be_known(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage_uri("shared/") == str(tmp_path / "shared")
    with pytest.raises(ValueError, match=r"--storage nosuch://bucket: .*give a folder that every node reaches"):
        storage_uri("nosuch://bucket")


def test_storage_is_remembered_from_the_last_session_that_named_one() -> None:
    record = {"sessions": [{"storage": "/a"}, {"storage": "/b"}, {}]}
    assert storage_of(record, None) == "/b"
    assert storage_of(record, "/c") == "/c"
    assert storage_of({"sessions": [{}]}, None) is None


def test_settle_ends_what_the_journal_has_decided(ledger, tmp_path) -> None:
    """Killed between the last report and the end's line."""
    rungs = pareto_asha.Rungs({"accuracy": "max"}, 1, 2, 4)
    for number, accuracy in ((0, 50.0), (1, 40.0), (2, 30.0)):
        ledger.report(task(number), result(1, accuracy))
    for epoch in (2, 3, 4):
        ledger.report(task(0), result(epoch))
    tasks = [task(0), task(1), task(2, baseline=True), task(3)]
    kept = checkpoint(tmp_path, "search-1", "search-0002", 0, {})
    stopped = replay(rungs, ledger.journal)
    assert stopped == {"search-0001", "search-0002"}
    going_on = settle(tasks, stopped, ledger, Checkpoints(tmp_path, None))
    assert [(t.number, t.resume_from) for t in going_on] == [(2, (str(kept),)), (3, ())]
    assert {i: e["status"] for i, e in ledger.journal.ends.items()} == {
        "search-0000": "completed",
        "search-0001": "stopped",
    }


# --- signals ---
def test_signals_raise_first_and_only_flag_later() -> None:
    import os
    import signal

    from study.interrupt import Interrupted

    before = signal.getsignal(signal.SIGTERM)
    with StopSignals() as signals:
        with pytest.raises(Interrupted, match="SIGTERM"):
            os.kill(os.getpid(), signal.SIGTERM)
        assert signals.reason() == "SIGTERM"
    with StopSignals() as signals:
        signals.listen()
        assert signals.reason() is None
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.reason() == "SIGINT"
    assert signal.getsignal(signal.SIGTERM) == before

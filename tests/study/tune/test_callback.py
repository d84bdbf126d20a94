"""The recorder, Tune's callback, checkpoints and signals, without a cluster."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray import cloudpickle
from ray.train._internal.checkpoint_manager import _CheckpointManager
from ray.tune.trainable.metadata import _TrainingRunMetadata

from study import schema
from study.interrupt import StudyStopped
from study.record.checkpoints import Checkpoints
from study.record.task import Task
from study.tune.callback import StudyCallback
from study.tune.lives import Lives, Verdict
from tests.helpers.engine_helpers import lines
from tests.helpers.record_helpers import result, task


def make_callback(recorder, reasons=()) -> StudyCallback:
    queue = list(reasons)
    folder = recorder.journal.folder
    places, turn, lives = Checkpoints(folder, None), threading.RLock(), Lives(0, list, judge_s=0)
    return StudyCallback(recorder, places, lambda: queue.pop(0) if queue else None, turn, lives)


def tune_trial(
    one: Task, last: dict | None = None, pickled: Path | None = None, text: Path | None = None
) -> SimpleNamespace:
    state = SimpleNamespace(ray_actor=None)
    files = {"pickled_error_file": pickled and str(pickled), "error_file": text and str(text)}
    kept = _TrainingRunMetadata()
    kept.last_result, kept.checkpoint_manager = {}, _CheckpointManager(None)
    more = {"evaluated_params": {}, "invalidate_json_state": lambda: None, **files}
    return SimpleNamespace(config=one.config(), last_result=last, temporary_state=state, run_metadata=kept, **more)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_callback_records_what_tune_says(recorder, tmp_path) -> None:
    callback = make_callback(recorder)
    trial = tune_trial(task(), result(1))
    callback.on_trial_start(0, [], trial)
    callback.on_trial_result(0, [], trial, result(1))
    callback.on_trial_result(0, [], trial, result(2, float("nan")))
    callback.on_trial_complete(0, [], tune_trial(task(), result(2, float("nan"))))
    ends = lines(tmp_path / schema.TRIALS_FILE)
    assert [(e["status"], e["epochs"], e["error"]) for e in ends] == [("diverged", 1, None)]


def test_tune_does_not_keep_the_pictures_of_every_trial(recorder, tmp_path) -> None:
    picture = {"epoch": 1, "vectors": [[0.0, 1.0]], "sample": [[1.0, 0.0]], "labels": [3], "variance_shown": 0.9}
    given = {**result(1), "projection": picture}
    make_callback(recorder).on_trial_result(0, [], tune_trial(task()), given)
    assert given == result(1)
    assert lines(tmp_path / schema.PROJECTIONS_DIR / f"{task().trial_id}.jsonl")[0]["vectors"] == [[0.0, 1.0]]


def test_a_given_up_trial_s_error_is_read_where_tune_wrote_it(recorder, tmp_path) -> None:
    """Tune copies its error files to the storage later: what counts are the ones on the driver's disk."""
    pickled = write(tmp_path / "error.pkl", cloudpickle.dumps(MemoryError("cannot allocate 10 GB")))
    torn = write(tmp_path / "torn.pkl", cloudpickle.dumps(MemoryError("x"))[:10])
    text = write(tmp_path / "error.txt", b"Failure # 1 (occurred at ...)\nThe actor died.\n")
    callback = make_callback(recorder)
    for number, files in enumerate([(pickled, text), (tmp_path / "gone.pkl", text), (torn, text), (None, None)]):
        callback.on_trial_error(0, [], tune_trial(task(number), None, *files))
    ends = lines(tmp_path / schema.TRIALS_FILE)
    assert [(e["status"], e["epochs"]) for e in ends] == [("out_of_memory", 0), *[("failed", 0)] * 3]
    errors = [e["error"] for e in ends]
    assert errors[0].startswith("out of memory: shrink train.batch_size")
    assert errors[1] == "RuntimeError: The actor died."
    assert errors[2].startswith("RuntimeError: its error could not be read (")
    assert errors[3] == "unknown error"


def test_a_trial_whose_lives_are_used_up_ends_with_its_last_error(recorder, tmp_path) -> None:
    callback = make_callback(recorder)
    trial = tune_trial(task(), result(1))
    callback.on_trial_start(0, [], trial)
    assert callback.lives.lost("search-0000", ValueError("x"), None, alone=True) is Verdict.GIVE_UP
    callback.on_trial_recover(0, [], trial)
    callback.on_trial_complete(0, [], trial)
    assert [(e["status"], e["error"]) for e in lines(tmp_path / schema.TRIALS_FILE)] == [("failed", "ValueError: x")]


def test_callback_stops_when_asked(recorder, tmp_path) -> None:
    callback = make_callback(recorder, [None, "budget"])
    trial = tune_trial(task(), result(1))
    callback.on_trial_start(0, [trial], trial)
    callback.on_step_end(0, [trial])
    with pytest.raises(StudyStopped, match="budget"):
        callback.on_step_end(0, [trial])
    callback.on_trial_error(0, [trial], trial)  # what Tune does to killed actors does not count
    callback.on_trial_complete(0, [trial], trial)
    callback.on_step_end(0, [trial])
    assert lines(tmp_path / schema.TRIALS_FILE) == []


def test_an_end_that_cannot_be_recorded_ends_the_study_between_events(recorder, tmp_path) -> None:
    """Tune takes an error of `on_trial_complete` for the trial's own and would start it again."""
    callback = make_callback(recorder, [None, None])
    trial = tune_trial(task(), result(9))

    def fail(*_: object) -> None:
        raise OSError("disk full")

    recorder.tell = fail
    callback.on_trial_complete(0, [trial], trial)
    callback.on_trial_complete(0, [trial], tune_trial(task(1), result(9)))
    with pytest.raises(OSError, match="disk full"):
        callback.on_step_end(0, [trial])
    callback.on_step_end(0, [trial])
    assert [e["trial_id"] for e in lines(tmp_path / schema.TRIALS_FILE)] == ["search-0000"]

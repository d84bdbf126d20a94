"""Ray Tune's events, handed to the recorder; the only place where Tune's trials meet the journal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from ray import cloudpickle, tune

from study import schema
from study.interrupt import StudyStopped
from study.record.checkpoints import Checkpoints
from study.record.recorder import Recorder
from study.record.task import Task, from_config
from study.tune import ray_internals
from study.tune.durable import failure_of
from trainables import dominance


def _error_of(trial: Any) -> BaseException | None:
    """The error that Tune gave a trial up for, None if it kept none."""
    pickled, text = ray_internals.error_files(trial)
    try:
        if pickled is not None and pickled.exists():
            return cloudpickle.loads(pickled.read_bytes())
        if text is not None and text.exists():
            return RuntimeError(text.read_text().strip().splitlines()[-1])
    except Exception as error:  # half written (disk full), or an exception that cannot be unpickled here
        return RuntimeError(f"its error could not be read ({error})")
    return None


class StudyCallback(tune.Callback):
    """Feeds the recorder. `stop` is asked between events; a reason it gives ends the study by StudyStopped.

    An error while a trial's end is recorded (disk full) ends the study too, between events: Tune would take it for a
    failure of the trial and start that again.
    """

    def __init__(self, recorder: Recorder, checkpoints: Checkpoints, stop: Callable[[], str | None]) -> None:
        self.recorder = recorder
        self.checkpoints = checkpoints
        self.stop = stop
        self._stopping = False
        self._error: Exception | None = None

    # Tune pickles callbacks into its snapshot, where nothing of ours is needed
    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __deepcopy__(self, memo: dict) -> StudyCallback:
        return self

    def __copy__(self) -> StudyCallback:
        return self

    @contextlib.contextmanager
    def _errors_kept(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._error = error

    @property
    def _over(self) -> bool:
        return self._stopping or self._error is not None

    def on_trial_start(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        self.recorder.start(from_config(trial.config))

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict, **info: Any) -> None:
        task = from_config(trial.config)
        if "epoch" in result and dominance.finite(result, self.recorder.objectives):
            self.recorder.report(task, result)  # an error goes through Tune at once: no checkpoint may follow it
        result.pop("projection", None)  # Tune keeps every trial's last result, in memory and in each of its snapshots

    def on_trial_recover(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        self.recorder.lost(from_config(trial.config))

    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        if self._over:
            return
        task, result = from_config(trial.config), dict(trial.last_result or {})
        with self._errors_kept():
            self._end(task, self.recorder.status_at_end(task, result), result.get("error"))

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        if self._over:
            return
        with self._errors_kept():
            self._end(from_config(trial.config), *failure_of(_error_of(trial)))

    def _end(self, task: Task, status: str, error: str | None) -> None:
        if status == schema.INTERRUPTED:  # a full disk: of its checkpoints the newest may be half written
            self.recorder.end(task, status, error=error)
            return
        kept = self.checkpoints.tidy(task, keep=0 if status == schema.STOPPED else 1)
        self.recorder.end(task, status, error=error, checkpoint=kept)

    def on_step_end(self, iteration: int, trials: list, **info: Any) -> None:
        self.recorder.tick()
        reason = self.stop()
        if self._stopping or (self._error is None and reason is None):
            return
        self._stopping = True
        for trial in trials:
            ray_internals.kill_process(trial)  # an epoch may take minutes, and the last checkpoint is what counts
        raise self._error or StudyStopped(reason)

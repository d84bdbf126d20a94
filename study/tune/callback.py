"""Ray Tune's events, handed to the recorder; the only place where Tune's trials meet the journal."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from ray import tune

from study import schema
from study.interrupt import StudyStopped
from study.record.checkpoints import Checkpoints
from study.record.recorder import ENDED_BY_ITSELF, Recorder
from study.record.task import Task, from_config
from study.tune import ray_internals
from study.tune.durable import failure_of
from study.tune.lives import Lives
from trainables import dominance


def in_turn(event: Callable[..., None]) -> Callable[..., None]:
    """The method, run while its object's `turn` is held."""

    @functools.wraps(event)
    def run(self: Any, *arguments: Any, **named: Any) -> None:
        with self.turn:
            event(self, *arguments, **named)

    return run


class StudyCallback(tune.Callback):
    """Feeds the recorder. `stop` is asked between events; a reason it gives ends the study by StudyStopped.

    turn: held while an event is recorded. lives: knows which trials were given up.
    An error while a trial's end is recorded (disk full) ends the study too, between events: Tune would take it for a
    failure of the trial and start that again.
    """

    def __init__(
        self,
        recorder: Recorder,
        checkpoints: Checkpoints,
        stop: Callable[[], str | None],
        turn: contextlib.AbstractContextManager[Any],
        lives: Lives,
    ) -> None:
        self.recorder = recorder
        self.checkpoints = checkpoints
        self.stop = stop
        self.turn = turn
        self.lives = lives
        self._stopping = False
        self._error: Exception | None = None

    # Tune pickles callbacks into its snapshot, where nothing of ours is needed
    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __deepcopy__(self, memo: dict[str, Any]) -> StudyCallback:
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

    @in_turn
    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.recorder.start(from_config(trial.config))

    @in_turn
    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        task = from_config(trial.config)
        if result.get("status") in ENDED_BY_ITSELF:  # it repeats what was known; its test numbers, if any, are missing
            return
        if "epoch" not in result or not dominance.finite(result, self.recorder.objectives):
            return
        if self.recorder.report(task, result):  # an error goes through Tune at once: no checkpoint may follow it
            self.lives.went_on(task.trial_id)
        result.pop("projection", None)  # Tune keeps every trial's last result, in memory and in each of its snapshots

    @in_turn
    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.recorder.lost(from_config(trial.config))

    @in_turn
    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        if self._over:
            return
        task, result = from_config(trial.config), dict(trial.last_result or {})
        given_up = self.lives.end_of(task.trial_id)
        with self._errors_kept():
            self._end(task, *(given_up or (self.recorder.status_at_end(task, result), result.get("error"))))
        ray_internals.forget_details(trial)

    @in_turn
    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        if self._over:
            return
        with self._errors_kept():
            self._end(from_config(trial.config), *failure_of(ray_internals.error_of(trial)))
        ray_internals.forget_details(trial)

    def _end(self, task: Task, status: str, error: str | None) -> None:
        if task.repeat_until is not None:
            self.recorder.repeated(task, status, error)
            return
        if status == schema.STOPPED and task.until is not None:
            self.checkpoints.tidy(task, keep=1)
            self.recorder.pause(task)
            return
        if status == schema.INTERRUPTED:  # a full disk: of its checkpoints the newest may be half written
            self.recorder.end(task, status, error=error)
            return
        kept = self.checkpoints.tidy(task, keep=0 if status == schema.STOPPED else 1)
        self.recorder.end(task, status, error=error, checkpoint=kept)

    @in_turn
    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self.recorder.tick()
        reason = self.stop()
        if self._stopping or (self._error is None and reason is None):
            return
        self._stopping = True
        self.lives.close()
        for trial in trials:
            ray_internals.kill_process(trial)  # an epoch may take minutes, and the last checkpoint is what counts
        raise self._error or StudyStopped(str(reason))

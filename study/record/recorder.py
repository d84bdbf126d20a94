"""What happens in a study, in one place and free of Ray: events come in, the journal is written, listeners are told.

The order is always: journal line on disk first, then the searcher and the listeners. A kill in between loses nothing
that the journal does not give back.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from study import schema
from study.record.held_time import HeldTime
from study.record.journal import Journal, metrics_of, now
from study.record.task import Task
from trainables import dominance

ENDED_BY_ITSELF = (schema.FAILED, schema.DIVERGED, schema.OUT_OF_MEMORY, schema.TIMED_OUT, schema.INTERRUPTED)
"""Statuses that a trial gives itself; `interrupted` if its disk was full."""


class Listener(Protocol):
    """Whoever wants to see a study: display, W&B, metrics. An error in one never reaches the study."""

    def started(self, task: Task) -> None: ...
    def reported(self, task: Task, line: Mapping[str, Any]) -> None: ...
    def paused(self, task: Task, epoch: int) -> None: ...
    def ended(self, task: Task, line: Mapping[str, Any]) -> None: ...
    def tick(self) -> None: ...
    def close(self, hurry: bool) -> None: ...


class Recorder:
    """Turns events of trials into journal lines.

    objectives: metric -> "max" | "min"; a report without a finite value of each ends its trial as `diverged`.
    gpus_per_trial: for the GPU-hours budget. clock: seconds.
    """

    def __init__(
        self,
        journal: Journal,
        objectives: Mapping[str, str],
        gpus_per_trial: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.journal = journal
        self.objectives = dict(objectives)
        self.gpus_per_trial = gpus_per_trial
        self.listeners: list[Listener] = []
        self.tell: Any = None
        """Set by a searcher that wants to learn of ends: called with (task, line) after the line is on disk."""
        self.rest: Callable[[], None] = lambda: None
        """Set by a searcher that wants to know when the study stops."""
        self.running: dict[str, Task] = {}
        self.without_room: dict[str, str] = {}
        """Trials that a full disk interrupted in this session, and what the system said."""
        self.not_repeated: dict[str, str] = {}
        """Trials that failed while they made lost reports again, and why."""
        self._began: dict[str, str] = {}
        self._held = HeldTime(journal, clock)

    def _emit(self, event: str, *arguments: Any) -> None:
        for listener in list(self.listeners):
            try:
                getattr(listener, event)(*arguments)
            except Exception as error:
                self.listeners.remove(listener)
                warnings.warn(f"{type(listener).__name__} switched off after an error: {error}", stacklevel=2)

    def start(self, task: Task) -> None:
        """A trial begins or begins again on a process."""
        if task.trial_id not in self._began:
            self._began[task.trial_id] = self._first_seen(task.trial_id)
        self._held.begin(task.trial_id)
        self.running[task.trial_id] = task
        if task.repeat_until is None:
            self._emit("started", task)

    def _first_seen(self, trial_id: str) -> str:
        reports = self.journal.reports_of(trial_id)
        return reports[0]["time"] if reports else now()

    def lost(self, task: Task) -> None:
        """A trial's process has died; the trial waits for another one."""
        self._held.leave(task.trial_id)

    def report(self, task: Task, result: Mapping[str, Any]) -> bool:
        """Record one epoch; False if it was recorded before (re-run after a restart)."""
        line = {
            "stage": task.stage,
            "trial_id": task.trial_id,
            "number": task.number,
            "seed": task.seed,
            "epoch": int(result["epoch"]),
            "time": now(),
            schema.HELD_S: round(self._held.reported(task.trial_id, result.get(schema.HELD_S)), 3),
            **metrics_of(result, schema.METRICS),
        }
        if result.get("projection"):
            self.journal.append_picture(task.trial_id, result["projection"])
        fresh = self.journal.append_report(line)
        if fresh and task.repeat_until is None:  # whoever looks on has seen it already
            self._emit("reported", task, line)
        return fresh

    def status_at_end(self, task: Task, result: Mapping[str, Any]) -> str:
        """How a trial has ended whose last result this is."""
        status = result.get("status")
        if status in ENDED_BY_ITSELF:
            return str(status)
        reached = max(int(result.get("epoch") or 0), self.journal.last_epoch.get(task.trial_id, 0))
        if not dominance.finite(result, self.objectives):
            return schema.DIVERGED
        return schema.COMPLETED if reached >= task.max_epochs else schema.STOPPED

    def end(self, task: Task, status: str, *, error: str | None = None, checkpoint: str | None = None) -> bool:
        """Record a trial's end and tell the searcher; False if it has already ended."""
        reports = self.journal.reports_of(task.trial_id)
        last = max(reports, key=lambda line: line["epoch"], default={})
        line = {
            "stage": task.stage,
            "trial_id": task.trial_id,
            "number": task.number,
            "status": status,
            "method": task.method,
            "label": task.label,
            "seed": task.seed,
            "params": dict(task.params),
            "epochs": int(last.get("epoch", 0)),
            "max_epochs": task.max_epochs,
            "metrics": metrics_of(last, schema.METRICS),
            "point": task.point,
            "baseline": task.baseline,
            "started": self._began.pop(task.trial_id, None) or self._first_seen(task.trial_id),
            "ended": now(),
            "wall_s": round(self._held.leave(task.trial_id), 3),
            "error": error.strip().splitlines()[-1][:500] if error and error.strip() else None,
            "checkpoint": checkpoint,
        }
        self.running.pop(task.trial_id, None)
        if status == schema.INTERRUPTED and error:
            self.without_room[task.trial_id] = error
        written = self.journal.append_end(line)
        if written:
            if self.tell is not None and status != schema.INTERRUPTED:
                self.tell(task, line)
            self._emit("ended", task, line)
        return written

    def pause(self, task: Task) -> None:
        """A trial has done its turn and left its process; its journal lines say so."""
        self._held.leave(task.trial_id)
        self.running.pop(task.trial_id, None)
        self._emit("paused", task, self.journal.last_epoch.get(task.trial_id, 0))

    def repeated(self, task: Task, status: str, error: str | None) -> None:
        """A trial that made lost reports again has left its process; its end, if it has one, stays as it was."""
        self._held.leave(task.trial_id)
        self.running.pop(task.trial_id, None)
        if error:
            self.not_repeated[task.trial_id] = f"{status}: {error.strip().splitlines()[-1]}"

    def interrupt(self) -> int:
        """Record every running trial as interrupted; returns how many."""
        running = list(self.running.values())
        for task in running:
            self.end(task, schema.INTERRUPTED)
        return len(running)

    def tick(self) -> None:
        """Called often, for displays."""
        self._emit("tick")

    def finish(self, hurry: bool) -> None:
        """Let searcher and listeners end; in a hurry (a signal) within seconds."""
        self.rest()
        self._emit("close", hurry)

    @property
    def epochs_done(self) -> int:
        """Epochs on record, all stages."""
        return len(self.journal.reports)

    @property
    def gpu_hours(self) -> float:
        """Hours that trials have held their share of a GPU up to now, set-up and evaluation included."""
        return self._held.total() * self.gpus_per_trial / 3600

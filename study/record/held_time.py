"""How long each trial has held its process, and so its share of a GPU, over all processes and sessions.

From the start of its set-up to its end: building, restoring, epochs, checkpoints, offline evaluation. Not counted: what
a process takes to start before its first trial, and what it idles between two. Each report carries the seconds so far
(`schema.HELD_S`) and each end the final ones (`wall_s`), so a later session reads them off the journal; a kill loses
those since the trial's last report.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from study import schema
from study.record.journal import Journal


class HeldTime:
    """Seconds by trial id; `clock` in seconds."""

    def __init__(self, journal: Journal, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._recorded: dict[str, float] = {}
        self._since: dict[str, float] = {}
        for line in journal.reports:
            self._recorded[line["trial_id"]] = float(line.get(schema.HELD_S, 0))
        for trial_id, end in journal.ends.items():
            self._recorded[trial_id] = max(float(end["wall_s"] or 0), self._recorded.get(trial_id, 0.0))

    def begin(self, trial_id: str) -> None:
        """The trial is on a process; nothing changes if it was."""
        self._since.setdefault(trial_id, self._clock())

    def reported(self, trial_id: str, process_s: float | None) -> float:
        """Seconds so far; process_s: since the process began to set the trial up, which is before `begin`."""
        if trial_id in self._since and process_s is not None:
            self._since[trial_id] = min(self._since[trial_id], self._clock() - float(process_s))
        return self.seconds(trial_id)

    def leave(self, trial_id: str) -> float:
        """The trial has left its process (ended, or it died); seconds so far."""
        self._recorded[trial_id] = self.seconds(trial_id)
        self._since.pop(trial_id, None)
        return self._recorded[trial_id]

    def seconds(self, trial_id: str) -> float:
        """Seconds so far, up to this moment if it runs."""
        running = self._clock() - self._since[trial_id] if trial_id in self._since else 0.0
        return self._recorded.get(trial_id, 0.0) + running

    def total(self) -> float:
        """Seconds of all trials."""
        now = self._clock()
        return sum(self._recorded.values()) + sum(now - since for since in self._since.values())

"""Keeps what a model makes of the search (`study.search.believing`) on disk while the study runs.

Written whenever the search has GROWTH times as many reports as when it was written last, at the end of the search
before any point is chosen to be confirmed, and when the session ends; a study that is killed has an earlier state.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from study import schema
from study.record.journal import Journal
from study.record.task import Task
from study.settings.config import StudyConfig

GROWTH = 1.3
FIRST = 6
"""Trials begun before it is written for the first time while the search goes on."""


class Believer:
    """A listener of the recorder. say: tells the user one line."""

    def __init__(self, study: StudyConfig, journal: Journal, say: Callable[[str], None] = print) -> None:
        self._study, self._journal, self._say = study, journal, say
        self._state: tuple[int, ...] = (0,)
        self._found: Any = None

    def write(self) -> Any:
        """What is believed now (`study.search.believing.Believed`), on disk. None, with a warning, after a fault of
        the program: a study does not end for that. A disk that does not take it costs a line."""
        from study.search import believing

        state = self._now()
        if state == self._state:
            return self._found
        self._state = state
        try:
            self._found = believing.look(self._study, self._journal)
            believing.write(self._study, self._journal.folder, self._found)
        except OSError as error:
            path = self._journal.folder / schema.BELIEF_FILE
            self._say(f"{path}: could not be written ({error.strerror or error}); the report goes without it")
        except Exception as error:
            self._found = None
            warnings.warn(f"what the search believes is not known: {type(error).__name__}: {error}", stacklevel=2)
        return self._found

    def _now(self) -> tuple[int, ...]:
        """Changes with whatever is looked at; first the search's reports."""
        reports = sum(line["stage"] == schema.SEARCH for line in self._journal.reports)
        ended = len(self._journal.ends_in_order(schema.SEARCH))
        return reports, ended, len(self._journal.draws), len(self._journal.turns)

    def _perhaps(self, task: Task) -> None:
        if (
            task.stage == schema.SEARCH
            and len(self._journal.draws) >= FIRST
            and self._now()[0] > GROWTH * self._state[0]
        ):
            self.write()

    def ended(self, task: Task, line: Mapping[str, Any]) -> None:
        self._perhaps(task)

    def paused(self, task: Task, epoch: int) -> None:
        self._perhaps(task)

    def close(self, hurry: bool) -> None:
        if self._journal.draws:
            self.write()

    def started(self, task: Task) -> None: ...
    def reported(self, task: Task, line: Mapping[str, Any]) -> None: ...
    def tick(self) -> None: ...

"""What Ray Tune runs next: a searcher that hands out tasks and keeps nothing that the journal does not hold."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from study.record.task import Task
from study.search.turns import Later


class Feed(Searcher):
    """The waiting tasks, in order, then what `draw` gives (a search's proposals) until it gives None.

    turn: held while a task is drawn, which writes into the study's folder. at_once: most tasks that are handed out at a
    time; None: Tune asks for the next one while the others run, so that no process waits.
    How trials end is none of its business: the recorder tells whoever wants to learn, after the journal has it.
    """

    def __init__(
        self,
        waiting: Sequence[Task],
        draw: Callable[[], Task | None] | None = None,
        turn: contextlib.AbstractContextManager[Any] | None = None,
        at_once: int | None = None,
    ) -> None:
        super().__init__()
        self.waiting = list(waiting)
        self._draw = draw
        self._turn = turn or contextlib.nullcontext()
        self.at_once = at_once
        self._out: set[str] = set()
        self.paused: Callable[[], bool] = lambda: False
        """Whether no other trial is to begin at the moment."""

    def _next(self) -> Task | None:
        with self._turn:
            if self.waiting:
                return self.waiting.pop(0)
            return self._draw() if self._draw is not None else None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to run; a task drawn to find out waits at the head."""
        task = self._next()
        if task is not None:
            self.waiting.insert(0, task)
        return task is None

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Config of the next trial, or FINISHED; None to be asked again later."""
        if self.paused() or (self.at_once is not None and len(self._out) >= self.at_once):
            return None
        try:
            task = self._next()
        except Later:
            return None
        if task is None:
            return Searcher.FINISHED
        self._out.add(trial_id)
        return task.config()

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing to learn but that it has left its process."""
        self._out.discard(trial_id)

    # Tune saves searchers with its snapshots, where nothing of ours is needed
    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).write_bytes(b"")

    def restore(self, checkpoint_path: str) -> None:
        """The journal holds everything."""

    def __getstate__(self) -> dict[str, Any]:
        return {}

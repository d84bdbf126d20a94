"""How far a run is, within its epochs too: a bar in a terminal, elsewhere a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

QUIET_S = 30.0
"""Where there is no terminal: seconds between two lines, at least."""


class RunProgress:
    """Context manager that shows a run of so many epochs and steps, of which some epochs are `finished`.

    In a terminal a bar. Elsewhere the first epoch's end and the last's get a line each, and what is between them one
    every `QUIET_S` seconds at most. On a GPU a step counts when it is handed to the device.
    """

    def __init__(
        self,
        console: Console,
        *,
        method: str,
        epochs: int,
        steps_per_epoch: int,
        finished: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console = console
        self.epochs = epochs
        self.steps = steps_per_epoch
        self._clock = clock
        self._said_at = clock()
        self._first = True
        self._short = False  # an epoch has ended since the last line, so the next line waits for an epoch's end too
        self._bar = Progress(
            BarColumn(),
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}, {task.fields[part]}, left"),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=console,
            disable=not console.is_terminal,
        )
        shown = {"epoch": min(finished + 1, epochs), "epochs": epochs, "part": f"step 0/{steps_per_epoch}"}
        steps = {"total": epochs * steps_per_epoch, "completed": finished * steps_per_epoch}
        self._task = self._bar.add_task(method, **steps, **shown)

    def __enter__(self) -> RunProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def step(self, epoch: int, step: int) -> None:
        """`step` steps of `epoch` (from 1) are done; after the last the epoch is evaluated."""
        part = f"step {step}/{self.steps}" if step < self.steps else "evaluating"
        self._bar.update(self._task, completed=(epoch - 1) * self.steps + step, epoch=epoch, part=part)
        if self._due() and not self._short:
            self._say(f"epoch {epoch}/{self.epochs}: {part}")

    def epoch_ended(self, epoch: int, summary: str) -> None:
        """An epoch has ended; `summary`: what came of it."""
        done = {"completed": epoch * self.steps, "epoch": epoch, "part": f"step {self.steps}/{self.steps}"}
        self._bar.update(self._task, description=summary, **done)
        self._short = not self._first
        if self._first or epoch == self.epochs or self._due():
            self._first = False
            self._say(f"epoch {epoch}/{self.epochs} {summary}")

    def _due(self) -> bool:
        return self._clock() - self._said_at >= QUIET_S

    def _say(self, text: str) -> None:
        if not self.console.is_terminal:
            self.console.print(text, soft_wrap=True)
            self._said_at, self._short = self._clock(), False

"""Budgets of a study: epochs in all, wall clock, GPU-hours; over all stages and sessions."""

from __future__ import annotations

import time
from collections.abc import Callable

from study.record.recorder import Recorder
from study.settings.config import BudgetConfig


class Budget:
    """`spent()` names the first budget that is used up, or gives None."""

    def __init__(
        self, limits: BudgetConfig, recorder: Recorder, hours_before: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limits = limits
        self.recorder = recorder
        self.hours_before = hours_before
        self._clock = clock
        self._start = clock()

    @property
    def hours(self) -> float:
        """Wall-clock hours of all sessions."""
        return self.hours_before + (self._clock() - self._start) / 3600

    def spent(self) -> str | None:
        """One line, with the way on."""
        limits = self.limits
        if limits.epochs is not None and self.recorder.epochs_done >= limits.epochs:
            return f"budget.epochs ({limits.epochs}) reached"
        if limits.wall_clock_h is not None and self.hours >= limits.wall_clock_h:
            return f"budget.wall_clock_h ({limits.wall_clock_h:g}) reached"
        if limits.gpu_hours is not None and self.recorder.gpu_hours >= limits.gpu_hours:
            return f"budget.gpu_hours ({limits.gpu_hours:g}) reached"
        return None

"""Budgets of a study: epochs in all, wall clock, GPU-hours; over all stages and sessions."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from study.record.recorder import Recorder
from study.settings.config import BudgetConfig


def budget_of(reason: str) -> str | None:
    """The budget that a reason to stop names, as `spent` and the reserve write it; None where it names none."""
    found = re.match(r"budget\.(\w+) \(", reason)
    return found.group(1) if found and found.group(1) in BudgetConfig.model_fields else None


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

    def used(self) -> dict[str, tuple[float, float]]:
        """Of each budget that is set: how much of it is used up, and the limit."""
        used: dict[str, Callable[[], float]] = {
            "epochs": lambda: self.recorder.epochs_done,
            "wall_clock_h": lambda: self.hours,
            "gpu_hours": lambda: self.recorder.gpu_hours,
        }
        return {name: (now(), limit) for name, now in used.items() if (limit := getattr(self.limits, name)) is not None}

    def spent(self) -> str | None:
        """One line, with the way on."""
        for name, (used, limit) in self.used().items():
            if used >= limit:
                return f"budget.{name} ({limit if name == 'epochs' else format(limit, 'g')}) reached"
        return None

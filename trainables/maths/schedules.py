"""Schedules as plain functions of the step; a step past the end is an error, never a value that rises again."""

from __future__ import annotations

import math


def _check(step: int, total: int) -> None:
    if total < 1 or not 0 <= step <= total:
        raise ValueError(f"step must be in 0..{total} (the schedule's length), got {step}: build the schedule longer")


def warmup_cosine(step: int, *, warmup_steps: int, total_steps: int, base: float) -> float:
    """Learning rate of `step`: linear from base / warmup_steps up to base, then a cosine that is 0 at total_steps.

    Steps are 0 .. total_steps - 1; `step == total_steps` (after the last one) gives exactly 0. With
    `warmup_steps >= total_steps` only the linear part is seen. Raises ValueError outside 0 .. total_steps.
    """
    _check(step, total_steps)
    if step == total_steps:
        return 0.0
    if step < warmup_steps:
        return base * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return base * 0.5 * (1 + math.cos(math.pi * progress))


def cosine_momentum(step: int, total: int, start: float) -> float:
    """Momentum of a moving average: `start` at step 0, rising by a cosine to exactly 1 at `total`.

    BYOL's target network (Grill et al. 2020, section 3.3). Raises ValueError outside 0 .. total.
    """
    _check(step, total)
    return 1 - (1 - start) * 0.5 * (1 + math.cos(math.pi * step / total))

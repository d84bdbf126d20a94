"""Fronts of accuracy against a cost: who dominates whom, and the front's hypervolume.

Accuracy (y) is maximised, the cost (x: bytes, seconds or GPU-hours) minimised. A point with a NaN in either is nowhere:
not on a front and dominating nobody. Equal points do not dominate each other, so all of them are on the front.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from analysis.text import bytes_in_words


class Axis(NamedTuple):
    """A cost a study can be drawn against."""

    column: str
    title: str
    unit: str
    log: bool


AXES = {
    axis.column: axis
    for axis in (
        Axis("support_bytes", "Support set", "bytes", True),
        Axis("peak_memory_bytes", "Peak memory", "bytes", True),
        Axis("epoch_s", "Time per epoch", "s", False),
        Axis("gpu_hours", "GPU-hours per run", "GPU-h", False),
    )
}


class Reference(NamedTuple):
    """The corner that bounds a hypervolume: a cost that is too high, an accuracy that is too low."""

    x: float
    y: float
    log: bool
    """Whether the cost counts as log10(1 + x)."""

    @property
    def words(self) -> str:
        """For captions."""
        scale = "log10(1 + bytes)" if self.log else "cost"
        cost = bytes_in_words(self.x) if self.log else f"{self.x:.3g}"
        return f"reference point: accuracy {self.y:g} %, cost {cost}; axes: accuracy in %, {scale}"


def reference_for(axis: Axis, x: Sequence[float]) -> Reference:
    """0 % accuracy, and: 1 GiB of support set; 1 TiB of peak memory; otherwise 1.1 times the largest cost given."""
    if axis.column == "support_bytes":
        return Reference(2.0**30, 0.0, True)
    if axis.column == "peak_memory_bytes":
        return Reference(2.0**40, 0.0, True)
    finite = [v for v in x if math.isfinite(v)]
    return Reference(1.1 * max(finite, default=1.0), 0.0, False)


def on_front(x_N: Sequence[float], y_N: Sequence[float]) -> np.ndarray:
    """Which points [N] (bool) nobody dominates. O(N log N)."""
    x_N, y_N = np.asarray(x_N, dtype=float), np.asarray(y_N, dtype=float)
    kept_N = np.zeros(len(x_N), dtype=bool)
    valid = np.flatnonzero(~(np.isnan(x_N) | np.isnan(y_N)))
    best = -math.inf
    last: tuple[float, float] | None = None
    for i in valid[np.lexsort((-y_N[valid], x_N[valid]))]:
        here = (x_N[i], y_N[i])
        if y_N[i] > best or here == last:
            kept_N[i] = True
            best, last = y_N[i], here
    return kept_N


def hypervolume(x_N: Sequence[float], y_N: Sequence[float], reference: Reference) -> float:
    """Area that the points dominate within the reference point; higher is better, 0 if no point is inside."""
    x_N, y_N = np.asarray(x_N, dtype=float), np.asarray(y_N, dtype=float)
    limit = reference.x
    if reference.log:
        x_N, limit = np.log10(1 + x_N), math.log10(1 + limit)
    front = on_front(x_N, y_N) & (x_N < limit) & (y_N > reference.y)
    points = sorted(set(zip(x_N[front].tolist(), y_N[front].tolist(), strict=True)))
    area, floor = 0.0, reference.y
    for x, y in points:
        area += (limit - x) * (y - floor)
        floor = y
    return area


def cost_in_words(value: float, axis: Axis) -> str:
    """A cost with its unit."""
    if axis.unit == "bytes":
        return bytes_in_words(value)
    return f"{value:.3g} {axis.unit}" if math.isfinite(value) else "?"

"""Numbers as people read them."""

from __future__ import annotations

import math
import re


def bytes_in_words(value: float) -> str:
    """`0`, `410 kB`, `101 MB`; SI units, three digits at most."""
    if not math.isfinite(value):
        return "?"
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= 0.9995 * factor:
            return f"{_three(value / factor)} {unit}"
    return f"{value:.0f} B" if value else "0"


def _three(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.3g}"


def byte_ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Ticks of a log axis in bytes: every decade, and 3 x between if there are few."""
    decades = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    values = [10.0**d for d in decades]
    if len(values) < 3:
        spread = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        values = [f * 10.0**d for d in spread for f in (1, 2, 5) if low <= f * 10.0**d <= high]
    return values, [bytes_in_words(v) for v in values]


def short_name(label: str) -> str:
    """A point's label without `prototype_` and `queue_` before a parameter, which say nothing within a method."""
    return re.sub(r"\b(prototype|queue)_(?=\w+=)", "", label)

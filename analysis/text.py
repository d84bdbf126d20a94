"""Numbers, names and ticks as people read them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from study.schema import Metric, wording


def short_name(label: str) -> str:
    """A point's label without `prototype_` and `queue_` before a parameter, which say nothing within a method."""
    return re.sub(r"\b(prototype|queue)_(?=\w+=)", "", label)


def heading(metric: Metric) -> str:
    """`Test acc@1, kNN (%)`: title and unit, for an axis or a column."""
    return f"{metric.title} ({metric.unit})" if metric.unit else metric.title


def in_sentence(title: str) -> str:
    """`support set`, `GPU-hours per run`: a title within a sentence."""
    return title if title[:2].isupper() else title[:1].lower() + title[1:]


def joined(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def number(value: float, digits: int = 2) -> str:
    """Fixed digits; an en dash for NaN."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def whole(value: float) -> str:
    """`98,304`; an en dash for NaN."""
    return f"{value:,.0f}" if math.isfinite(value) else "–"


def with_interval(mean: float, low: float, high: float, digits: int = 2) -> str:
    """`57.20 [56.90, 57.50]`, without brackets where there is no interval."""
    if not math.isfinite(low):
        return number(mean, digits)
    return f"{number(mean, digits)} [{number(low, digits)}, {number(high, digits)}]"


FEW = 3
"""Seeds below which a mean is marked wherever it is shown."""


def seeds_in_words(counts: Sequence[int]) -> str:
    """`n = 3 seeds`, `n = 2 to 3 seeds, some fewer than 3`, `n = 1 seed, fewer than 3`."""
    low, high = min(counts), max(counts)
    few = "" if low >= FEW else f", fewer than {FEW}" if high < FEW else f", some fewer than {FEW}"
    return f"n = {low} seed{'s' * (low != 1)}{few}" if low == high else f"n = {low} to {high} seeds{few}"


def n_in_words(n: int) -> str:
    """`n = 3`, `n = 2 only`: beside one value."""
    return f"n = {n}{' only' * (n < FEW)}"


def n_cell(n: int) -> str:
    """`3`, `2 †`: in a table, whose caption has `few_note`."""
    return f"{n}{' †' * (n < FEW)}"


def few_note(counts: Sequence[int]) -> str:
    """What the mark of `n_cell` means; empty if nothing is marked."""
    return f" † fewer than {FEW} seeds." if min(counts, default=FEW) < FEW else ""


def counts(pairs: Mapping[str, int]) -> str:
    """`kmclr n = 12, nnclr n = 6`."""
    return ", ".join(f"{name} n = {n}" for name, n in pairs.items())


# --- ticks ---


def byte_ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Ticks of a log axis in bytes: every decade, with 2 and 5 between where those are too few, and else even steps."""
    decades = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    values = [10.0**d for d in decades]
    if len(values) < 3:
        spread = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        values = [f * 10.0**d for d in spread for f in (1, 2, 5) if low <= f * 10.0**d <= high]
    if len(values) < 2:
        values = nice_ticks(low, high, most=4)
    return values, [wording.bytes_in_words(v) for v in values]


def log_ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Ticks at 1, 2 and 5 times powers of ten within the limits; 1 and 3 over two decades, 1 over more than three."""
    factors = (1, 2, 5) if high / low < 100 else (1, 3) if high / low < 1000 else (1,)
    values = [f * 10.0**d for d in range(-12, 13) for f in factors if low <= f * 10.0**d <= high]
    return values, [f"{v:,.0f}" if v >= 1 else f"{v:g}" for v in values]


def nice_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Multiples of 1, 2, 2.5 or 5 times a power of ten within the limits, at most `most` + 1 of them."""
    raw = max(high - low, 1e-12) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    return [round((first + i) * step, 10) for i in range(count)]

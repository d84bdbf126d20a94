"""Numbers as people read them, one way everywhere: bytes in powers of 1000, times in the unit that fits.

Standard library only.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any

from trainables.vocabulary.metrics_and_objectives import Metric

MAX_SHOWN = 200
"""Characters of a value that a message shows."""


def counted(count: int, what: str) -> str:
    """`1 trial`, `0 trials`, `3 trials`."""
    return f"{count} {what}{'s' * (count != 1)}"


def bytes_in_words(count: float) -> str:
    """`0 B`, `410 kB`, `101 MB`: powers of 1000, three digits at most; `?` for NaN and infinities."""
    if not math.isfinite(count):
        return "?"
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= 0.9995 * factor:
            return f"{_three_digits(count / factor)} {unit}"
    return f"{count:.0f} B"


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.3g}"


def seconds_in_words(seconds: float) -> str:
    """`45 s`, `12 min`, `3.2 h`, `2.4 weeks`, `2.3 years`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    if hours < 48:
        return f"{hours:.1f} h"
    if hours < 168:
        return f"{hours / 24:.1f} days"
    return f"{hours / 168:.1f} weeks" if hours < 8766 else f"{hours / 8766:.1f} years"


def number_in_words(value: float | None, metric: Metric) -> str:
    """A metric's value where its unit stands elsewhere: `57.60`, `1.61`; `-` if there is none.

    Bytes carry their unit, which changes with their size: `410 kB`.
    """
    if value is None or not math.isfinite(value):
        return "-"
    if metric.unit == "B":
        return bytes_in_words(value)
    if metric.unit == "%":
        return f"{value:.2f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def value_in_words(value: float | None, metric: Metric) -> str:
    """A metric's value with its unit: `57.60 %`, `410 kB`, `1.61 s`; `-` if there is none."""
    text = number_in_words(value, metric)
    return text if text == "-" or metric.unit in ("", "B") else f"{text} {metric.unit}"


def shorten(text: str, most: int = MAX_SHOWN) -> str:
    """A text as a message shows it: its beginning, and how long it is, if it has more than `most` characters."""
    return text if len(text) <= most else f"{text[: most - 30]}... ({len(text):,} characters)"


def close_to(got: Any, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` if a known name is close to what was got, whatever its case and its hyphens; else ``.

    `gpu` means cuda where that is known.
    """
    plain = {name.casefold().replace("-", "_"): name for name in reversed(list(known))}
    meant = str(got)[:MAX_SHOWN].casefold().replace("-", "_")
    meant = "cuda" if meant == "gpu" and "cuda" in plain else meant
    close = difflib.get_close_matches(meant, plain, 1, 0.6)
    return f"; did you mean '{plain[close[0]]}'?" if close else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'? Known: ...` (the first part only if something is close)."""
    known = sorted(known)
    return (close_to(name, known) or ".") + f" Known: {', '.join(known)}"


def one_of(got: Any, known: Iterable[str]) -> str:
    """`expected one of a, b, got 'x'`, and what is close."""
    return f"expected one of {', '.join(known)}, got {shorten(repr(got))}{close_to(got, known)}"


def printable(value: Any) -> Any:
    """Text with what no UTF-8 file can hold escaped: bytes of file names that are not UTF-8 (`\\xff`), halves of pairs.

    In lists and objects every text is; anything else stays as it is.
    """
    if isinstance(value, dict):
        return {printable(key): printable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [printable(inner) for inner in value]
    if not isinstance(value, str) or value.isascii():
        return value
    try:
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return value.encode("utf-8", "backslashreplace").decode("utf-8")

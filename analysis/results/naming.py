"""Words that the sentences of an answer share: a point by its support set and costs, shares, choices and seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from analysis.results.front import AXES, costs_in_words
from analysis.results.intervals import Interval, Values
from analysis.text import in_sentence, seeds_in_words, whole, with_interval
from study import schema

ON_PAR = 0.99
"""Share of the reference's accuracy that counts as `on par`."""


def name_of(row: pd.Series, costs: Sequence[str]) -> str:
    """`400 prototypes (410 kB)`, `the 98,304-queue (time per epoch 19 s)`, `no support set`; of any other method the
    point's label and costs."""
    vectors, cost = whole(row["vectors"]), costs_of(row, costs)
    if row["method"] == "kmclr" and math.isfinite(row["vectors"]):
        return f"{vectors} prototypes ({cost})"
    if row["method"] == "nnclr" and math.isfinite(row["vectors"]):
        return f"the {vectors}-queue ({cost})"
    if row["method"] == "none" and math.isfinite(row["vectors"]):
        return "no support set"
    return f"{row['label']} ({cost})" if cost else str(row["label"])


def costs_of(row: pd.Series, costs: Sequence[str]) -> str:
    """`410 kB`, `410 kB, time per epoch 19 s`: bytes of a support set stand alone, as its size."""
    parts = []
    for name in costs:
        title = "" if name == schema.SUPPORT_BYTES else f"{in_sentence(AXES[name].title)} "
        parts.append(title + costs_in_words(row, [name]))
    return ", ".join(parts)


def percent(mean: float, low: float, high: float, digits: int, factor: float = 1.0) -> str:
    """`98.9 % [97.9, 99.8]`, or `98.9 %` without an interval."""
    text = with_interval(factor * mean, factor * low, factor * high, digits)
    return text.replace(" [", " % [") if "[" in text else f"{text} %"


def chosen(group: pd.DataFrame) -> str:
    """Says that a best point was picked among several, which flatters it."""
    return f", the best of {len(group)} points," if len(group) > 1 else ""


def seeds(found: Interval, choices: int) -> str:
    """`n = 3 seeds, paired, interval corrected for a choice among 6 (Bonferroni)`."""
    words = f"{seeds_in_words([found.n])}, paired"
    if not math.isfinite(found.low):
        return f"{words}, no interval"
    return words + (f", interval corrected for a choice among {choices} (Bonferroni)" if choices > 1 else "")


def values_of(group: pd.DataFrame) -> dict[str, Values]:
    return dict(zip(group["point"], group["values"], strict=True))

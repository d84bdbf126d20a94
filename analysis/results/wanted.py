"""The region of the objectives that a study wants, which of its points lie in it, and how surely."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from analysis.results.front import OBJECTIVES, Front, costs_in_words
from analysis.results.intervals import CONFIDENCE, PERCENT, intervals
from analysis.results.load import Results
from analysis.results.naming import percent, values_of
from analysis.text import in_sentence, joined, n_in_words, seeds_in_words
from study import schema
from study.schema import ACCURACY, wording


def limits_of(results: Results) -> dict[str, float]:
    """Objective -> the worst value that is wanted, of those that the fronts are over; empty without a region."""
    wanted, found = results.study.get("wanted"), dict[str, float]()
    for name, bounds in wanted.items() if isinstance(wanted, Mapping) else ():
        sense = results.objectives.get(name)
        bound = bounds.get("min" if sense == "max" else "max") if isinstance(bounds, Mapping) else None
        if sense is not None and isinstance(bound, int | float):
            found[name] = float(bound)
    return found


def in_words(limits: Mapping[str, float], objectives: Mapping[str, str]) -> str:
    """`support set at most 1 MB and accuracy at least 55 %`."""
    sides = {"max": "at least", "min": "at most"}
    return joined(
        [
            f"{in_sentence(OBJECTIVES[name].title)} {sides[objectives[name]]} "
            f"{wording.value_in_words(limit, OBJECTIVES[name]).replace('.00 %', ' %')}"
            for name, limit in limits.items()
        ]
    )


def region_of(results: Results) -> str:
    """`the wanted region (support set at most 1 MB and accuracy at least 55 %)`."""
    return f"the wanted region ({in_words(limits_of(results), results.objectives)})"


def affordable(points: pd.DataFrame, limits: Mapping[str, float], objectives: Mapping[str, str]) -> pd.DataFrame:
    """The points within the limits of all objectives but the accuracy."""
    kept = points
    for name, limit in limits.items():
        if name != ACCURACY:
            kept = kept[kept[name] <= limit if objectives[name] == "min" else kept[name] >= limit]
    return kept


def sentences(results: Results, front: Front | None, where: str = "") -> list[str]:
    """Whether the wanted region is reached, and by what; empty without a region, or without a point.

    Of confirmed points: yes if the interval of one's mean, corrected for their number, lies in the region; no if all
    lie outside of it; else it cannot be told. Costs count by their means.
    """
    limits = limits_of(results)
    if not limits or front is None:
        return []
    region = region_of(results)
    near = affordable(front.points, limits, results.objectives)
    least = limits.get(ACCURACY, -math.inf)
    inside = near[near["y"] >= least].sort_values("y", ascending=False)
    of = len(front.points)
    if front.score.stage == schema.SEARCH:
        best = f"; the best is {_told(inside.iloc[0], results)}" if len(inside) else ""
        runs = f"{len(inside)} of {of} finished trials, each a single run ({n_in_words(1)})"
        return [f"In {region} lie{where} {runs}{best}."]
    if near.empty:
        return [f"No{_comma(where)}: none of the {of} confirmed points is in {region}; all cost more."]
    named = [_told(row, results) for _, row in inside.iterrows()]
    seeds = seeds_in_words(near["n"])
    if not math.isfinite(least):
        return [f"Yes{_comma(where)}: {len(inside)} of {of} confirmed points are in {region}: {'; '.join(named)}."]
    confidence = 1 - (1 - CONFIDENCE) / len(near)
    found = intervals(values_of(near), PERCENT, confidence=confidence)
    sure = [point for point in near["point"] if found[point].low >= least]
    if sure:
        first = [_told(row, results) for _, row in inside.iterrows() if row["point"] in sure]
        also = len(inside) - len(first)
        more = f"; {also} more in the mean" if also else ""
        return [f"Yes{_comma(where)}: {region} is reached by {'; '.join(first)}{more}, with {seeds}."]
    best = near.loc[near["y"].idxmax()]
    if all(found[point].high < least for point in near["point"]):
        return [f"No{_comma(where)}: {region} is not reached, with {seeds}; nearest is {_told(best, results)}."]
    return [
        f"It cannot be told{where} whether {region} is reached with {seeds}; "
        f"{'best' if len(inside) else 'nearest'} in the mean is {_told(best, results)}."
    ]


def _comma(where: str) -> str:
    return where and f",{where}"


def _told(row: pd.Series, results: Results) -> str:
    """`kmclr k=400 (57.20 % [56.90, 57.50], 410 kB)`."""
    low, high = (float(row.get(name, math.nan)) for name in ("low", "high"))
    return f"{row['label']} ({percent(row['y'], low, high, 2)}, {costs_in_words(row, results.costs)})"

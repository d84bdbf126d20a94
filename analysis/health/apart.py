"""Points that the confirm seeds cannot tell apart, and how many seeds would: a power analysis of paired differences."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from analysis.health.finding import ACT, FINE, UNKNOWN, WATCH, WORTH, Finding, many, seed_list
from analysis.health.question import question
from analysis.results.front import Front, front_of
from analysis.results.intervals import CONFIDENCE, Interval, compared, pooled_of
from analysis.results.load import Results
from analysis.results.power import MOST, POWER, seeds_needed
from analysis.text import with_interval
from study import schema

TOLD = 6
"""Pairs that are told one by one."""
AT_LEAST = 3
"""Seeds that are proposed where the scatter is not known."""


NEIGHBOURS, OFF = "neighbours on the front", "on the front and off it"


class Pair(NamedTuple):
    """Two confirmed points."""

    first: str
    second: str
    difference: Interval
    """Of the first minus the second, percentage points, paired at equal seeds, corrected for the number of pairs."""
    matters: str
    """Why the front rests on it: NEIGHBOURS (whether the dearer one is better at all) or OFF (whether the other one is
    rightly left out); empty: it does not."""
    needed: int | None
    """Seeds that tell with probability POWER, if the true difference is the one seen; None: more than MOST."""

    @property
    def told(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.difference.low > 0 or self.difference.high < 0


def pairs(front: Front) -> list[Pair]:
    """All pairs of confirmed points that share a seed; first those that the front rests on, then by seeds needed."""
    table = front.points
    labels = dict(zip(table["point"], table["label"], strict=True))
    values = dict(zip(table["point"], table["values"], strict=True))
    matters = _matters(front)
    both = list(itertools.combinations(table["point"], 2))
    differences = {pair: {s: values[pair[0]][s] - values[pair[1]][s] for s in _shared(values, pair)} for pair in both}
    deviation = float(pooled_of(list(differences.values())).deviation)
    confidence = 1 - (1 - CONFIDENCE) / max(len(both), 1)
    zero = {seed: 0.0 for sample in values.values() for seed in sample}
    found = []
    for pair, one in compared(differences, zero, choices=len(both)).items():
        if one.n:
            needed = seeds_needed(one.mean, deviation, confidence)
            names = labels[pair[0]], labels[pair[1]]
            found.append(Pair(*names, one, matters.get(frozenset(pair), ""), needed))
    return sorted(found, key=lambda pair: (_RANK.index(pair.matters), pair.needed or math.inf))


def _shared(values: dict[Any, Any], pair: Sequence[Any]) -> list[int]:
    return sorted(set(values[pair[0]]) & set(values[pair[1]]))


_RANK = (NEIGHBOURS, OFF, "")


def _matters(front: Front) -> dict[frozenset[str], str]:
    """What the front rests on: its neighbours, and of each point off it the cheapest way to be beaten, the point of the
    front that is as good in all costs and least better in accuracy."""
    on = front.points[front.points["on_front"]].sort_values("y")
    found = {frozenset(pair): NEIGHBOURS for pair in itertools.pairwise(on["point"])}
    for _, row in front.points[~front.points["on_front"]].iterrows():
        better = on[on["y"] >= row["y"]]
        for name, sense in front.objectives.items():
            if name != schema.ACCURACY:
                better = better[better[name] <= row[name] if sense == "min" else better[name] >= row[name]]
        if len(better):
            found[frozenset((better.iloc[0]["point"], row["point"]))] = OFF
    return found


def apart(results: Results) -> Finding:
    """Which of the confirmed points differ, as far as the seeds say."""
    title = "Points told apart"
    front = front_of(results)
    if front is None or front.score.stage != schema.CONFIRM:
        why = "Nothing was confirmed, so every point is one run and none is told apart."
        return Finding("apart", title, UNKNOWN, (why,))
    found = pairs(front)
    if not found:
        return Finding("apart", title, UNKNOWN, ("One point was confirmed, or no two share a seed.",))
    seeds = max(pair.difference.n for pair in found)
    if all(math.isnan(pair.difference.low) for pair in found):
        more = seed_list(results, AT_LEAST) if seeds < AT_LEAST else {}
        why = (
            f"How much seeds scatter is not known with n = {seeds} seed{'s' * (seeds != 1)}; {AT_LEAST} would show it."
        )
        return Finding("apart", title, ACT if more else UNKNOWN, (why,), more)
    open_pairs = [pair for pair in found if not pair.told]
    if not open_pairs:
        all_told = f"All {len(found)} pairs of confirmed points are told apart with n = {seeds} seeds."
        return Finding("apart", title, FINE, (all_told,))
    head = (
        f"{len(open_pairs)} of {many(len(found), 'pair')} of confirmed points cannot be told apart with n = {seeds} "
        f"seed{'s' * (seeds != 1)} (paired 95 % intervals, corrected for {many(len(found), 'pair')})."
    )
    rest = len(open_pairs) - TOLD
    said = [head, *map(_said, open_pairs[:TOLD]), *([f"And {rest} more pairs."] if rest > 0 else [])]
    worth = [pair.needed for pair in open_pairs if pair.matters and pair.needed and pair.needed <= WORTH]
    if question(results).sets:
        said.append("How many seeds to add is said by the study's question.")
        return Finding("apart", title, WATCH, tuple(said))
    sets = seed_list(results, max(worth)) if worth and max(worth) > seeds else {}
    if sets:
        said.append(
            f"{max(worth)} seeds would tell those that the front rests on as far as up to {WORTH} can, with "
            f"{many((max(worth) - seeds) * len(front.points))} more: --set confirm.seeds={sets['confirm.seeds']}."
        )
    elif not any(pair.matters for pair in open_pairs):
        said.append("What the front rests on is told apart.")
    return Finding("apart", title, ACT if sets else WATCH, tuple(said), sets)


def _said(pair: Pair) -> str:
    gap = with_interval(pair.difference.mean, pair.difference.low, pair.difference.high).replace("-", "−")
    if pair.needed is None:
        need = f"more than {MOST:,} seeds would be needed: as good as equal"
    elif pair.needed <= pair.difference.n:
        need = f"more than {pair.difference.n} seeds are needed"
    else:
        need = f"about {pair.needed} seeds would tell with a probability of {100 * POWER:.0f} %"
    where = f" ({pair.matters})" if pair.matters else ""
    return f"{pair.first} and {pair.second}{where}: {gap} percentage points; {need}."

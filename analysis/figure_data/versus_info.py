"""Two studies against each other: both fronts, and the paired difference where their confirm seeds are shared.

At every size each study is represented by its best point that costs no more, by the means; the two are compared seed
by seed. Points that both studies have are compared as well, whether or not they are on a front.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from analysis.figure_data.pareto_info import ParetoInfo, pareto_info
from analysis.results.front import Front, against, front_of
from analysis.results.intervals import CONFIDENCE, Values, intervals
from analysis.results.load import PARAM_PREFIX, Results
from study import schema
from study.schema import SUPPORT_BYTES, UserError

STEP_COLUMNS = ["x", "x_drawn", "until_drawn", "label_a", "label_b", "accuracy_a", "accuracy_b"]
SAME_COLUMNS = ["x", "x_drawn", "method", "label"]
DIFFERENCE = ["difference", "low", "high", "n"]


class VersusInfo(NamedTuple):
    """What a comparison of two studies shows.

    steps: by rising cost, from which cost on (x) which points stand against each other (label_a, label_b, their mean
    accuracies) and the difference b minus a in percentage points with its interval over n shared seeds; x_drawn to
    until_drawn is where that holds in the drawing. same: the same for each point of both.
    """

    fronts: ParetoInfo
    found: tuple[Front, Front]
    """What each study's points are."""
    names: tuple[str, str]
    cost: str
    steps: pd.DataFrame
    same: pd.DataFrame
    comparisons: int
    """How many intervals hold at once (Bonferroni)."""
    why_not: str
    """Why there is no paired difference; empty if there is."""


def versus_info(a: Results, b: Results, x: str | None = None) -> VersusInfo:
    """x: the cost; None: the bytes of support sets if both studies count them, else the first cost that both have.

    Raises UserError if they share no cost, or if one has no finished trial.
    """
    cost = x or _shared_cost(a, b)
    a, b = against(a, cost), against(b, cost)
    found = _front(a), _front(b)
    drawn = [f.points.assign(study=r.name) for r, f in zip((a, b), found, strict=True)]
    titles = list(dict.fromkeys(f.score.title for f in found))
    title = titles[0] if len(titles) == 1 else "Accuracy (%)"
    fronts = pareto_info(pd.concat(drawn, ignore_index=True), cost, sense=a.objectives[cost], y_title=title)
    why_not = _why_not(a, b, found)
    steps, same = pd.DataFrame(columns=STEP_COLUMNS + DIFFERENCE), pd.DataFrame(columns=SAME_COLUMNS + DIFFERENCE)
    comparisons = 0
    if not why_not:
        steps, same, comparisons = _compared(found[0].points, found[1].points, cost, fronts)
        if steps["n"].eq(0).all() and same["n"].eq(0).all():
            why_not = "no two points that stand against each other share a seed"
    return VersusInfo(fronts, found, (a.name, b.name), cost, steps, same, comparisons, why_not)


def _shared_cost(a: Results, b: Results) -> str:
    shared = [cost for cost in a.costs if cost in b.costs]
    if not shared:
        raise UserError(
            f"{a.name} is over {', '.join(a.costs)}, {b.name} over {', '.join(b.costs)}: name a cost of both with --x"
        )
    return SUPPORT_BYTES if SUPPORT_BYTES in shared else shared[0]


def _front(results: Results) -> Front:
    found = front_of(results)
    if found is None:
        raise UserError(f"{results.folder}: no trial has finished, so there is nothing to compare yet")
    return found


def _why_not(a: Results, b: Results, found: Sequence[Front]) -> str:
    """Why a difference would say nothing of the two studies' points; empty if it does."""
    for results, one in zip((a, b), found, strict=True):
        if one.score.stage != schema.CONFIRM:
            return f"{results.name} has confirmed nothing yet"
    if found[0].score.column != found[1].score.column:
        return f"{a.name} is scored by {found[0].score.title}, {b.name} by {found[1].score.title}"
    prints = [one.manifest["data"]["fingerprint"] for one in (a, b)]
    if prints[0] != prints[1]:
        return f"their data differ (fingerprints {prints[0][:12]} and {prints[1][:12]})"
    seeds = [{seed for values in one.points["values"] for seed in values} for one in found]
    if not seeds[0] & seeds[1]:
        told = " and ".join(", ".join(map(str, sorted(one))) for one in seeds)
        return f"they share no confirm seed ({told})"
    return ""


# --- the pairs ---


def _compared(
    a: pd.DataFrame, b: pd.DataFrame, cost: str, fronts: ParetoInfo
) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Steps, points of both, and how many comparisons there are; all intervals from one pooled rule."""
    pairs = _pairs_by_size(a, b, cost, fronts.sense)
    both = [(one, two) for _, one in a.iterrows() for _, two in b.iterrows() if _point(one) == _point(two)]
    shared: dict[tuple[str, str], Values] = {
        (one["point"], two["point"]): {s: two["values"][s] - v for s, v in one["values"].items() if s in two["values"]}
        for one, two in [*(pair[1:] for pair in pairs), *both]
    }
    found = intervals(shared, confidence=1 - (1 - CONFIDENCE) / max(len(shared), 1))
    until = [fronts.x_range[1] if fronts.sense == "min" else fronts.x_range[0]]
    starts = [_drawn(x, fronts) for x, _, _ in pairs]
    steps = [
        (x, start, end, one["label"], two["label"], one["y"], two["y"], *_told(found[one["point"], two["point"]]))
        for (x, one, two), start, end in zip(pairs, starts, [*starts[1:], *until][: len(pairs)], strict=True)
    ]
    same = [
        (one[cost], _drawn(one[cost], fronts), one["method"], one["label"], *_told(found[one["point"], two["point"]]))
        for one, two in both
    ]
    return (
        pd.DataFrame(steps, columns=STEP_COLUMNS + DIFFERENCE),
        pd.DataFrame(same, columns=SAME_COLUMNS + DIFFERENCE),
        len(shared),
    )


def _told(found: Any) -> tuple[float, float, float, int]:
    return found.mean, found.low, found.high, found.n


def _pairs_by_size(a: pd.DataFrame, b: pd.DataFrame, cost: str, sense: str) -> list[tuple[float, pd.Series, pd.Series]]:
    """From which cost on (best cost first) which points stand against each other, where both studies have one."""
    pairs: list[tuple[float, pd.Series, pd.Series]] = []
    for x in sorted({*a[cost], *b[cost]}, reverse=sense == "max"):
        one, two = (_best_within(points, cost, x, sense) for points in (a, b))
        if one is None or two is None:
            continue
        if not pairs or (pairs[-1][1]["point"], pairs[-1][2]["point"]) != (one["point"], two["point"]):
            pairs.append((float(x), one, two))
    return pairs


def _best_within(points: pd.DataFrame, cost: str, x: float, sense: str) -> pd.Series | None:
    within = points[points[cost] <= x] if sense == "min" else points[points[cost] >= x]
    return within.loc[within["y"].idxmax()] if len(within) else None


def _point(row: pd.Series) -> tuple[object, ...]:
    """What makes a point the same in another study: its method and parameters."""
    names = [name for name in sorted(map(str, row.index)) if name.startswith(PARAM_PREFIX) and name != "p_front"]
    params = [(name, row[name]) for name in names]
    return row["method"], *((name, value) for name, value in params if not pd.isna(value))


def _drawn(x: float, fronts: ParetoInfo) -> float:
    return float(x) if x > 0 or fronts.zero_at is None else fronts.zero_at

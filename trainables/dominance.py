"""Who dominates whom: the front of points with several objectives, its ranks and its hypervolume.

Shape legend: N points, M objectives. `costs_NM` is minimised in every column; `to_costs` turns values of a study's
objectives (name -> "max" | "min") into costs. One rule everywhere: a point dominates another if it is nowhere worse
and somewhere better, so equal points do not dominate each other and are on the front together. A point with a NaN is
nowhere: not on the front, and dominating nobody. Plain numpy, no random numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from trainables.vocabulary.metrics_and_objectives import OBJECTIVES, Metric
from trainables.vocabulary.stages_and_statuses import COMPLETED, SEARCH

Objectives = Mapping[str, str]


def to_costs(values: Mapping[str, Any], objectives: Objectives) -> np.ndarray:
    """Costs [M] of one point in the order of `objectives`.

    Raises KeyError if an objective is missing; NaN and infinities are passed through (see `finite`).
    """
    return np.array([float(values[name]) * (-1.0 if sense == "max" else 1.0) for name, sense in objectives.items()])


def finite(values: Mapping[str, Any], objectives: Iterable[str]) -> bool:
    """True if every objective is there and a finite number."""
    found = [values.get(name) for name in objectives]
    return all(isinstance(v, (int, float, np.number)) and bool(np.isfinite(v)) for v in found)


def within(values: Mapping[str, Any], limits: Mapping[str, float], objectives: Objectives) -> bool:
    """Whether no value is worse than its limit (objective -> worst value); one that is missing or NaN is."""
    return all(
        bool(values.get(name, np.nan) >= limit if objectives[name] == "max" else values.get(name, np.nan) <= limit)
        for name, limit in limits.items()
    )


def ranks(costs_NM: np.ndarray) -> np.ndarray:
    """Index [N] of the front each point is on: 0 = dominated by nobody, 1 = only by points of front 0, ...

    N = 0 gives an empty array. Raises ValueError on NaN, which has no place in an order. Deb et al. 2002 (NSGA-II).
    """
    costs_NM = np.asarray(costs_NM, dtype=float)
    if np.isnan(costs_NM).any():
        raise ValueError("ranks: costs must not be NaN; leave such points out")
    dominates = _dominates(costs_NM)
    dominators = dominates.sum(0)
    rank_N = np.full(len(costs_NM), -1)
    level = 0
    while (rank_N < 0).any():
        front = (rank_N < 0) & (dominators == 0)
        rank_N[front] = level
        dominators = dominators - dominates[front].sum(0)
        level += 1
    return rank_N


def _dominates(costs_NM: np.ndarray) -> np.ndarray:
    """[N, N]: whether the point of the row dominates that of the column."""
    no_worse = (costs_NM[:, None, :] <= costs_NM[None, :, :]).all(2)
    return no_worse & (costs_NM[:, None, :] < costs_NM[None, :, :]).any(2)


def on_front(costs_NM: np.ndarray) -> np.ndarray:
    """Which points [N] (bool) nobody dominates. O(N log N) for two objectives, else O(N^2)."""
    costs_NM = np.asarray(costs_NM, dtype=float)
    kept_N = np.zeros(len(costs_NM), dtype=bool)
    valid = np.flatnonzero(~np.isnan(costs_NM).any(1)) if len(costs_NM) else np.zeros(0, dtype=int)
    if costs_NM.ndim == 2 and costs_NM.shape[1] == 2:
        best, last = np.inf, None
        for i in valid[np.lexsort((costs_NM[valid, 1], costs_NM[valid, 0]))]:
            here = (costs_NM[i, 0], costs_NM[i, 1])
            if here[1] < best or here == last:
                kept_N[i] = True
                best, last = here[1], here
    elif len(valid):
        kept_N[valid] = ~_dominates(costs_NM[valid]).any(0)
    return kept_N


def completed(ends: Iterable[Mapping[str, Any]], objectives: Objectives) -> list[Mapping[str, Any]]:
    """Search trials (lines of trials.jsonl) that ran their full budget and have a finite value of every objective."""
    return [e for e in ends if e["stage"] == SEARCH and e["status"] == COMPLETED and finite(e["metrics"], objectives)]


def front(ends: Iterable[Mapping[str, Any]], objectives: Objectives) -> list[Mapping[str, Any]]:
    """The front of the search: ends (lines of trials.jsonl) of completed search trials that no other dominates.

    By rising first cost (best accuracy first); equal points stand side by side, the earlier one first. Early-stopped
    trials are not on it: their values are of another budget.
    """
    done = completed(ends, objectives)
    costs = np.array([to_costs(e["metrics"], objectives) for e in done]).reshape(len(done), len(objectives))
    kept = np.flatnonzero(on_front(costs))
    return [done[i] for i in sorted(kept, key=lambda i: (tuple(costs[i]), i))]


def hypervolume(costs_NM: np.ndarray, reference_M: Sequence[float] | np.ndarray) -> float:
    """Volume that the points dominate within the reference point; higher is better, 0 if no point is inside.

    By slicing along the last objective: O(N^(M-1) log N), for fronts of some dozens of points and few objectives.
    """
    reference = np.asarray(reference_M, dtype=float)
    costs_NM = np.asarray(costs_NM, dtype=float).reshape(-1, len(reference))
    inside = costs_NM[(costs_NM < reference).all(1)]
    if not len(inside):
        return 0.0
    if len(reference) == 1:
        return float(reference[0] - inside.min())
    if len(reference) == 2:
        area, ceiling = 0.0, float(reference[1])
        for x, y in sorted(map(tuple, inside.tolist())):
            if y < ceiling:
                area += (reference[0] - x) * (ceiling - y)
                ceiling = y
        return float(area)
    order = inside[np.argsort(inside[:, -1], kind="stable")]
    edges = [*order[:, -1], reference[-1]]
    volume = 0.0
    for i, (low, high) in enumerate(itertools.pairwise(edges)):
        if high > low:
            volume += (high - low) * hypervolume(order[: i + 1, :-1], reference[:-1])
    return float(volume)


def scaled_costs(
    values: Mapping[str, Any], objectives: Objectives, metrics: Mapping[str, Metric] = OBJECTIVES
) -> np.ndarray:
    """Costs [M] as differences count (`vocabulary.Metric.scaled`): bytes in decades."""
    signs = [-1.0 if sense == "max" else 1.0 for sense in objectives.values()]
    return np.array([s * metrics[n].scaled(float(values[n])) for n, s in zip(objectives, signs, strict=True)])


def reference(
    points: Sequence[Mapping[str, Any]], objectives: Objectives, metrics: Mapping[str, Metric] = OBJECTIVES
) -> np.ndarray:
    """The corner [M], as scaled costs, that bounds the hypervolume: each objective's `worst`, or 1.1 times the worst
    value among the points (NaN apart)."""
    corner = []
    for name, sense in objectives.items():
        worst = metrics[name].worst
        if worst is None:
            values = [value for p in points if np.isfinite(value := float(p[name]))] or [1.0]
            worst = 1.1 * max(values) if sense == "min" else 0.0
        corner.append(metrics[name].scaled(worst) * (-1.0 if sense == "max" else 1.0))
    return np.array(corner)


def front_volume(ends: Iterable[Mapping[str, Any]], objectives: Objectives) -> float:
    """Hypervolume of the search's front, in scaled costs, within `reference` of the completed search trials."""
    done = [e["metrics"] for e in completed(ends, objectives)]
    costs = np.array([scaled_costs(values, objectives) for values in done]).reshape(len(done), len(objectives))
    return hypervolume(costs[on_front(costs)], reference(done, objectives))

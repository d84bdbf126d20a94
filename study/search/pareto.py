"""Dominance between points with several objectives: ranks, ties, the front and its hypervolume.

Shape legend: N points, M objectives. Everywhere here `costs_NM` is minimised in every column; `to_costs` turns
a study's objectives (`max` or `min`) into costs. Plain numpy, no Ray, no random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

MEMORY_REFERENCE_BYTES = 2.0**30
"""Reference point of `hypervolume_accuracy_bytes`: 1 GiB of support set, 0 % accuracy."""


def to_costs(values: Mapping[str, float], objectives: Mapping[str, str]) -> np.ndarray:
    """Costs [M] of one point in the order of `objectives` (name -> "max" | "min").

    Raises KeyError if an objective is missing; NaN and infinities are passed through (see `finite`).
    """
    return np.array([float(values[name]) * (-1.0 if mode == "max" else 1.0) for name, mode in objectives.items()])


def finite(values: Mapping[str, object], objectives: Mapping[str, str]) -> bool:
    """True if every objective is there and a finite number."""
    found = [values.get(name) for name in objectives]
    return all(isinstance(v, (int, float, np.number)) and bool(np.isfinite(v)) for v in found)


def dominates(a_M: np.ndarray, b_M: np.ndarray) -> bool:
    """True if `a` is nowhere worse and somewhere better than `b`; equal points do not dominate each other."""
    return bool((a_M <= b_M).all() and (a_M < b_M).any())


def non_dominated_rank(costs_NM: np.ndarray) -> np.ndarray:
    """Index [N] of the front each point is on: 0 = dominated by nobody, 1 = only by points of front 0, ...

    Equal points share a front. N = 0 gives an empty array. Deb et al. 2002 (NSGA-II), by peeling.
    Raises ValueError on NaN, which has no place in an order.
    """
    costs_NM = np.asarray(costs_NM, dtype=float)
    if np.isnan(costs_NM).any():
        raise ValueError("non_dominated_rank: costs must not be NaN; leave such points out")
    n = len(costs_NM)
    better = (costs_NM[:, None, :] <= costs_NM[None, :, :]).all(2) & (costs_NM[:, None, :] < costs_NM[None, :, :]).any(
        2
    )
    dominators = better.sum(0)
    rank_N = np.full(n, -1)
    level = 0
    while (rank_N < 0).any():
        front = (rank_N < 0) & (dominators == 0)
        rank_N[front] = level
        dominators = dominators - better[front].sum(0)
        level += 1
    return rank_N


def scale_free(costs_NM: np.ndarray) -> np.ndarray:
    """Replace every column by its ranks in 0..1 (ties share the mean rank; a constant column becomes 0).

    Distances between accuracies (0-100) and bytes (0-1e8, usually log-spaced) mean nothing; between ranks they do.
    """
    costs_NM = np.asarray(costs_NM, dtype=float)
    n = len(costs_NM)
    if n < 2:
        return np.zeros_like(costs_NM)
    below = (costs_NM[:, None, :] > costs_NM[None, :, :]).sum(1)
    equal = (costs_NM[:, None, :] == costs_NM[None, :, :]).sum(1) - 1
    ranks = below + equal / 2
    spread = ranks.max(0) - ranks.min(0)
    return np.where(spread > 0, (ranks - ranks.min(0)) / np.where(spread > 0, spread, 1), 0.0)


def crowding_distance(costs_NM: np.ndarray) -> np.ndarray:
    """Crowding distance [N] of points of one front (larger = lonelier; the ends of each objective are infinite).

    Deb et al. 2002, section III-B. A constant objective contributes nothing.
    """
    costs_NM = np.asarray(costs_NM, dtype=float)
    n, m = costs_NM.shape
    distance_N = np.zeros(n)
    for column in range(m):
        order = np.argsort(costs_NM[:, column], kind="stable")
        sorted_N = costs_NM[order, column]
        span = sorted_N[-1] - sorted_N[0] if n else 0.0
        if n == 0 or span <= 0:
            continue
        distance_N[order[[0, -1]]] = np.inf
        distance_N[order[1:-1]] += (sorted_N[2:] - sorted_N[:-2]) / span
    return distance_N


def epsilon_net_order(points_NM: np.ndarray) -> list[int]:
    """Order in which points spread best: start at the best first objective, then always the farthest from those taken.

    Ties go to the earlier point. Schmucker et al. 2021, "Multi-objective Asynchronous Successive Halving", section 3.2.
    """
    points_NM = np.asarray(points_NM, dtype=float)
    if len(points_NM) == 0:
        return []
    order = [int(np.argmin(points_NM[:, 0]))]
    nearest_N = np.linalg.norm(points_NM - points_NM[order[0]], axis=1)
    nearest_N[order[0]] = -1.0
    while len(order) < len(points_NM):
        chosen = int(np.argmax(nearest_N))
        order.append(chosen)
        nearest_N = np.minimum(nearest_N, np.linalg.norm(points_NM - points_NM[chosen], axis=1))
        nearest_N[order] = -1.0
    return order


def preference_order(costs_NM: np.ndarray, tie_break: str = "epsilon_net") -> list[int]:
    """All points, best first: by front, and within a front by `epsilon_net` or `crowding` on rank-scaled costs.

    With one objective this is a stable sort (ties to the earlier point).
    """
    costs_NM = np.asarray(costs_NM, dtype=float)
    rank_N = non_dominated_rank(costs_NM)
    if len(costs_NM) and costs_NM.shape[1] == 1:
        return [int(i) for i in np.argsort(costs_NM[:, 0], kind="stable")]
    order: list[int] = []
    for level in range(int(rank_N.max()) + 1 if len(rank_N) else 0):
        members = np.flatnonzero(rank_N == level)
        scaled = scale_free(costs_NM[members])
        if tie_break == "epsilon_net":
            inside = epsilon_net_order(scaled)
        elif tie_break == "crowding":
            inside = list(np.argsort(-crowding_distance(scaled), kind="stable"))
        else:
            raise ValueError(f"tie_break must be 'epsilon_net' or 'crowding', got {tie_break!r}")
        order.extend(int(members[i]) for i in inside)
    return order


def front_indices(costs_NM: np.ndarray) -> list[int]:
    """Indices of the non-dominated points, by rising first cost; of equal points only the first is kept."""
    costs_NM = np.asarray(costs_NM, dtype=float)
    if len(costs_NM) == 0:
        return []
    seen: set[tuple[float, ...]] = set()
    kept = []
    for i in np.flatnonzero(non_dominated_rank(costs_NM) == 0):
        key = tuple(costs_NM[i])
        if key not in seen:
            seen.add(key)
            kept.append(int(i))
    return sorted(kept, key=lambda i: (tuple(costs_NM[i]), i))


def hypervolume_2d(costs_N2: np.ndarray, reference_2: Sequence[float]) -> float:
    """Area dominated by the points and bounded by the reference point (higher is better, 0 if none is inside)."""
    costs_N2 = np.asarray(costs_N2, dtype=float).reshape(-1, 2)
    inside = costs_N2[(costs_N2 < np.asarray(reference_2)).all(1)]
    area, ceiling = 0.0, float(reference_2[1])
    for x, y in sorted(map(tuple, inside)):
        if y < ceiling:
            area += (reference_2[0] - x) * (ceiling - y)
            ceiling = y
    return float(area)


def hypervolume_accuracy_bytes(accuracies: Sequence[float], support_bytes: Sequence[float]) -> float:
    """Hypervolume of (accuracy in %, log10(1 + bytes)) against 0 % and 1 GiB: percent x decades, higher is better."""
    costs = np.column_stack([-np.asarray(accuracies, float), np.log10(1.0 + np.asarray(support_bytes, float))])
    return hypervolume_2d(costs, (0.0, float(np.log10(1.0 + MEMORY_REFERENCE_BYTES))))

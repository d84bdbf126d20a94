"""The order of preference of points with several objectives: by front, and within a front by how well it spreads.

Shape legend: N points, M objectives; `costs_NM` is minimised in every column (`trainables.dominance.to_costs`). Plain
numpy, no Ray, no random numbers.
"""

from __future__ import annotations

import numpy as np

from trainables import dominance


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


def preference_order(costs_NM: np.ndarray) -> list[int]:
    """All points, best first: by front, and within a front by `epsilon_net_order` of the rank-scaled costs.

    With one objective this is a stable sort (ties to the earlier point).
    """
    costs_NM = np.asarray(costs_NM, dtype=float)
    if costs_NM.shape[1] == 1:
        return list(map(int, np.argsort(costs_NM[:, 0], kind="stable")))
    rank_N = dominance.ranks(costs_NM)
    order: list[int] = []
    for level in range(int(rank_N.max(initial=-1)) + 1):
        members = np.flatnonzero(rank_N == level)
        order.extend(int(members[i]) for i in epsilon_net_order(scale_free(costs_NM[members])))
    return order

"""How much hypervolume a candidate is expected to add to a front, where some of its costs are known exactly.

Shape legend: C candidates, N points, M objectives, S steps of a front. All costs are minimised and on the scale on
which differences count (`trainables.dominance.scaled_costs`). A candidate's costs are independent normal variables with
mean and standard deviation; a deviation of 0 says that the cost is known. Plain numpy, no random numbers: what is
sampled is sampled at the points of one fixed Sobol sequence.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr
from scipy.stats import qmc

SAMPLES = 1024
"""Points of the box at which more than one uncertain objective is looked at."""
TINY = 1e-12


def improvement(mean, deviation, best):
    """E[max(best - cost, 0)] of a normal cost; `max(best - mean, 0)` where the deviation is 0. Broadcasts."""
    gap = np.asarray(best) - mean
    deviation = np.maximum(deviation, TINY)
    z = gap / deviation
    return gap * ndtr(z) + deviation * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)


def expected_gain(
    mean_CM: np.ndarray, deviation_CM: np.ndarray, front_NM: np.ndarray, reference_M: np.ndarray
) -> np.ndarray:
    """Expected hypervolume gain [C] over the front within the reference point; never negative.

    One or two objectives of which at most one is uncertain: in closed form. Else the volume is summed over sampled
    points of the box: E[gain] is the integral, over what the front leaves free, of the probability that the candidate
    dominates a point.
    """
    mean_CM, deviation_CM = np.atleast_2d(mean_CM).astype(float), np.atleast_2d(deviation_CM).astype(float)
    reference_M = np.asarray(reference_M, dtype=float)
    front_NM = np.asarray(front_NM, dtype=float).reshape(-1, len(reference_M))
    uncertain_M = (deviation_CM > 0).any(0)
    if not len(mean_CM):
        return np.zeros(0)
    if len(reference_M) == 1:
        best = min([*front_NM[:, 0], reference_M[0]])
        return improvement(mean_CM[:, 0], deviation_CM[:, 0], best)
    if len(reference_M) == 2 and uncertain_M.sum() <= 1:
        order = [1, 0] if uncertain_M[1] else [0, 1]
        return _over_steps(mean_CM[:, order], deviation_CM[:, order[0]], front_NM[:, order], reference_M[order])
    return _over_samples(mean_CM, deviation_CM, front_NM, reference_M)


def _over_steps(
    mean_C2: np.ndarray, deviation_C: np.ndarray, front_N2: np.ndarray, reference_2: np.ndarray
) -> np.ndarray:
    """The first cost is uncertain, the second known: right of it each step of the front may be improved."""
    starts, best = [-np.inf], [reference_2[0]]
    for uncertain, known in sorted(map(tuple, front_N2), key=lambda row: (row[1], row[0])):
        if uncertain < best[-1] and known < reference_2[1]:
            starts.append(known)
            best.append(uncertain)
    ends_S = np.array([*starts[1:], reference_2[1]])
    widths_CS = np.clip(ends_S - np.maximum(np.array(starts), mean_C2[:, 1:2]), 0, None)
    return (widths_CS * improvement(mean_C2[:, :1], deviation_C[:, None], np.array(best))).sum(1)


def _over_samples(
    mean_CM: np.ndarray, deviation_CM: np.ndarray, front_NM: np.ndarray, reference_M: np.ndarray
) -> np.ndarray:
    lowest_M = np.minimum((mean_CM - 3 * deviation_CM).min(0), reference_M)
    shares_PM = qmc.Sobol(len(reference_M), scramble=False).random(SAMPLES)
    points_PM = lowest_M + (shares_PM + 0.5 / SAMPLES) * (reference_M - lowest_M)
    free_P = ~(front_NM[:, None, :] <= points_PM).all(2).any(0)
    chance_CP = np.ones((len(mean_CM), int(free_P.sum())))
    for m in range(len(reference_M)):
        gap_CP = points_PM[free_P, m] - mean_CM[:, m : m + 1]
        known = deviation_CM[:, m : m + 1] <= 0
        chance_CP *= np.where(known, gap_CP >= 0, ndtr(gap_CP / np.where(known, 1, deviation_CM[:, m : m + 1])))
    return chance_CP.sum(1) * float(np.prod(reference_M - lowest_M)) / SAMPLES

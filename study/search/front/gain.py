"""How much hypervolume a candidate is expected to add to a front, where some of its costs are known exactly.

All costs are minimised and on the scale on which differences count (`trainables.dominance.scaled_costs`). A candidate's
uncertain costs are independent: normal, but for one that may be bounded below (an accuracy cannot exceed 100 %, and
errors differ by factors), whose distance from the bound is log-normal. A deviation of 0 says that the cost is known.
Plain numpy, no random numbers: what is sampled is sampled at the points of one fixed Sobol sequence.
Shape legend: C candidates, N points, M objectives, S steps of a front, P sampled points.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr
from scipy.stats import qmc

SAMPLES = 1024
"""Points of the box at which more than one uncertain objective is looked at."""
TINY = 1e-12


class Bounded(NamedTuple):
    """The objective whose costs are above a bound; of it, mean and deviation are those of log(cost - bound)."""

    place: int
    bound: float

    def warped(self, cost: ArrayLike) -> np.ndarray:
        return np.asarray(np.log(np.maximum(np.asarray(cost) - self.bound, TINY)))

    def cost(self, warped: ArrayLike) -> np.ndarray:
        return np.asarray(np.exp(warped) + self.bound)


def improvement(mean: ArrayLike, deviation: ArrayLike, best: ArrayLike) -> np.ndarray:
    """E[max(best - cost, 0)] of a normal cost; `max(best - mean, 0)` where the deviation is 0. Broadcasts."""
    gap = np.asarray(best) - np.asarray(mean)
    deviation = np.maximum(deviation, TINY)
    z = gap / deviation
    return np.asarray(gap * ndtr(z) + deviation * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi))


def bounded_improvement(mean: ArrayLike, deviation: ArrayLike, best: ArrayLike, bounded: Bounded) -> np.ndarray:
    """The same of a cost whose distance from its bound is log-normal."""
    mean, deviation = np.asarray(mean), np.maximum(deviation, 1e-6)
    distance = np.maximum(np.asarray(best) - bounded.bound, TINY)
    z = (np.log(distance) - mean) / deviation
    found = distance * ndtr(z) - np.exp(mean + 0.5 * deviation**2) * ndtr(z - deviation)
    return np.asarray(np.maximum(found, 0.0))


def expected_gain(
    mean_CM: np.ndarray,
    deviation_CM: np.ndarray,
    front_NM: np.ndarray,
    reference_M: np.ndarray,
    bounded: Bounded | None = None,
) -> np.ndarray:
    """Expected hypervolume gain [C] over the front within the reference point; never negative.

    One or two objectives of which at most one is uncertain: in closed form. Else the volume is summed over sampled
    points of the box: E[gain] is the integral, over what the front leaves free, of the probability that the candidate
    dominates a point.
    """
    mean_CM, deviation_CM = np.atleast_2d(mean_CM).astype(float), np.atleast_2d(deviation_CM).astype(float)
    reference_M = np.asarray(reference_M, dtype=float)
    front_NM = np.asarray(front_NM, dtype=float).reshape(-1, len(reference_M))
    uncertain_M = np.asarray((deviation_CM > 0).any(0))
    if bounded is not None:
        uncertain_M[bounded.place] = True
    if not len(mean_CM):
        return np.zeros(0)

    def improve(m: int, mean: ArrayLike, deviation: ArrayLike, best: ArrayLike) -> np.ndarray:
        if bounded is not None and m == bounded.place:
            return bounded_improvement(mean, deviation, best, bounded)
        return improvement(mean, deviation, best)

    if len(reference_M) == 1:
        best = min([*front_NM[:, 0], reference_M[0]])
        return improve(0, mean_CM[:, 0], deviation_CM[:, 0], best)
    if len(reference_M) == 2 and uncertain_M.sum() <= 1:
        unsure = 1 if uncertain_M[1] else 0
        starts_S, ends_S, best_S = _steps(front_NM[:, [unsure, 1 - unsure]], reference_M[[unsure, 1 - unsure]])
        widths_CS = np.clip(ends_S - np.maximum(starts_S, mean_CM[:, [1 - unsure]]), 0, None)
        gains_CS = improve(unsure, mean_CM[:, [unsure]], deviation_CM[:, [unsure]], best_S)
        return np.asarray((widths_CS * gains_CS).sum(1))
    return _over_samples(mean_CM, deviation_CM, front_NM, reference_M, bounded)


def _steps(front_N2: np.ndarray, reference_2: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first cost is uncertain, the second known: where each step of the front begins and ends [S], and the best
    first cost there."""
    starts, best = [-np.inf], [float(reference_2[0])]
    for uncertain, known in sorted(map(tuple, front_N2), key=lambda row: (row[1], row[0])):
        if uncertain < best[-1] and known < reference_2[1]:
            starts.append(known)
            best.append(uncertain)
    return np.array(starts), np.array([*starts[1:], reference_2[1]]), np.array(best)


def _over_samples(
    mean_CM: np.ndarray,
    deviation_CM: np.ndarray,
    front_NM: np.ndarray,
    reference_M: np.ndarray,
    bounded: Bounded | None,
) -> np.ndarray:
    lowest_CM = mean_CM - 3 * deviation_CM
    if bounded is not None:
        lowest_CM[:, bounded.place] = bounded.cost(lowest_CM[:, bounded.place])
    lowest_M = np.minimum(lowest_CM.min(0), reference_M)
    shares_PM = qmc.Sobol(len(reference_M), scramble=False).random(SAMPLES)
    points_PM = lowest_M + (shares_PM + 0.5 / SAMPLES) * (reference_M - lowest_M)
    free_P = ~(front_NM[:, None, :] <= points_PM).all(2).any(0)
    chance_CP = np.ones((len(mean_CM), int(free_P.sum())))
    for m in range(len(reference_M)):
        here_P = points_PM[free_P, m]
        if bounded is not None and m == bounded.place:
            here_P = bounded.warped(here_P)
        gap_CP = here_P - mean_CM[:, m : m + 1]
        known = deviation_CM[:, m : m + 1] <= 0
        chance_CP *= np.where(known, gap_CP >= 0, ndtr(gap_CP / np.where(known, 1, deviation_CM[:, m : m + 1])))
    return np.asarray(chance_CP.sum(1) * float(np.prod(reference_M - lowest_M)) / SAMPLES)

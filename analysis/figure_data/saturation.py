"""From which size on accuracy saturates, and how surely: sets of sizes that two laws and the seeds allow.

The laws: accuracy = a - b k^-c (power) and a - b exp(-c k) (exponential). The saturation point is the k at which the
curve is TOLERANCE points below a: accuracy = a - TOLERANCE (k / point)^-c, or a - TOLERANCE exp(-c (k - point)). A
law's set holds every point at which some a and c leave no more squares between the means per k than the seeds'
scatter explains (an F test): 95 % of such sets hold the truth if the law is the true one, a law that does not fit has
an empty set, and nothing is chosen. A seed moves its whole curve; only what it does beside that is scatter.

Shape legend: K sizes, S seeds, P candidate points.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

from analysis.results.intervals import CONFIDENCE

TOLERANCE = 0.5
"""Accuracy points below the asymptote at which a curve counts as saturated."""
MIN_SIZES, MIN_SEEDS = 4, 2
BEYOND = 10.0
"""How far outside the sizes tried points are looked at, as a natural logarithm; all of these are told as `outside`."""


class LawSet(NamedTuple):
    """The saturation points that one law allows. best, low, high: of k, NaN if the law does not fit; where low is
    below the smallest size, or high above the largest, their values mean just that."""

    law: str
    best: float
    low: float
    high: float
    grid: np.ndarray
    fit: np.ndarray
    """The best curve within the sizes tried (empty if the law does not fit)."""

    @property
    def fits(self) -> bool:
        return math.isfinite(self.low)


class Saturation(NamedTuple):
    """What can be said of the saturation point.

    reason: why nothing was fitted (too few sizes or seeds), else empty. laws: both, in a fixed order. smallest,
    largest: the sizes tried. seeds: those that have every size.
    """

    reason: str
    laws: tuple[LawSet, ...] = ()
    smallest: float = math.nan
    largest: float = math.nan
    seeds: int = 0

    @property
    def low(self) -> float:
        """The smallest point that any law allows."""
        return min((law.low for law in self.laws if law.fits), default=math.nan)

    @property
    def high(self) -> float:
        """The largest point that any law allows."""
        return max((law.high for law in self.laws if law.fits), default=math.nan)

    @property
    def named(self) -> bool:
        """Whether all points that any law allows are within the sizes tried."""
        return self.low >= self.smallest and self.high <= self.largest


def _below(exponent: np.ndarray) -> np.ndarray:
    """TOLERANCE e^exponent; infinite where it is more than a hundred points, which no accuracy is below another."""
    most = math.log(100.0 / TOLERANCE)
    return np.where(exponent > most, np.inf, TOLERANCE * np.exp(np.minimum(exponent, most)))


def _power(k: np.ndarray, point: np.ndarray, c: np.ndarray) -> np.ndarray:
    return _below(-c * np.log(k / point))


def _exponential(k: np.ndarray, point: np.ndarray, c: np.ndarray) -> np.ndarray:
    return _below(-c * (k - point))


LAWS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "power": _power,
    "exponential": _exponential,
}
"""law -> how far the curve is below its asymptote at k, in percentage points."""


def saturation(sizes_K: np.ndarray, accuracy_KS: np.ndarray) -> Saturation:
    """What means per size, with their scatter over seeds, say of the saturation point. Sizes are distinct and rising.

    Refused: fewer than MIN_SIZES sizes, or MIN_SEEDS seeds, or seeds that all scatter alike to the last digit.
    """
    sizes_K, accuracy_KS = np.asarray(sizes_K, dtype=float), np.asarray(accuracy_KS, dtype=float)
    count, seeds = accuracy_KS.shape
    if count < MIN_SIZES or seeds < MIN_SEEDS:
        return Saturation(
            f"{count} size{'s' * (count != 1)} with {seeds} seed{'s' * (seeds != 1)} in common; it takes {MIN_SIZES} "
            f"sizes and {MIN_SEEDS} seeds that have all of them"
        )
    mean_K = accuracy_KS.mean(1)
    scatter_KS = accuracy_KS - mean_K[:, None] - accuracy_KS.mean(0) + mean_K.mean()
    freedom = (count - 1) * (seeds - 1)
    variance = float((scatter_KS**2).sum()) / freedom
    if variance <= 1e-18:
        return Saturation("the seeds differ by the same at every size, so their scatter is not known")
    most = stats.f.ppf(CONFIDENCE, count - 2, freedom) * (count - 2) * variance / seeds
    laws = tuple(_set_of(law, sizes_K, mean_K, float(most)) for law in LAWS)
    return Saturation("", laws, float(sizes_K[0]), float(sizes_K[-1]), seeds)


def _set_of(law: str, sizes_K: np.ndarray, mean_K: np.ndarray, most: float) -> LawSet:
    """By candidates that get finer around the best one and around the ends of the set."""
    low, high = np.log(sizes_K[0]), np.log(sizes_K[-1])
    logs_P = np.concatenate([np.linspace(low, high, 81), low - _steps(), high + _steps()])
    logs_P.sort()
    squares_P, c_P = _least_squares(law, sizes_K, mean_K, np.exp(logs_P))
    for _ in range(3):
        inside = np.flatnonzero(squares_P <= most)
        centres = {int(squares_P.argmin()), *([] if not len(inside) else [int(inside[0]), int(inside[-1])])}
        finer = [np.linspace(logs_P[max(i - 1, 0)], logs_P[min(i + 1, len(logs_P) - 1)], 16) for i in centres]
        new_P = np.setdiff1d(np.concatenate(finer), logs_P)
        found = (new_P, *_least_squares(law, sizes_K, mean_K, np.exp(new_P)))
        logs_P, squares_P, c_P = map(np.concatenate, zip((logs_P, squares_P, c_P), found, strict=True))
        order = logs_P.argsort()
        logs_P, squares_P, c_P = logs_P[order], squares_P[order], c_P[order]
    inside, best = np.flatnonzero(squares_P <= most), int(squares_P.argmin())
    if not len(inside):
        return LawSet(law, math.nan, math.nan, math.nan, np.array([]), np.array([]))
    grid = np.geomspace(sizes_K[0], sizes_K[-1], 100)
    points_P = np.exp(logs_P)
    fit = -LAWS[law](grid, points_P[best], c_P[best])
    top = float((mean_K + LAWS[law](sizes_K, points_P[best], c_P[best])).mean())
    ends = (max(inside[0] - 1, 0), min(inside[-1] + 1, len(logs_P) - 1))  # the first that are refused
    low, high = (float(points_P[i]) for i in ends)
    return LawSet(law, float(points_P[best]), low, high, grid, top + fit)


def _steps() -> np.ndarray:
    return np.geomspace(0.01, BEYOND, 25)


def _least_squares(
    law: str, sizes_K: np.ndarray, mean_K: np.ndarray, points_P: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each candidate point [P] the sum of squares that the best a and c leave, and that c."""
    unit = 1.0 if law == "power" else float(np.exp(np.log(sizes_K).mean()))
    logs_PC = np.tile(np.linspace(math.log(1e-3 / unit), math.log(30.0 / unit), 100), (len(points_P), 1))
    for _ in range(6):
        drop_PCK = LAWS[law](sizes_K, points_P[:, None, None], np.exp(logs_PC)[:, :, None])
        possible_PC = np.isfinite(drop_PCK).all(-1)
        level_PCK = mean_K + np.where(possible_PC[:, :, None], drop_PCK, 0.0)
        squares_PC = np.where(possible_PC, level_PCK.var(-1) * len(sizes_K), np.inf)
        best_P = squares_PC.argmin(1)
        rows = np.arange(len(points_P))
        found = squares_PC[rows, best_P], np.exp(logs_PC[rows, best_P])
        before, after = np.maximum(best_P - 1, 0), np.minimum(best_P + 1, logs_PC.shape[1] - 1)
        logs_PC = np.linspace(logs_PC[rows, before], logs_PC[rows, after], 17, axis=1)
    return found

"""How many seeds would tell: a power calculation for paired comparisons."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from analysis.results.intervals import CONFIDENCE

POWER = 0.8
"""Share of such studies that shall see the effect."""
MOST = 1000
"""Seeds beyond which no number is named."""


def power_of(n_N: np.ndarray, effect: float, deviation: float, confidence: float = CONFIDENCE) -> np.ndarray:
    """Share [N] of studies of n seeds whose two-sided t interval of paired differences excludes 0 on the right side.

    effect, deviation: mean and standard deviation of the differences, in one unit. Noncentral t, n - 1 degrees of
    freedom (Cohen, Statistical Power Analysis, 1988, ch. 2).
    """
    n_N = np.asarray(n_N, dtype=float)
    least = stats.t.ppf((1 + confidence) / 2, n_N - 1)
    return np.asarray(stats.nct.sf(least, n_N - 1, abs(effect) / deviation * np.sqrt(n_N)))


def seeds_needed(effect: float, deviation: float, confidence: float = CONFIDENCE) -> int | None:
    """The fewest seeds (2 or more) that see the effect with probability `POWER`; None: more than `MOST`, or unknown."""
    if not (math.isfinite(effect) and math.isfinite(deviation) and effect != 0 and deviation > 0):
        return None
    n_N = np.arange(2, MOST + 1)
    enough_N = power_of(n_N, effect, deviation, confidence) >= POWER
    return int(n_N[enough_N.argmax()]) if enough_N.any() else None

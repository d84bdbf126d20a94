"""Intervals of few repeated runs: one rule for every mean. Numbers in, numbers out.

The rule: Student's t of the values themselves (one per seed, n - 1 degrees of freedom), never narrower than Student's t
with the deviation pooled over the means that stand beside it and that deviation's degrees of freedom. A deviation
pooled alone is narrower, but with points of unequal deviation, or seeds that move all points together, it covers far
less than it says; the t interval alone has no width where two values are equal (`benchmarks.coverage` has the numbers).

Shape legend: N points (means). Accuracies are percentages.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from scipy import special

CONFIDENCE = 0.95
PERCENT = (0.0, 100.0)
"""What a mean accuracy can be, %. An interval cut off there covers the mean as often as before."""
ANY = (-math.inf, math.inf)

K = TypeVar("K", bound=Hashable)
Values = Mapping[int, float]
"""seed (or whatever tells the units of a mean apart) -> value."""


class Interval(NamedTuple):
    """A mean with its confidence interval; `low` and `high` are NaN where the values give none."""

    mean: float
    low: float
    high: float
    n: int
    how: str
    """`t`, `exact` (a counted cost), or why there is none: `no value`, `single value`, `equal values`."""


class Pooled(NamedTuple):
    """Standard deviation within points, pooled over them, and its degrees of freedom (NaN and 0 if all are single)."""

    deviation: np.ndarray | float
    freedom: np.ndarray | float


def pooled(n_N: np.ndarray, deviation_N: np.ndarray) -> Pooled:
    """Pooled over the first axis; points of one value add nothing."""
    freedom_N = np.maximum(np.asarray(n_N, dtype=float) - 1, 0)
    squares = (freedom_N * np.where(freedom_N > 0, np.square(deviation_N), 0.0)).sum(0)
    freedom = freedom_N.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Pooled(np.sqrt(squares / freedom), freedom)


def pooled_of(samples: Sequence[Values]) -> Pooled:
    """Of the values of several points."""
    return pooled(*moments(samples)[::2])


def half_widths(
    n_N: np.ndarray, deviation_N: np.ndarray, least: Pooled | None = None, confidence: float = CONFIDENCE
) -> np.ndarray:
    """Half-widths [N, ...] of the intervals of N means of n values with these standard deviations, by the rule above.

    least: the pooled deviation; None: pooled over these N. NaN where n < 2, or where all deviations are 0, as nothing
    is known of the spread then.
    """
    n_N, deviation_N = np.asarray(n_N, dtype=float), np.asarray(deviation_N, dtype=float)
    least = pooled(n_N, deviation_N) if least is None else least
    own = t_quantile(confidence, n_N - 1) * deviation_N
    with np.errstate(invalid="ignore", divide="ignore"):
        half_N = np.fmax(own, t_quantile(confidence, least.freedom) * least.deviation) / np.sqrt(n_N)
    return np.where((n_N > 1) & (half_N > 0), half_N, np.nan)


def t_quantile(confidence: float, freedom: np.ndarray | float) -> np.ndarray:
    """What of Student's t lies around 0 with this confidence, in standard errors; freedom: its degrees, at least 1."""
    quantiles: np.ndarray = special.stdtrit(np.maximum(freedom, 1), (1 + confidence) / 2)
    return quantiles


def moments(samples: Sequence[Values]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """n, mean, standard deviation [N] of the finite values (NaN without any; deviation NaN below two)."""
    arrays = [finite(sample) for sample in samples]
    n_N = np.array([len(a) for a in arrays])
    mean_N = np.array([a.mean() if len(a) else math.nan for a in arrays], dtype=float)
    spread_N = [(a.std(ddof=1) if np.ptp(a) > 0 else 0.0) if len(a) > 1 else math.nan for a in arrays]
    return n_N, mean_N, np.array(spread_N, dtype=float)


def finite(sample: Values) -> np.ndarray:
    """The values that are numbers."""
    return np.array([v for v in sample.values() if math.isfinite(v)], dtype=float)


def intervals(
    samples: Mapping[K, Values],
    limits: tuple[float, float] = ANY,
    *,
    least: Pooled | None = None,
    confidence: float = CONFIDENCE,
) -> dict[K, Interval]:
    """Mean and interval of every point; NaN values are left out.

    limits: what the mean can be; the interval is cut off there. least: as in `half_widths`.
    """
    n_N, mean_N, spread_N = moments(list(samples.values()))
    half_N = half_widths(n_N, spread_N, least, confidence)
    found = {}
    for key, n, mean, half in zip(samples, n_N.tolist(), mean_N.tolist(), half_N.tolist(), strict=True):
        if not math.isfinite(half):
            how = ("no value", "single value", "equal values")[min(n, 2)]
            found[key] = Interval(mean, math.nan, math.nan, n, how)
            continue
        low, high = (min(max(end, limits[0]), limits[1]) for end in (mean - half, mean + half))
        found[key] = Interval(mean, low, high, n, "t")
    return found

"""Intervals for means and ratios of few repeated runs. Numbers in, numbers out; every random draw is seeded.

Shape legend: N points, S seeds, R draws. Accuracies are percentages, higher is better; costs are bytes or seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
BOOTSTRAP_FROM = 10
"""From this many values on, intervals come from the bootstrap; below, from Student's t."""
DRAWS = 2000
SEED = 20250301
PERCENT = (0.0, 100.0)
"""What a mean accuracy can be, %. An interval cut off there covers the mean as often as before."""


class Interval(NamedTuple):
    """A mean with its confidence interval; `low` and `high` are NaN where one value gives none."""

    mean: float
    low: float
    high: float
    n: int
    how: str
    """`t`, `bootstrap`, `single value` or `no value`."""


def mean_interval(
    values: Sequence[float], confidence: float = CONFIDENCE, limits: tuple[float, float] = (-math.inf, math.inf)
) -> Interval:
    """Mean and interval of independent values; NaN values are left out.

    t interval for 2 to 9 values, bias-corrected accelerated bootstrap from 10 on (Efron 1987), no interval for one.
    Equal values give an interval of no width. limits: what the mean can be; the interval is cut off there.
    """
    found = _unlimited(values, confidence)
    low, high = (min(max(end, limits[0]), limits[1]) if math.isfinite(end) else end for end in (found.low, found.high))
    return found._replace(low=low, high=high)


def _unlimited(values: Sequence[float], confidence: float) -> Interval:
    found = np.asarray([v for v in values if math.isfinite(v)], dtype=float)
    n = len(found)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0, "no value")
    mean = float(found.mean())
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1, "single value")
    if np.ptp(found) == 0:
        return Interval(mean, mean, mean, n, "t" if n < BOOTSTRAP_FROM else "bootstrap")
    if n < BOOTSTRAP_FROM:
        half = float(stats.t.ppf((1 + confidence) / 2, n - 1) * stats.sem(found))
        return Interval(mean, mean - half, mean + half, n, "t")
    drawn = stats.bootstrap(
        (found,), np.mean, confidence_level=confidence, n_resamples=DRAWS, rng=np.random.default_rng(SEED)
    ).confidence_interval
    return Interval(mean, float(drawn.low), float(drawn.high), n, "bootstrap")


def paired(a: dict[int, float], b: dict[int, float]) -> tuple[list[float], list[float]]:
    """Values of both at the seeds that both have, in the order of seeds."""
    seeds = sorted(s for s in set(a) & set(b) if math.isfinite(a[s]) and math.isfinite(b[s]))
    return [a[s] for s in seeds], [b[s] for s in seeds]


def paired_difference(a: dict[int, float], b: dict[int, float], confidence: float = CONFIDENCE) -> Interval:
    """Interval of a - b over equal seeds (seed -> value); no value if they share no seed."""
    left, right = paired(a, b)
    return mean_interval([x - y for x, y in zip(left, right, strict=True)], confidence)


def paired_ratio(a: dict[int, float], b: dict[int, float], confidence: float = CONFIDENCE) -> Interval:
    """Interval of the geometric-mean ratio a / b over equal seeds: the interval of log(a / b), transformed back.

    Values must be positive; a seed with a value of 0 or below is left out.
    """
    left, right = paired(a, b)
    logs = [math.log(x / y) for x, y in zip(left, right, strict=True) if x > 0 and y > 0]
    found = mean_interval(logs, confidence)
    return Interval(math.exp(found.mean), math.exp(found.low), math.exp(found.high), found.n, found.how)


def pooled_deviation(samples: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Standard deviation within points, pooled over points, and its degrees of freedom ((NaN, 0) if all are single)."""
    arrays = [np.asarray(s, dtype=float) for s in samples]
    freedom = sum(max(len(a) - 1, 0) for a in arrays)
    if freedom == 0:
        return math.nan, 0
    return math.sqrt(sum(float(((a - a.mean()) ** 2).sum()) for a in arrays if len(a)) / freedom), freedom


def resampled_means(samples: Sequence[Sequence[float]], draws: int = DRAWS, seed: int = SEED) -> np.ndarray:
    """Means [R, N] that other seeds might have given.

    A point of at least BOOTSTRAP_FROM values is resampled from its values. With fewer the bootstrap is far too narrow
    (with 3 values a ninth of all draws repeat one value), so the mean is drawn from Student's t with the deviation
    pooled over all points. Points are drawn independently. NaN if no point has two values, or a point has none.
    """
    rng = np.random.default_rng(seed)
    deviation, freedom = pooled_deviation(samples)
    means_RN = np.full((draws, len(samples)), np.nan)
    for i, sample in enumerate(samples):
        values = np.asarray(sample, dtype=float)
        if len(values) >= BOOTSTRAP_FROM:
            means_RN[:, i] = rng.choice(values, (draws, len(values))).mean(1)
        elif len(values) and freedom:
            spread = deviation / math.sqrt(len(values))
            means_RN[:, i] = values.mean() + spread * stats.t.rvs(freedom, size=draws, random_state=rng)
    return means_RN


def resampled_costs(costs: Sequence[Sequence[float]], draws: int = DRAWS, seed: int = SEED + 1) -> np.ndarray:
    """Mean costs [R, N] that other seeds might have given.

    Exact where a cost is counted, as bytes of a support set are: every seed has the same. Where it is measured (time,
    peak memory), its logarithm is resampled like an accuracy: points differ in scale, and cost stays positive.
    """
    means_N = np.array([np.mean(c) if len(c) else np.nan for c in costs], dtype=float)
    if all(np.ptp(c) == 0 for c in costs if len(c)) or any(np.min(c) <= 0 for c in costs if len(c)):
        return np.tile(means_N, (draws, 1))
    logs_RN = resampled_means([np.log(c) for c in costs], draws, seed)
    centre_N = np.array([np.log(c).mean() if len(c) else np.nan for c in costs])
    return means_N * np.exp(logs_RN - centre_N)

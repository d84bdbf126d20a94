"""Intervals of few repeated runs: one rule for every mean, difference and ratio. Numbers in, numbers out.

The rule: Student's t of the values themselves (one per seed, n - 1 degrees of freedom), never narrower than Student's t
with the deviation pooled over the means that stand beside it and that deviation's degrees of freedom. A deviation
pooled alone is narrower, but with points of unequal deviation, or seeds that move all points together, it covers far
less than it says; the t interval alone has no width where two values are equal (`benchmarks.coverage` has the numbers).
Every random draw is seeded.

Shape legend: N points (means), S seeds, R draws. Accuracies are percentages, higher is better; costs are bytes or
seconds.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
DRAWS = 2000
SEED = 20250301
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
    return pooled(*_moments(samples)[::2])


def half_widths(
    n_N: np.ndarray, deviation_N: np.ndarray, least: Pooled | None = None, confidence: float = CONFIDENCE
) -> np.ndarray:
    """Half-widths [N, ...] of the intervals of N means of n values with these standard deviations, by the rule above.

    least: the pooled deviation; None: pooled over these N. NaN where n < 2, or where all deviations are 0, as nothing
    is known of the spread then.
    """
    n_N, deviation_N = np.asarray(n_N, dtype=float), np.asarray(deviation_N, dtype=float)
    least = pooled(n_N, deviation_N) if least is None else least
    own = _t(confidence, n_N - 1) * deviation_N
    with np.errstate(invalid="ignore", divide="ignore"):
        half_N = np.fmax(own, _t(confidence, least.freedom) * least.deviation) / np.sqrt(n_N)
    return np.where((n_N > 1) & (half_N > 0), half_N, np.nan)


def _t(confidence: float, freedom: np.ndarray | float) -> np.ndarray:
    quantiles: np.ndarray = stats.t.ppf((1 + confidence) / 2, np.maximum(freedom, 1))
    return quantiles


def _moments(samples: Sequence[Values]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """n, mean, standard deviation [N] of the finite values (NaN without any; deviation NaN below two)."""
    arrays = [_finite(sample) for sample in samples]
    n_N = np.array([len(a) for a in arrays])
    mean_N = np.array([a.mean() if len(a) else math.nan for a in arrays], dtype=float)
    spread_N = [(a.std(ddof=1) if np.ptp(a) > 0 else 0.0) if len(a) > 1 else math.nan for a in arrays]
    return n_N, mean_N, np.array(spread_N, dtype=float)


def _finite(sample: Values) -> np.ndarray:
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
    n_N, mean_N, spread_N = _moments(list(samples.values()))
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


def cost_intervals(samples: Mapping[K, Values]) -> dict[K, Interval]:
    """Mean costs with intervals: exact where a cost is counted (`is_counted`), else of its logarithm, as points
    differ in scale."""
    if is_counted(list(samples.values())):
        _, mean_N, _ = _moments(list(samples.values()))
        return {
            key: Interval(mean, mean, mean, len(sample), "exact" if len(sample) else "no value")
            for (key, sample), mean in zip(samples.items(), mean_N.tolist(), strict=True)
        }
    logs = intervals({key: {s: math.log(v) for s, v in sample.items()} for key, sample in samples.items()})
    found = {}
    for key, log in logs.items():
        mean = float(np.mean(_finite(samples[key]))) if samples[key] else math.nan
        low, high = (mean * math.exp(end - log.mean) for end in (log.low, log.high))
        found[key] = log._replace(mean=mean, low=low, high=high)
    return found


def is_counted(samples: Sequence[Values]) -> bool:
    """Whether a cost is exact: the same for every seed of a point, as bytes of a support set are (or not positive)."""
    arrays = [_finite(sample) for sample in samples if sample]
    return all(np.ptp(a) == 0 for a in arrays if len(a)) or any(a.min() <= 0 for a in arrays if len(a))


# --- comparisons ---


def compared(
    samples: Mapping[K, Values], reference: Values, *, choices: int = 1, ratio: bool = False
) -> dict[K, Interval]:
    """Every point minus the reference over the seeds that both have; ratio: divided by it (a geometric mean).

    choices: among how many comparisons the one that is told was chosen, or how many hold at once; the intervals are
    corrected for it (Bonferroni), which holds whatever the points share. Values of 0 or below have no ratio.
    """

    def difference(value: float, base: float) -> float:
        if not ratio:
            return value - base
        return math.log(value / base) if value > 0 and base > 0 else math.nan

    shared = {
        key: {s: difference(sample[s], reference[s]) for s in sorted(set(sample) & set(reference))}
        for key, sample in samples.items()
    }
    found = intervals(shared, confidence=1 - (1 - CONFIDENCE) / max(choices, 1))
    if not ratio:
        return found
    return {
        key: one._replace(mean=math.exp(one.mean), low=_exp(one.low), high=_exp(one.high)) for key, one in found.items()
    }


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))


# --- draws ---


def drawn_means(samples: Sequence[Values], draws: int = DRAWS, stream: int = 0) -> np.ndarray:
    """Means [R, N] that other seeds might have given: the intervals above as draws, which keep what seeds share.

    In a draw every seed's deviations from the means get one random weight for all points, so that seeds that move
    points together do so here; each mean varies as Student's t with its n - 1 degrees of freedom. Where a point's own
    deviation is too small, an independent part lifts it to what `half_widths` takes. A point of one value has the
    pooled deviation. NaN if nothing is known of the spread, or a point has no value. stream: of the independent parts.
    """
    seeds = sorted({s for sample in samples for s in sample})
    n_N, mean_N, spread_N = _moments(samples)
    least = pooled(n_N, spread_N)
    means_RN = np.full((draws, len(samples)), np.nan)
    if not least.freedom or not least.deviation > 0:
        return means_RN
    shared, own = np.random.default_rng(SEED), np.random.default_rng((SEED, stream))
    weights_RS, chance_R = shared.standard_normal((draws, len(seeds))), shared.random(draws)
    for i, sample in enumerate(samples):
        values_S = np.array([sample.get(s, math.nan) for s in seeds], dtype=float)
        residuals_S = np.where(np.isfinite(values_S), values_S - mean_N[i], 0.0)
        n, freedom = int(n_N[i]), int(n_N[i]) - 1 if n_N[i] > 1 else int(least.freedom)
        if n == 0:
            continue
        floor = float(least.deviation * _t(CONFIDENCE, least.freedom) / _t(CONFIDENCE, freedom))
        lacking = max(floor**2 - float((residuals_S**2).sum()) / max(n - 1, 1), 0.0)
        error_R = weights_RS @ residuals_S / math.sqrt(max(n - 1, 1)) + math.sqrt(lacking) * own.standard_normal(draws)
        scale_R = np.sqrt(stats.chi2.ppf(chance_R, freedom) / freedom)
        means_RN[:, i] = mean_N[i] + error_R / (scale_R * math.sqrt(n))
    return means_RN


def drawn_costs(samples: Sequence[Values], draws: int = DRAWS, stream: int = 1) -> np.ndarray:
    """Mean costs [R, N] that other seeds might have given: exact where counted, else drawn in logarithms."""
    _, means_N, _ = _moments(samples)
    if is_counted(samples):
        return np.tile(means_N, (draws, 1))
    logs = [{s: math.log(v) for s, v in sample.items()} for sample in samples]
    _, centre_N, _ = _moments(logs)
    drawn_RN: np.ndarray = means_N * np.exp(drawn_means(logs, draws, stream) - centre_N)
    return drawn_RN

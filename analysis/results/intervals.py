"""Means, differences and ratios of few repeated runs with their intervals, and draws of what other seeds might give.

One rule for all of them: `trainables.intervals`. Every random draw is seeded.

Shape legend: N points (means), S seeds, R draws. Accuracies are percentages, higher is better; costs are bytes or
seconds.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeAlias, TypeVar

import numpy as np
from scipy import stats

from study.schema import intervals as rule

CONFIDENCE, PERCENT, ANY = rule.CONFIDENCE, rule.PERCENT, rule.ANY
DRAWS = 2000
SEED = 20250301

K = TypeVar("K", bound=Hashable)
Values: TypeAlias = rule.Values
Interval: TypeAlias = rule.Interval
Pooled: TypeAlias = rule.Pooled
pooled, pooled_of, half_widths, intervals = rule.pooled, rule.pooled_of, rule.half_widths, rule.intervals
moments, finite, t_quantile = rule.moments, rule.finite, rule.t_quantile


def cost_intervals(samples: Mapping[K, Values]) -> dict[K, Interval]:
    """Mean costs with intervals: exact where a cost is counted (`is_counted`), else of its logarithm, as points
    differ in scale."""
    if is_counted(list(samples.values())):
        _, mean_N, _ = moments(list(samples.values()))
        return {
            key: Interval(mean, mean, mean, len(sample), "exact" if len(sample) else "no value")
            for (key, sample), mean in zip(samples.items(), mean_N.tolist(), strict=True)
        }
    logs = intervals({key: {s: math.log(v) for s, v in sample.items()} for key, sample in samples.items()})
    found = {}
    for key, log in logs.items():
        mean = float(np.mean(finite(samples[key]))) if samples[key] else math.nan
        low, high = (mean * math.exp(end - log.mean) for end in (log.low, log.high))
        found[key] = log._replace(mean=mean, low=low, high=high)
    return found


def is_counted(samples: Sequence[Values]) -> bool:
    """Whether a cost is exact: the same for every seed of a point, as bytes of a support set are (or not positive)."""
    arrays = [finite(sample) for sample in samples if sample]
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
    n_N, mean_N, spread_N = moments(samples)
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
        floor = float(least.deviation * t_quantile(CONFIDENCE, least.freedom) / t_quantile(CONFIDENCE, freedom))
        lacking = max(floor**2 - float((residuals_S**2).sum()) / max(n - 1, 1), 0.0)
        error_R = weights_RS @ residuals_S / math.sqrt(max(n - 1, 1)) + math.sqrt(lacking) * own.standard_normal(draws)
        scale_R = np.sqrt(stats.chi2.ppf(chance_R, freedom) / freedom)
        means_RN[:, i] = mean_N[i] + error_R / (scale_R * math.sqrt(n))
    return means_RN


def drawn_costs(samples: Sequence[Values], draws: int = DRAWS, stream: int = 1) -> np.ndarray:
    """Mean costs [R, N] that other seeds might have given: exact where counted, else drawn in logarithms."""
    _, means_N, _ = moments(samples)
    if is_counted(samples):
        return np.tile(means_N, (draws, 1))
    logs = [{s: math.log(v) for s, v in sample.items()} for sample in samples]
    _, centre_N, _ = moments(logs)
    drawn_RN: np.ndarray = means_N * np.exp(drawn_means(logs, draws, stream) - centre_N)
    return drawn_RN

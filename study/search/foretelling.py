"""What an unfinished trial will come to, as far as the study's finished trials tell.

The last value is regressed on the value at the same epoch over the trials that finished (Bayesian linear regression
with a normal-inverse-gamma prior). The prior says: as now, with half of the trials' own spread for an error. It follows
the spread of the values and not a number of points, and weighs as much as PRIOR_WEIGHT trials.
Shape legend: F finished trials, N trials, C candidates.
"""

from __future__ import annotations

import numpy as np

PRIOR_ERROR = 0.5
"""Deviation of the last value from its line, in spreads, before anything is known."""
PRIOR_WEIGHT = 3.0


def foretell(value_C: np.ndarray, at_F: np.ndarray, last_F: np.ndarray, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance [C] of last values, from values at an epoch and those of finished trials at it and at the end.

    `spread`: standard deviation of all trials' values at that epoch; 0 counts as tiny. Finished trials with a NaN are
    left out. Without any: the values themselves, with a variance of at least PRIOR_ERROR spreads squared.
    """
    value_C = np.asarray(value_C, dtype=float)
    both_F = np.isfinite(at_F) & np.isfinite(last_F)
    at_F, last_F = np.asarray(at_F, dtype=float)[both_F], np.asarray(last_F, dtype=float)[both_F]
    spread = max(spread, 1e-6 * max(1.0, float(np.abs(value_C).max(initial=0.0))))
    middle = float(at_F.mean()) if len(at_F) else float(value_C.mean()) if len(value_C) else 0.0
    x_F, y_F = (at_F - middle) / spread, (last_F - middle) / spread
    design_F2 = np.stack([np.ones_like(x_F), x_F], 1)
    prior_mean, prior_precision = np.array([0.0, 1.0]), np.diag([PRIOR_ERROR**2, 4 * PRIOR_ERROR**2])
    precision = prior_precision + design_F2.T @ design_F2
    weights = np.linalg.solve(precision, prior_precision @ prior_mean + design_F2.T @ y_F)
    errors = prior_mean @ prior_precision @ prior_mean + y_F @ y_F - weights @ precision @ weights
    error_variance = (PRIOR_WEIGHT * PRIOR_ERROR**2 + max(errors, 0.0)) / (PRIOR_WEIGHT + len(y_F))
    design_C2 = np.stack([np.ones_like(value_C), (value_C - middle) / spread], 1)
    leverage_C = ((design_C2 @ np.linalg.inv(precision)) * design_C2).sum(1)
    shared_C = leverage_C if len(y_F) else np.zeros_like(leverage_C)  # without any, a shift of all changes no order
    return middle + spread * (design_C2 @ weights), spread**2 * error_variance * (1 + shared_C)


def explained(at_F: np.ndarray, last_F: np.ndarray, reached_N: np.ndarray) -> float | None:
    """Share (0-1) of the spread of last values that the values at an epoch explain, over all trials that reached it.

    Those that finished were chosen by their early values and so vary less than all: the line through them is applied
    to the spread of all (`reached_N`). None with less than 3 finished trials, or if nothing varies.
    """
    both_F = np.isfinite(at_F) & np.isfinite(last_F)
    at_F, last_F = np.asarray(at_F, dtype=float)[both_F], np.asarray(last_F, dtype=float)[both_F]
    if len(at_F) < 3 or not at_F.std() > 1e-9 * max(1.0, float(np.abs(at_F).max())):
        return None
    slope = float(np.cov(at_F, last_F)[0, 1] / at_F.var(ddof=1))
    rest = float(((last_F - last_F.mean() - slope * (at_F - at_F.mean())) ** 2).sum()) / (len(at_F) - 2)
    told = max(slope, 0.0) ** 2 * float(np.nanvar(reached_N))
    return told / (told + rest) if told + rest > 0 else None

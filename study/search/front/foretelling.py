"""What an unfinished trial will come to, as far as the study's finished trials tell.

The last value is regressed on the value at the same epoch over the trials that finished (Bayesian linear regression
with a normal-inverse-gamma prior). The prior says: as now, with an error of PRIOR_ERROR of the trials' own spread. It
follows the spread of the values and not a number of points, and weighs as much as PRIOR_WEIGHT trials.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PRIOR_ERROR = 0.7
"""Deviation of the last value from its line, in spreads, before anything is known: cautious."""
PRIOR_WEIGHT = 3.0
LEVEL, SLOPE = 0.25, 1.0
"""Precisions of the prior of the line, in those of one trial."""


class Line:
    """Value at `epoch` (from 1) -> last value. curves: whole ones of finished trials. values: of all trials at that
    epoch, for their spread; a spread of 0 counts as a tiny one."""

    def __init__(self, epoch: int, curves: Sequence[np.ndarray], values: Sequence[float]) -> None:
        values_N = np.array([v for v in values if np.isfinite(v)], dtype=float)
        middle = float(np.median(values_N)) if len(values_N) else 0.0
        self.spread = max(_spread(values_N), 1e-6 * max(1.0, abs(middle)))
        pairs = [(c[epoch - 1], c[-1]) for c in curves if len(c) >= epoch]
        pairs_F2 = np.array([p for p in pairs if np.isfinite(p).all()], dtype=float).reshape(-1, 2)
        self._middle = float(pairs_F2[:, 0].mean()) if len(pairs_F2) else middle
        x_F, y_F = ((pairs_F2 - self._middle) / self.spread).T
        design_F2 = np.stack([np.ones_like(x_F), x_F], 1)
        prior_2, prior_22 = np.array([0.0, 1.0]), np.diag([LEVEL, SLOPE])
        precision_22 = prior_22 + design_F2.T @ design_F2
        self._weights_2 = np.linalg.solve(precision_22, prior_22 @ prior_2 + design_F2.T @ y_F)
        errors = prior_2 @ prior_22 @ prior_2 + y_F @ y_F - self._weights_2 @ precision_22 @ self._weights_2
        error = (PRIOR_WEIGHT * PRIOR_ERROR**2 + max(float(errors), 0.0)) / (PRIOR_WEIGHT + len(y_F))
        self._covariance_22 = np.linalg.inv(precision_22)
        self.error = error * self.spread**2
        """Variance of last values about the line."""

    @property
    def trust(self) -> float:
        """Share of the trials' variance that their values at the epoch foretell, 0-1."""
        return float(np.clip(1.0 - self.error / self.spread**2, 0.0, 1.0))

    def __call__(self, value: float) -> tuple[float, float]:
        """Mean and variance of the last value of a trial that has `value` now."""
        row_2 = np.array([1.0, (value - self._middle) / self.spread])
        mean = self._middle + self.spread * float(row_2 @ self._weights_2)
        return mean, self.error * (1.0 + float(row_2 @ self._covariance_22 @ row_2))


def _spread(values_N: np.ndarray) -> float:
    """Standard deviation about the median, of the better half alone (costs: the lower): bad ones may lie far off."""
    if len(values_N) < 2:
        return 0.0
    upper = values_N[values_N <= np.median(values_N)]
    return float(np.sqrt(np.mean((upper - np.median(values_N)) ** 2)))

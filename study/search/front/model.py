"""A Gaussian process over a search space in which not every parameter applies to every point.

The library is scikit-learn (`GaussianProcessRegressor`, Matern 5/2 with a length per parameter): it takes a variance
per observation, and an optimiser of ours, which adds priors and keeps one length for all coordinates of a parameter.
Optuna's GPSampler has no way to know a cost or to be unsure of an observation, and takes twice as long a draw at 200
trials; BoTorch would bring GPyTorch along for the same model (times: benchmarks/results, draw_time).
Shape legend: N points, D coordinates, P parameters.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from study.search.front.candidates import share_of

Params = Mapping[str, Any]
ITERATIONS = 25
FITTED = 100
"""Most observations by which lengths and noise are chosen; all of them are conditioned on."""
LENGTH, NOISE = math.log(0.5), math.log(1e-2)
"""Centres of the priors: of a length, where the range is 1, and of a run's noise, where the values' variance is."""


class Encoding:
    """Coordinates of points. Numbers lie in 0..1 on their scale and choices at equal distances; a parameter that does
    not always apply lies on an arc around the place where it does not (Hutter & Osborne 2013, arc kernel), so that
    its value counts between points that both have it, and a constant otherwise."""

    def __init__(self, distributions: Mapping[str, BaseDistribution], always: set[str]) -> None:
        self.distributions = {n: d for n, d in distributions.items() if not d.single()}
        self.always = always
        self._widths = {name: self._width(name) for name in self.distributions}
        self.owner_D = np.array([p for p, n in enumerate(self.distributions) for _ in range(self._width(n))], dtype=int)
        """The parameter that each coordinate is of."""

    def _width(self, name: str) -> int:
        distribution = self.distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            return len(distribution.choices)
        return 1 if name in self.always else 2

    def __call__(self, points: Sequence[Params]) -> np.ndarray:
        return np.array([self._row(point) for point in points], dtype=float).reshape(len(points), len(self.owner_D))

    def _row(self, point: Params) -> list[float]:
        row: list[float] = []
        for name, distribution in self.distributions.items():
            width = self._widths[name]
            if name not in point:
                row += [0.0] * width
            elif type(distribution) is CategoricalDistribution:
                at = int(distribution.to_internal_repr(point[name]))
                row += [math.sqrt(0.5) * (i == at) for i in range(width)]
            else:
                share = share_of(distribution, point[name])
                row += [share] if width == 1 else [math.cos(share - 0.5), math.sin(share - 0.5)]
        return row


class Model:
    """A process fitted to values with a variance each; deterministic. Raises ValueError or LinAlgError if it cannot."""

    def __init__(self, x_ND: np.ndarray, y_N: np.ndarray, variance_N: np.ndarray, owner_D: np.ndarray) -> None:
        self._middle, self._scale = float(np.median(y_N)), float(np.std(y_N))
        if len(y_N) < 2 or not self._scale > 0:
            raise ValueError(f"{len(y_N)} observations that differ are too few")
        y_N, variance_N = (y_N - self._middle) / self._scale, variance_N / self._scale**2
        self._owner_D = owner_D
        kernel = ConstantKernel(1.0) * Matern(np.full(x_ND.shape[1], math.exp(LENGTH)), nu=2.5) + WhiteKernel(1e-2)
        chosen_N = np.sort(np.argsort(variance_N, kind="stable")[:FITTED])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a length or the noise at a bound is no fault
            fitted = self._regressor(kernel, variance_N[chosen_N], self._optimise).fit(x_ND[chosen_N], y_N[chosen_N])
        self._kernel, self._told = fitted.kernel_, (x_ND, y_N, variance_N)
        self._noise = float(fitted.kernel_.k2.noise_level)
        self._process = fitted
        if len(chosen_N) < len(y_N):
            self._condition()

    def _condition(self) -> None:
        x_ND, y_N, variance_N = self._told
        self._process = self._regressor(self._kernel, variance_N, None).fit(x_ND, y_N)

    def add(self, x_FD: np.ndarray, y_F: np.ndarray) -> None:
        """Observe more without a variance of their own; lengths and noise stay."""
        x_ND, y_N, variance_N = self._told
        y_F = (y_F - self._middle) / self._scale
        self._told = np.r_[x_ND, x_FD], np.r_[y_N, y_F], np.r_[variance_N, np.zeros(len(y_F))]
        self._condition()

    @staticmethod
    def _regressor(kernel: Any, variance_N: np.ndarray, optimizer: Any) -> GaussianProcessRegressor:
        return GaussianProcessRegressor(kernel, alpha=variance_N + 1e-8, optimizer=optimizer)

    def _optimise(self, loss: Any, theta: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, float]:
        """scikit-learn's hook: theta is log(amplitude), log(lengths) [D], log(noise); ours has a length a parameter."""
        count = int(self._owner_D.max()) + 1
        spread = np.zeros((len(theta), count + 2))
        spread[0, 0] = spread[-1, -1] = 1.0
        spread[1 + np.arange(len(self._owner_D)), 1 + self._owner_D] = 1.0
        centre = np.array([0.0, *[LENGTH] * count, NOISE])
        width = np.array([1.0, *[1.0] * count, 2.0])

        def posterior(own: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = loss(spread @ own, eval_gradient=True)
            z = (own - centre) / width
            return value + 0.5 * float(z @ z), spread.T @ gradient + z / width

        limits = [(-3.0, 3.0), *[(math.log(0.05), math.log(10.0))] * count, (math.log(1e-5), 0.0)]
        found = minimize(posterior, centre, jac=True, method="L-BFGS-B", bounds=limits, options={"maxiter": ITERATIONS})
        return spread @ found.x, float(found.fun)

    def predict(self, x_ND: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation [N] of the expected value of points, the noise of a single run left out."""
        if not len(x_ND):
            return np.zeros(0), np.zeros(0)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Predicted variances smaller than 0")
            mean_N, deviation_N = self._process.predict(x_ND, return_std=True)
        deviation_N = np.sqrt(np.maximum(deviation_N**2 - self._noise, 1e-10))
        return self._middle + self._scale * mean_N, self._scale * deviation_N

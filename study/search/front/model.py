"""A Gaussian process over a search space in which not every parameter applies to every point.

The library is scikit-learn (`GaussianProcessRegressor`): it takes a variance per observation, a kernel of ours
(`Effects`), and an optimiser of ours, which adds priors.
Optuna's GPSampler has no way to know a cost or to be unsure of an observation, and takes longer a draw; BoTorch would
bring GPyTorch along for the same model (times: benchmarks/results, draw_time).
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
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel, StationaryKernelMixin, WhiteKernel

from study.search.front.candidates import share_of

Params = Mapping[str, Any]
ITERATIONS = 25
FITTED = 100
"""Most observations by which lengths and noise are chosen; all of them are conditioned on."""
ALONE, TOGETHER, LENGTH, NOISE = math.log(1.0), math.log(0.5), math.log(0.5), math.log(0.05)
"""Centres of the priors: of the variances of both kinds of effects and of a run's noise, where that of the values is 1,
and of a length, where the range is 1."""
AMPLITUDES, LENGTHS, NOISES = (0.02, 20.0), (0.05, 10.0), (1e-5, 1.0)


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


class Effects(StationaryKernelMixin, Kernel):  # type: ignore[misc]
    """What parameters do one by one, and what they do together, with one length per parameter for both.

    `alone` times the mean over parameters of a Matern 5/2 kernel of that parameter's coordinates, plus `together` times
    a Matern 5/2 kernel of all coordinates. What one parameter does so carries over to other choices of the rest
    (additive processes: Duvenaud, Nickisch & Rasmussen 2011). owner: the parameter of each coordinate [D].
    """

    def __init__(self, alone: float, together: float, length: np.ndarray, owner: tuple[int, ...]) -> None:
        self.alone, self.together, self.length, self.owner = alone, together, length, owner

    @property
    def hyperparameter_alone(self) -> Hyperparameter:
        return Hyperparameter("alone", "numeric", AMPLITUDES)

    @property
    def hyperparameter_length(self) -> Hyperparameter:
        return Hyperparameter("length", "numeric", LENGTHS, np.size(self.length))

    @property
    def hyperparameter_together(self) -> Hyperparameter:
        return Hyperparameter("together", "numeric", AMPLITUDES)

    def diag(self, X: np.ndarray) -> np.ndarray:
        return np.full(len(X), self.alone + self.together)

    def __call__(self, X: np.ndarray, Y: np.ndarray | None = None, eval_gradient: bool = False) -> Any:
        """Covariances [N, N'], and their derivatives by the logarithms of alone, length [P] and together."""
        length_P = np.atleast_1d(self.length)  # scikit-learn makes a number of a single one
        owner_DP = np.equal.outer(self.owner, np.arange(len(length_P))).astype(float)
        gap_NND = X[:, None] - (X if Y is None else Y)[None]
        square_NNP = gap_NND**2 @ owner_DP / length_P**2
        each_NNP, all_NN = _matern(square_NNP), _matern(square_NNP.sum(2))
        alone_NN, together_NN = self.alone * each_NNP.mean(2), self.together * all_NN
        if not eval_gradient:
            return alone_NN + together_NN
        slope_NNP = self.alone / len(length_P) * _slope(square_NNP)
        slope_NNP += self.together * _slope(square_NNP.sum(2))[:, :, None]
        return alone_NN + together_NN, np.dstack([alone_NN, slope_NNP * square_NNP, together_NN])


def _matern(square: np.ndarray) -> np.ndarray:
    """Matern 5/2 of squared distances in lengths."""
    root = np.sqrt(5.0 * square)
    return np.asarray((1.0 + root + root**2 / 3.0) * np.exp(-root))


def _slope(square: np.ndarray) -> np.ndarray:
    """Its derivative by the logarithm of the lengths, divided by the squared distance."""
    root = np.sqrt(5.0 * square)
    return np.asarray(5.0 / 3.0 * (1.0 + root) * np.exp(-root))


class Model:
    """A process fitted to values with a variance each; deterministic. Raises ValueError or LinAlgError if it cannot."""

    def __init__(self, x_ND: np.ndarray, y_N: np.ndarray, variance_N: np.ndarray, owner_D: np.ndarray) -> None:
        self._middle, self._scale = float(np.median(y_N)), float(np.std(y_N))
        if len(y_N) < 2 or not self._scale > 0:
            raise ValueError(f"{len(y_N)} observations that differ are too few")
        y_N, variance_N = (y_N - self._middle) / self._scale, variance_N / self._scale**2
        length_P = np.full(1 + max(owner_D), math.exp(LENGTH))
        kernel = Effects(math.exp(ALONE), math.exp(TOGETHER), length_P, tuple(owner_D))
        kernel += WhiteKernel(math.exp(NOISE), NOISES)
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

    @staticmethod
    def _optimise(loss: Any, theta: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, float]:
        """scikit-learn's hook. theta: logarithms of alone, lengths [P], together, noise; it begins at the centres of
        their priors, which are normal, of deviation 1 (of the noise 2)."""
        centre, width = theta.copy(), np.ones(len(theta))
        width[-1] = 2.0

        def posterior(here: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = loss(here, eval_gradient=True)
            z = (here - centre) / width
            return value + 0.5 * float(z @ z), gradient + z / width

        found = minimize(posterior, centre, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": ITERATIONS})
        return np.asarray(found.x), float(found.fun)

    def predict(self, x_ND: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation [N] of the expected value of points, the noise of a single run left out."""
        if not len(x_ND):
            return np.zeros(0), np.zeros(0)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Predicted variances smaller than 0")
            mean_N, deviation_N = self._process.predict(x_ND, return_std=True)
        deviation_N = np.sqrt(np.maximum(deviation_N**2 - self._noise, 1e-10))
        return self._middle + self._scale * mean_N, self._scale * deviation_N

"""Numbers behind the figures over the search space: accuracy against k with its saturation, temperature x size map."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import interpolate, optimize, spatial, stats

from analysis.figure_data.common import NotEnough, completed
from analysis.results.intervals import CONFIDENCE, PERCENT, Interval, mean_interval
from study import schema

TOLERANCE = 0.5
"""Accuracy points below the asymptote at which a curve counts as saturated."""
MIN_SIZES = 4
FITTED, NOT_REACHED, NOT_IDENTIFIABLE = "fitted", "not reached", "not identifiable"
SIZES = {
    name: f"p_{schema.SUPPORT_KINDS[method.support].size}"
    for name, method in schema.METHODS.items()
    if schema.SUPPORT_KINDS[method.support].size is not None
}


class Saturation(NamedTuple):
    """The fit of accuracy = a - b (k / k0)^-c or a - b exp(-c k / k0), k0 the geometric mean of the sizes.

    model: `power` or `exponential`, whichever leaves the smaller sum of squares (both have three parameters). A curve
    that is flat from some k on has no power law: that would put its asymptote far above the data.
    status: `fitted`; `not reached` (the curve is still more than TOLERANCE points below a at the largest k, so that the
    saturation point would be extrapolated); or `not identifiable` (`reason` says why, the numbers are NaN).
    asymptote: a in % with 95 % interval. k, k_low, k_high: size at which the curve is TOLERANCE points below a, and its
    95 % interval (delta method on log k). grid, fit: the fitted curve within the measured sizes.
    """

    status: str
    reason: str
    asymptote: Interval
    c: float
    k: float
    k_low: float
    k_high: float
    grid: np.ndarray
    fit: np.ndarray
    model: str = ""


class AccuracyByK(NamedTuple):
    """Completed kmclr trials of one stage: each trial's k and accuracy, mean per k, references of the other methods."""

    stage: str
    k: np.ndarray
    accuracy: np.ndarray
    sizes: np.ndarray
    means: tuple[Interval, ...]
    saturation: Saturation
    references: dict[str, Interval]
    vary: tuple[str, ...]


class SpaceMap(NamedTuple):
    """Trials over support-set size and temperature: completed ones, stopped ones, and an interpolation between the
    completed ones (linear in the logarithms, NaN outside their convex hull; None where it cannot be made)."""

    method: str
    points: pd.DataFrame
    grid_size: np.ndarray | None
    grid_temperature: np.ndarray | None
    grid_accuracy: np.ndarray | None


def power(k: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    """a - b k^-c: rises to the asymptote a ever more slowly."""
    return a - b * np.power(k, -c)


def exponential(k: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    """a - b exp(-c k): rises to the asymptote a and is there."""
    return a - b * np.exp(-c * k)


MODELS = {"power": power, "exponential": exponential}


def _unknown(reason: str) -> Saturation:
    nan, none = float("nan"), np.array([])
    return Saturation(NOT_IDENTIFIABLE, reason, Interval(nan, nan, nan, 0, "no value"), nan, nan, nan, nan, none, none)


def fit_saturation(k: np.ndarray, accuracy: np.ndarray, tolerance: float = TOLERANCE) -> Saturation:
    """Least squares fit over trials; see `Saturation`. Never raises: what the data do not carry is `not identifiable`.

    Refused as not identifiable: fewer than MIN_SIZES sizes or 5 trials, no convergence, an accuracy that does not rise
    (95 % interval of b or c reaches 0), an asymptote less certain than the range of the data, or above 100 %.
    """
    k, accuracy = np.asarray(k, float), np.asarray(accuracy, float)
    sizes, n = np.unique(k), len(k)
    if len(sizes) < MIN_SIZES or n < 5:
        return _unknown(f"{len(sizes)} sizes in {n} trials; the model needs {MIN_SIZES} sizes and 5 trials")
    unit, span = float(np.exp(np.log(sizes).mean())), float(np.ptp(accuracy))
    fits = {name: found for name in MODELS if (found := _least_squares(name, k / unit, accuracy)) is not None}
    if not fits:
        return _unknown("the least squares fit does not converge")
    model = min(fits, key=lambda name: float(((MODELS[name](k / unit, *fits[name][0]) - accuracy) ** 2).sum()))
    best, covariance = fits[model]
    spread = np.sqrt(np.diag(covariance)) * stats.t.ppf((1 + CONFIDENCE) / 2, n - 3)
    low, high = best - spread, best + spread
    if not np.isfinite(spread).all() or low[1] <= 0 or low[2] <= 0:
        return _unknown("accuracy does not rise with k beyond its scatter (95 % interval of b or c reaches 0)")
    if high[0] - low[0] > 2 * span:
        return _unknown("the asymptote's 95 % interval is wider than twice the range of the data")
    if best[0] > PERCENT[1]:
        return _unknown(f"the fitted asymptote, {best[0]:.1f} %, is above 100 %")
    if model == "exponential" and best[1] <= tolerance:
        return _unknown(f"accuracy is within {tolerance:g} points of its asymptote at every k")
    top = Interval(best[0], low[0], min(high[0], PERCENT[1]), n, "t")
    return _saturation_point(model, best, covariance, n, unit, sizes, tolerance, top)


def _least_squares(model: str, k: np.ndarray, accuracy: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Parameters and their covariance; None if the fit does not converge."""
    start = (float(accuracy.max()), max(float(np.ptp(accuracy)) / 2, 1e-3), 0.5)
    try:
        with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
            warnings.simplefilter("error", optimize.OptimizeWarning)
            best, covariance = optimize.curve_fit(MODELS[model], k, accuracy, p0=start, maxfev=5000)
    except (RuntimeError, ValueError, optimize.OptimizeWarning):
        return None
    return (best, covariance) if np.isfinite(best).all() else None


def _log_k(model: str, b: float, c: float, tolerance: float) -> tuple[float, np.ndarray]:
    """log of the k (in units) at which the curve is `tolerance` below its asymptote, and its gradient by a, b, c."""
    drop = float(np.log(b / tolerance))
    if model == "power":
        return drop / c, np.array([0.0, 1 / (b * c), -drop / c**2])
    return float(np.log(drop / c)), np.array([0.0, 1 / (b * drop), -1 / c])


def _saturation_point(
    model: str,
    best: np.ndarray,
    covariance: np.ndarray,
    n: int,
    unit: float,
    sizes: np.ndarray,
    tolerance: float,
    top: Interval,
) -> Saturation:
    _, b, c = best
    in_units, gradient = _log_k(model, b, c, tolerance)
    log_k = float(np.log(unit)) + in_units
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 3) * np.sqrt(gradient @ covariance @ gradient))
    grid = np.geomspace(sizes[0], sizes[-1], 100)
    reached = log_k <= np.log(sizes[-1])
    reason = "" if reached else f"still more than {tolerance:g} points below the asymptote at k = {sizes[-1]:g}"
    limits = [float(np.exp(min(v, 700.0))) for v in (log_k, log_k - half, log_k + half)]
    return Saturation(
        FITTED if reached else NOT_REACHED,
        reason,
        top,
        float(c),
        *limits,
        grid,
        MODELS[model](grid / unit, *best),
        model,
    )


def accuracy_by_k(trials: pd.DataFrame) -> AccuracyByK:
    """From the confirm stage if it holds MIN_SIZES values of k, else from the search. Raises NotEnough below two."""
    if "p_k" not in trials:
        raise NotEnough("no trial varies k")
    chosen, stage = pd.DataFrame(), ""
    for stage in reversed(schema.STAGES):
        chosen = completed(trials, stage)
        chosen = chosen[chosen["method"] == "kmclr"].dropna(subset=["p_k", schema.ACCURACY])
        if chosen["p_k"].nunique() >= MIN_SIZES:
            break
    if chosen["p_k"].nunique() < 2:
        raise NotEnough("fewer than two values of k among the completed kmclr trials")
    k, accuracy = chosen["p_k"].to_numpy(float), chosen[schema.ACCURACY].to_numpy(float)
    sizes = np.unique(k)
    others = completed(trials, stage)
    references = {
        m: mean_interval(others.loc[others["method"] == m, schema.ACCURACY], limits=PERCENT)
        for m in ("nnclr", "none")
        if m in set(others["method"])
    }
    vary = [c[2:] for c in chosen if c.startswith("p_") and c not in ("p_k", "p_method") and chosen[c].nunique() > 1]
    means = tuple(mean_interval(accuracy[k == size], limits=PERCENT) for size in sizes)
    return AccuracyByK(stage, k, accuracy, sizes, means, fit_saturation(k, accuracy), references, tuple(vary))


def space_map(trials: pd.DataFrame, method: str = "kmclr") -> SpaceMap:
    """Search trials of a method over size and temperature. Raises NotEnough with fewer than three completed ones."""
    size = SIZES[method]
    if not {size, "p_temperature"} <= set(trials):
        raise NotEnough(f"no trial of {method} varies temperature and {size[2:]}")
    rows = trials[(trials["stage"] == "search") & (trials["method"] == method)]
    rows = rows.dropna(subset=[size, "p_temperature", schema.ACCURACY])
    rows = rows[rows["status"].isin([schema.COMPLETED, schema.STOPPED])]
    done = rows[rows["status"] == schema.COMPLETED]
    if len(done) < 3 or done[size].nunique() < 2 or done["p_temperature"].nunique() < 2:
        raise NotEnough(f"fewer than three completed trials of {method} over temperature and {size[2:]}")
    points = rows[["trial_id", "label", "status", "epochs", size, "p_temperature", schema.ACCURACY]]
    return SpaceMap(method, points.rename(columns={size: "size", "p_temperature": "temperature"}), *_fill(done, size))


def _fill(done: pd.DataFrame, size: str) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    where = np.log(done[[size, "p_temperature"]].to_numpy(float))
    unit = (where - where.min(0)) / np.ptp(where, axis=0)
    mean = pd.Series(done[schema.ACCURACY].to_numpy(float)).groupby([*unit.T]).mean()
    corners = np.array([*mean.index])
    try:
        plane = interpolate.LinearNDInterpolator(corners, mean.to_numpy())
    except (spatial.QhullError, ValueError):
        return None, None, None
    steps = np.linspace(0, 1, 60)
    values = plane(*np.meshgrid(steps, steps))
    low, width = where.min(0), np.ptp(where, axis=0)
    return np.exp(low[0] + steps * width[0]), np.exp(low[1] + steps * width[1]), values

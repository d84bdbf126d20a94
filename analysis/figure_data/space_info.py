"""Numbers behind the figures over the search space: accuracy against k with its saturation, temperature x size map."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import interpolate, spatial

from analysis.figure_data.common import NotEnough, completed
from analysis.figure_data.saturation import MIN_SIZES, Saturation, saturation
from analysis.results.intervals import PERCENT, Interval, intervals
from study import schema

SIZES = schema.Live(
    lambda: {
        name: f"p_{schema.SUPPORT_KINDS[method.support].size}"
        for name, method in schema.METHODS.items()
        if schema.SUPPORT_KINDS[method.support].size is not None
    }
)


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


def accuracy_by_k(trials: pd.DataFrame) -> AccuracyByK:
    """From the confirm stage if it holds MIN_SIZES values of k, else from the search. Raises NotEnough below two.

    The unit is the seed: a mean is over the seeds, each the mean of its trials at that k (or of that method).
    """
    if "p_k" not in trials:
        raise NotEnough("no trial varies k")
    chosen, stage = pd.DataFrame(), ""
    for stage in (schema.CONFIRM, schema.SEARCH):
        chosen = completed(trials, stage)
        chosen = chosen[chosen["method"] == "kmclr"].dropna(subset=["p_k", schema.ACCURACY])
        if chosen["p_k"].nunique() >= MIN_SIZES:
            break
    if chosen["p_k"].nunique() < 2:
        raise NotEnough("fewer than two values of k among the completed kmclr trials")
    by_size = chosen.pivot_table(index="p_k", columns="seed", values=schema.ACCURACY).astype(float)
    others = completed(trials, stage)
    others = others[others["method"].isin(["nnclr", "none"])].dropna(subset=[schema.ACCURACY])
    values: dict[float | str, dict[int, float]] = {k: row.dropna().to_dict() for k, row in by_size.iterrows()}
    for method in ("nnclr", "none"):
        found = others[others["method"] == method].groupby("seed")[schema.ACCURACY].mean()
        values |= {method: found.to_dict()} if len(found) else {}
    means = intervals(values, PERCENT)
    vary = [c[2:] for c in chosen if c.startswith("p_") and c not in ("p_k", "p_method") and chosen[c].nunique() > 1]
    return AccuracyByK(
        stage,
        chosen["p_k"].to_numpy(float),
        chosen[schema.ACCURACY].to_numpy(float),
        by_size.index.to_numpy(float),
        tuple(means.pop(k) for k in by_size.index),
        saturation(by_size.index.to_numpy(float), by_size.dropna(axis=1).to_numpy()),
        {str(method): mean for method, mean in means.items()},
        tuple(vary),
    )


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

"""Numbers behind the figures over training: curves by group, forgetting interval. No drawing here.

Accuracies are in %, shares in 0-1, sizes in bytes. Intervals, bands over epochs among them, follow the one rule of
`analysis.results.intervals`. Where a group holds several points of the search space, the unit of an interval is the
point (mean of its seeds): seeds of one point are no independent draws of its group. `trials` and `reports` are the
frames of `analysis.results.load.Results`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.figure_data.common import NotEnough, completed, main_stage, ordered_methods
from analysis.results.intervals import PERCENT, Interval, Pooled, half_widths, intervals, pooled
from study import schema


class Curve(NamedTuple):
    """Mean per epoch with interval over points (over trials if there is one point); see the module's head.

    n: trials per epoch; members: one (label, values) per point.
    """

    group: str
    epochs: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray
    members: tuple[tuple[str, np.ndarray], ...]


BAND_FROM = 3
NOT_ON_RECORD = "method not on record yet"
"""Group of trials that run and have never ended or been interrupted: their reports alone do not name a method."""


def banded(curve: Curve) -> np.ndarray:
    """At which epochs a band is worth drawing: from BAND_FROM values on; that of two is mostly wider than the picture.

    What counts is what the interval is over: points, or the trials of the only point.
    """
    if len(curve.members) < 2:
        return curve.n >= BAND_FROM
    finite = np.isfinite([values for _, values in curve.members])
    return np.asarray(finite.sum(axis=0) >= BAND_FROM)


class Curves(NamedTuple):
    """Curves of one metric from trials of one stage. complete: only trials that ran their full budget are in."""

    metric: str
    stage: str
    complete: bool
    curves: tuple[Curve, ...]


class Forgetting(NamedTuple):
    """Accuracy against the forgetting interval f (epochs): curves by f, and the last accuracy by f."""

    curves: Curves
    values: tuple[int, ...]
    last: tuple[Interval, ...]
    dots: tuple[np.ndarray, ...]


def limits_of(metric: str) -> tuple[float, float]:
    """What a metric can be: accuracies are percentages, the rest shares."""
    return PERCENT if schema.METRICS[metric].unit == "%" else (0.0, 1.0)


def curve(
    wide: pd.DataFrame,
    group: str,
    points: dict[str, str],
    limits: tuple[float, float] = PERCENT,
    least: Pooled | None = None,
) -> Curve:
    """`wide`: a metric with one row per epoch and one column per trial id. points: trial id -> what a person reads.

    limits: what the metric can be; the interval is cut off there. least: the pooled deviation per epoch of what stands
    beside this curve; None: its own alone.
    """
    members, units = _units(wide, points)
    n, mean, spread = units.notna().sum(axis=1), units.mean(axis=1).to_numpy(), units.std(axis=1, ddof=1)
    least = pooled(n.to_numpy()[None], spread.to_numpy()[None]) if least is None else least
    half = half_widths(n.to_numpy(), spread.to_numpy(), least)
    return Curve(
        group,
        wide.index.to_numpy(),
        mean,
        np.clip(mean - half, *limits),
        np.clip(mean + half, *limits),
        wide.notna().sum(axis=1).to_numpy(),
        tuple((str(label), members[label].to_numpy()) for label in members),
    )


def _units(wide: pd.DataFrame, points: dict[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of a group its points' means, and what its interval is over: these, or the trials of the only point."""
    members = wide.T.groupby([points[t] for t in wide.columns]).mean().T
    return members, members if members.shape[1] > 1 else wide


def _least(parts: Iterable[pd.DataFrame], epochs: pd.Index) -> Pooled:
    """Per epoch the deviation within these tables (columns: what they vary over), pooled."""
    parts = [part.reindex(epochs) for part in parts]
    n = np.array([part.notna().sum(axis=1).to_numpy() for part in parts])
    return pooled(n, np.array([part.std(axis=1, ddof=1).to_numpy() for part in parts]))


def curves(
    trials: pd.DataFrame, reports: pd.DataFrame, metric: str, by: str = "method", chosen: pd.DataFrame | None = None
) -> Curves:
    """Mean per epoch and group over the completed trials of the main stage (or over the `chosen` trials).

    While nothing is completed, over all trials that reported, whose number falls with the epoch.
    Raises NotEnough if no report holds the metric.
    """
    stage = main_stage(trials) if len(trials) else schema.STAGES[0]
    if chosen is None:
        chosen = completed(trials, stage)
    complete = len(chosen) > 0
    if metric not in reports:
        raise NotEnough(f"no report holds {metric}")
    if complete:
        columns = list(dict.fromkeys(["trial_id", by, "label"]))
        rows = reports[["trial_id", "epoch", metric]].merge(chosen[columns], on="trial_id")
        stage = str(chosen["stage"].iloc[0])
    else:
        rows = reports[reports["stage"] == stage]
        rows = rows.assign(method=rows["method"].fillna(NOT_ON_RECORD)) if by in rows else rows.iloc[:0]
    rows = rows.dropna(subset=[metric])
    if rows.empty:
        raise NotEnough(f"no trial reported {metric}")
    return Curves(metric, stage, complete, tuple(_by_group(rows, metric, by)))


def _by_group(rows: pd.DataFrame, metric: str, by: str) -> Iterable[Curve]:
    """A curve per group, never with a narrower band than the deviation pooled over the curves of its kind (over points,
    or over the seeds of any point) gives."""
    order = [*ordered_methods(rows[by]), NOT_ON_RECORD] if by == "method" else sorted(rows[by].dropna().unique())
    wide = {g: _wide(part, metric) for g in order if len(part := rows[rows[by] == g])}
    points = rows.drop_duplicates("trial_id").set_index("trial_id")["label"].fillna("").astype(str).to_dict()
    over_points = {g: units for g, table in wide.items() if (units := _units(table, points)[1]) is not table}
    seeds = [part for table in wide.values() for _, part in _of_points(table, points)]
    for group, table in wide.items():
        least = _least(over_points.values() if group in over_points else seeds, table.index)
        name = f"{group:g}" if isinstance(group, float) else str(group)
        yield curve(table, name, points, limits_of(metric), least)


def _wide(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    return rows.pivot_table(index="epoch", columns="trial_id", values=metric, aggfunc="last")


def _of_points(wide: pd.DataFrame, points: dict[str, str]) -> list[tuple[str, pd.DataFrame]]:
    """The trials of each point."""
    return [(name, part.T) for name, part in wide.T.groupby([points[t] for t in wide.columns])]


def diagnostics(trials: pd.DataFrame, reports: pd.DataFrame, metrics: Iterable[str]) -> dict[str, Curves]:
    """Curves by method of those metrics that were reported. Raises NotEnough if none was."""
    found = {}
    for metric in metrics:
        with contextlib.suppress(NotEnough):
            found[metric] = curves(trials, reports, metric)
    if not found:
        raise NotEnough("no trial with a support set reported its diagnostics")
    return found


def forgetting(trials: pd.DataFrame, reports: pd.DataFrame) -> Forgetting:
    """Effect of the forgetting interval over completed kmclr trials, of the confirm stage if it holds several values.

    `last`: means and intervals over points (over trials where an interval has one point); `dots`: every trial.
    Raises NotEnough with fewer than two intervals.
    """
    if "p_forget_every" not in trials:
        raise NotEnough("no trial varies forget_every")
    chosen = pd.DataFrame()
    for stage in (schema.CONFIRM, schema.SEARCH):
        chosen = completed(trials, stage).dropna(subset=["p_forget_every", schema.ACCURACY])
        if (chosen["p_forget_every"].value_counts() > 1).sum() > 1:
            break
    if chosen["p_forget_every"].nunique() < 2:
        raise NotEnough("fewer than two forgetting intervals among the completed trials")
    chosen = chosen.assign(p_forget_every=chosen["p_forget_every"].astype(int))
    lines = curves(trials, reports, schema.ACCURACY, by="p_forget_every", chosen=chosen)
    values = tuple(sorted(int(v) for v in chosen["p_forget_every"].unique()))
    dots = tuple(chosen.loc[chosen["p_forget_every"] == v, schema.ACCURACY].to_numpy(float) for v in values)
    last = over_points({v: chosen[chosen["p_forget_every"] == v] for v in values})
    return Forgetting(lines, values, last, dots)


def over_points(groups: Mapping[int, pd.DataFrame]) -> tuple[Interval, ...]:
    """Of groups of trials the mean accuracy with its interval over their points, over the trials of an only point."""
    found: dict[int, Interval] = {}
    for single in (True, False):
        part = {v: group for v, group in groups.items() if (group["label"].nunique() == 1) == single}
        of_point = {v: g.set_index("trial_id")[schema.ACCURACY] for v, g in part.items()}
        values = of_point if single else {v: g.groupby("label")[schema.ACCURACY].mean() for v, g in part.items()}
        found |= intervals({v: dict(enumerate(column)) for v, column in values.items()}, PERCENT)
    return tuple(found[v] for v in groups)

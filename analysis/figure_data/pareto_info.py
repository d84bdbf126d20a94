"""What a picture of a front shows: points, who is on the front, its staircase, and where cost 0 goes on a log axis."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.results.front import AXES
from analysis.results.front import on_front as on_front_of
from study.schema import ACCURACY, Metric


class ParetoInfo(NamedTuple):
    """Everything a picture of accuracy against one cost shows.

    points: one row per point with study, method, label, x, y, low, high, n, hollow, on_front, and x_drawn (x, or the
    slot of the zeros on a log axis). steps: per study the corners of the staircase of the front in accuracy and this
    cost alone (study, x_drawn, y); with more objectives, points of the front may lie below it.
    """

    points: pd.DataFrame
    steps: pd.DataFrame
    axis: Metric
    sense: str
    """`min` or `max`: which way along the axis is better."""
    y_title: str
    zero_at: float | None
    """Where cost 0 is drawn on a log axis; None if no point needs it."""
    x_range: tuple[float, float]
    """Drawn range of the cost axis, in data units."""
    stored: pd.DataFrame
    """As steps: the front among points whose cost is above 0, of studies whose front is at cost 0 alone. Their points
    have on_stored."""
    wanted: tuple[float | None, float | None] = (None, None)
    """Of the region that the study wants, the worst cost and the least accuracy (%); None: as it may be."""


def pareto_info(df: pd.DataFrame, x: str, *, sense: str = "min", y_title: str = "Accuracy (%)") -> ParetoInfo:
    """What to draw of a table with columns method, label, x (named by `x`) and y.

    Optional columns: study, low, high, n, hollow (True: shown, but never on the front, for a run that was stopped
    early), origin (the earlier study that tried it first), on_front (who is on the front of all objectives; by default
    the front of each study in y and x). Rows without a finite cost and accuracy are dropped. sense: whether less
    (`min`) or more of x is better.
    """
    points = pd.DataFrame({"method": df["method"], "label": df["label"], "x": df[x], "y": df["y"]})
    for name, default in {
        "study": "",
        "low": math.nan,
        "high": math.nan,
        "n": 1,
        "hollow": False,
        "origin": "",
    }.items():
        points[name] = df.get(name, default)
    points["origin"] = points["origin"].fillna("")
    points["hollow"] = points["hollow"].eq(True)  # beside a table that has no such column the others' is NaN
    points["on_front"] = df.get("on_front")
    points = points[np.isfinite(points["x"].astype(float)) & np.isfinite(points["y"].astype(float))]
    points = points.reset_index(drop=True)
    points["in_two"] = points["on_stored"] = False
    for _, group in points[~points["hollow"].astype(bool)].groupby("study"):
        points.loc[group.index, "in_two"] = on_front_of(group, {ACCURACY: "max", "x": sense})
        storing = group[group["x"] > 0]
        if not points.loc[storing.index, "in_two"].any():
            points.loc[storing.index, "on_stored"] = on_front_of(storing, {ACCURACY: "max", "x": sense})
    points["on_front"] = (points["on_front"] if "on_front" in df else points["in_two"]).astype(bool)
    zero_at, x_range = _place(points["x"].to_numpy(dtype=float), AXES[x].log)
    points["x_drawn"] = points["x"].where(points["x"] > 0, zero_at) if zero_at else points["x"]
    in_two, stored = points[points.pop("in_two")], points[points["on_stored"]]
    steps, stored_steps = (_steps(one, sense, x_range) for one in (in_two, stored))
    return ParetoInfo(points, steps, AXES[x], sense, y_title, zero_at, x_range, stored_steps)


def _place(x: np.ndarray, log: bool) -> tuple[float | None, tuple[float, float]]:
    """Where zeros go on a log axis (a decade and more left of the smallest cost), and the drawn range."""
    positive = x[x > 0]
    if not log:
        return None, _linear_range(x)
    low, high = (float(positive.min()), float(positive.max())) if len(positive) else (1e3, 1e6)
    left, right = math.log10(low), math.log10(high)
    margin = max(0.06 * (right - left), 0.15)
    if right - left > 0.01:
        margin = min(margin, 0.15 * (right - left))
    if not (x == 0).any():
        return None, (10 ** (left - margin), 10 ** (right + margin))
    gap = max(0.16 * (right - left), 0.5)
    slot = left - 1.4 * gap
    return 10**slot, (10 ** (slot - 0.7 * gap), 10 ** (right + margin))


def _linear_range(x: np.ndarray) -> tuple[float, float]:
    """From 0 if a cost is near it, else around the costs; 0 to 1 without any."""
    low, high = (float(x.min()), float(x.max())) if len(x) else (0.0, 1.0)
    margin = 0.08 * (high - low) or 0.08 * high or 1.0
    return (0.0 if low < 0.3 * high else low - margin), high + margin


def _steps(front: pd.DataFrame, sense: str, x_range: tuple[float, float]) -> pd.DataFrame:
    """From the best cost to the worst, and on to the edge of the drawing."""
    rows = []
    for study, group in front.groupby("study"):
        corners = group.drop_duplicates(["x", "y"]).sort_values("x", ascending=sense == "min")
        rows += [(study, float(x), float(y)) for x, y in zip(corners["x_drawn"], corners["y"], strict=True)]
        rows.append((study, x_range[1] if sense == "min" else x_range[0], float(corners["y"].iloc[-1])))
    return pd.DataFrame(rows, columns=["study", "x_drawn", "y"])

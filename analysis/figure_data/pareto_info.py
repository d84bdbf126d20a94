"""What a picture of a front shows: points, who is on the front, its staircase, and where cost 0 goes on a log axis."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.results.front import AXES, Axis, on_front


class ParetoInfo(NamedTuple):
    """Everything a picture of a front shows.

    points: one row per point with study, method, label, x, y, low, high, n, hollow, on_front, and x_drawn (x, or the
    slot of the zeros on a log axis). steps: per study the corners of the front's staircase (study, x_drawn, y).
    """

    points: pd.DataFrame
    steps: pd.DataFrame
    axis: Axis
    y_title: str
    zero_at: float | None
    """Where cost 0 is drawn on a log axis; None if no point needs it."""
    x_range: tuple[float, float]
    """Drawn range of the cost axis, in data units."""


def pareto_info(df: pd.DataFrame, *, x: str = "support_bytes", y_title: str = "Accuracy (%)") -> ParetoInfo:
    """What to draw of a table with columns method, label, x (named by `x`) and y.

    Optional columns: study, low, high, n, hollow (True: shown, but never on the front, for a run that was stopped
    early). Rows without a finite cost and accuracy are dropped. One front per study.
    """
    axis = AXES[x]
    points = pd.DataFrame({"method": df["method"], "label": df["label"], "x": df[x], "y": df["y"]})
    for name, default in {"study": "", "low": math.nan, "high": math.nan, "n": 1, "hollow": False}.items():
        points[name] = df.get(name, default)
    points = points[np.isfinite(points["x"].astype(float)) & np.isfinite(points["y"].astype(float))]
    points = points.reset_index(drop=True)
    points["on_front"] = False
    for _, group in points[~points["hollow"].astype(bool)].groupby("study"):
        points.loc[group.index, "on_front"] = on_front(group["x"], group["y"])
    zero_at, x_range = _place(points["x"].to_numpy(dtype=float), axis.log)
    points["x_drawn"] = points["x"].where(points["x"] > 0, zero_at) if zero_at else points["x"]
    return ParetoInfo(points, _steps(points, x_range[1]), axis, y_title, zero_at, x_range)


def _place(x: np.ndarray, log: bool) -> tuple[float | None, tuple[float, float]]:
    """Where zeros go on a log axis (a decade and more left of the smallest cost), and the drawn range."""
    positive = x[x > 0]
    if not log:
        top = float(positive.max()) if len(positive) else 1.0
        return None, (0.0, 1.08 * top)
    low, high = (float(positive.min()), float(positive.max())) if len(positive) else (1e3, 1e6)
    left, right = math.log10(low), math.log10(high)
    margin = max(0.06 * (right - left), 0.15)
    if not (x == 0).any():
        return None, (10 ** (left - margin), 10 ** (right + margin))
    gap = max(0.16 * (right - left), 0.5)
    slot = left - 1.4 * gap
    return 10**slot, (10 ** (slot - 0.7 * gap), 10 ** (right + margin))


def _steps(points: pd.DataFrame, right: float) -> pd.DataFrame:
    rows = []
    for study, group in points[points["on_front"]].groupby("study"):
        front = group.drop_duplicates(["x", "y"]).sort_values("x")
        rows += [(study, float(x), float(y)) for x, y in zip(front["x_drawn"], front["y"], strict=True)]
        rows.append((study, right, float(front["y"].iloc[-1])))
    return pd.DataFrame(rows, columns=["study", "x_drawn", "y"])

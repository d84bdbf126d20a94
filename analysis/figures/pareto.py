"""Fronts of accuracy against a cost: who dominates whom, the front's hypervolume, and its picture.

Accuracy (y) is maximised, the cost (x: bytes, seconds or GPU-hours) minimised. A point with a NaN in either is nowhere:
not on a front and dominating nobody. Equal points do not dominate each other, so all of them are on the front.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.figures import style as looks
from analysis.text import byte_ticks, bytes_in_words


class Axis(NamedTuple):
    """A cost a study can be drawn against."""

    column: str
    title: str
    unit: str
    log: bool


AXES = {
    axis.column: axis
    for axis in (
        Axis("support_bytes", "Support set", "bytes", True),
        Axis("peak_memory_bytes", "Peak memory", "bytes", True),
        Axis("epoch_s", "Time per epoch", "s", False),
        Axis("gpu_hours", "GPU-hours per run", "GPU-h", False),
    )
}


class Reference(NamedTuple):
    """The corner that bounds a hypervolume: a cost that is too high, an accuracy that is too low."""

    x: float
    y: float
    log: bool
    """Whether the cost counts as log10(1 + x)."""

    @property
    def words(self) -> str:
        """For captions."""
        scale = "log10(1 + bytes)" if self.log else "cost"
        cost = bytes_in_words(self.x) if self.log else f"{self.x:.3g}"
        return f"reference point: accuracy {self.y:g} %, cost {cost}; axes: accuracy in %, {scale}"


def reference_for(axis: Axis, x: Sequence[float]) -> Reference:
    """0 % accuracy, and: 1 GiB of support set; 1 TiB of peak memory; otherwise 1.1 times the largest cost given."""
    if axis.column == "support_bytes":
        return Reference(2.0**30, 0.0, True)
    if axis.column == "peak_memory_bytes":
        return Reference(2.0**40, 0.0, True)
    finite = [v for v in x if math.isfinite(v)]
    return Reference(1.1 * max(finite, default=1.0), 0.0, False)


def on_front(x_N: Sequence[float], y_N: Sequence[float]) -> np.ndarray:
    """Which points [N] (bool) nobody dominates. O(N log N)."""
    x_N, y_N = np.asarray(x_N, dtype=float), np.asarray(y_N, dtype=float)
    kept_N = np.zeros(len(x_N), dtype=bool)
    valid = np.flatnonzero(~(np.isnan(x_N) | np.isnan(y_N)))
    best = -math.inf
    last: tuple[float, float] | None = None
    for i in valid[np.lexsort((-y_N[valid], x_N[valid]))]:
        here = (x_N[i], y_N[i])
        if y_N[i] > best or here == last:
            kept_N[i] = True
            best, last = y_N[i], here
    return kept_N


def hypervolume(x_N: Sequence[float], y_N: Sequence[float], reference: Reference) -> float:
    """Area that the points dominate within the reference point; higher is better, 0 if no point is inside."""
    x_N, y_N = np.asarray(x_N, dtype=float), np.asarray(y_N, dtype=float)
    limit = reference.x
    if reference.log:
        x_N, limit = np.log10(1 + x_N), math.log10(1 + limit)
    front = on_front(x_N, y_N) & (x_N < limit) & (y_N > reference.y)
    points = sorted(set(zip(x_N[front].tolist(), y_N[front].tolist(), strict=True)))
    area, floor = 0.0, reference.y
    for x, y in points:
        area += (limit - x) * (y - floor)
        floor = y
    return area


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


def cost_in_words(value: float, axis: Axis) -> str:
    """A cost with its unit."""
    if axis.unit == "bytes":
        return bytes_in_words(value)
    return f"{value:.3g} {axis.unit}" if math.isfinite(value) else "?"


# --- drawing ---


def draw_pareto(info: ParetoInfo, style: looks.Style) -> go.Figure:
    """The picture: front as a staircase in ink, its points solid, dominated ones faded; stopped runs hollow."""
    fig = go.Figure()
    studies = list(dict.fromkeys(info.points["study"]))
    for number, study in enumerate(studies):
        steps = info.steps[info.steps["study"] == study]
        name = "front" if len(studies) == 1 else f"front: {study} ({STUDY_MARKS[number % 5][1]})"
        if len(steps):
            line = {"color": looks.INK, "width": style.line, "shape": "hv", "dash": _dash(number)}
            fig.add_scatter(x=steps["x_drawn"], y=steps["y"], mode="lines", line=line, name=name, hoverinfo="skip")
    named: set[str] = set()
    for number, study in enumerate(studies):
        for method in [*looks.order(info.points["method"]), None]:
            _add_points(fig, info, style, study, method, number if len(studies) > 1 else None, named)
    _axes(fig, info, style)
    return fig


STUDY_MARKS = (("circle", "●"), ("square", "■"), ("diamond", "◆"), ("triangle-up", "▲"), ("cross", "✚"))
"""Symbol of each study's points where several are drawn (one study: a symbol per method), and it in a legend."""


def _dash(number: int) -> str:
    return ("solid", "dash", "dot", "dashdot", "longdash")[number % 5]


def _symbol(method: str | None, number: int | None) -> str:
    if number is None:
        return looks.SYMBOLS.get(str(method), "circle")
    return STUDY_MARKS[number % 5][0]


def _add_points(
    fig: go.Figure, info: ParetoInfo, style: looks.Style, study: str, method: str | None, number: int | None, named: set
) -> None:
    table = info.points[info.points["study"] == study]
    mine = table[table["method"] == method] if method else table[~table["method"].isin(looks.COLOURS)]
    kinds = (
        ("on the front", mine[mine["on_front"]], 1.0, ""),
        ("dominated", mine[~mine["on_front"] & ~mine["hollow"].astype(bool)], 0.38, ""),
        ("stopped early", mine[mine["hollow"].astype(bool)], 0.4, "-open"),
    )
    label = str(method or "unknown method")
    if len(mine) and label not in named:  # a legend in full colour, also of a method that has dominated points only
        marker = {"color": looks.colour(method), "symbol": _symbol(method, number), "size": 1.25 * style.marker}
        fig.add_scatter(x=[None], y=[None], mode="markers", name=label, legendgroup=label, marker=marker)
        named.add(label)
    for kind, rows, opacity, suffix in kinds:
        if not len(rows):
            continue
        fig.add_scatter(
            x=rows["x_drawn"],
            y=rows["y"],
            mode="markers",
            name=label,
            legendgroup=label,
            showlegend=False,
            opacity=opacity,
            marker={
                "color": looks.colour(method),
                "symbol": _symbol(method, number) + suffix,
                "size": style.marker * (1.25 if kind == "on the front" else 1.0),
                "line": {"width": max(1.0, style.line / 2), "color": looks.colour(method) if suffix else "white"},
            },
            error_y=_bars(rows, method, style),
            customdata=[_hover(row, info.axis, kind) for row in rows.itertuples()],
            hovertemplate="%{customdata}<extra></extra>",
        )


def _bars(rows: pd.DataFrame, method: str | None, style: looks.Style) -> dict | None:
    if rows["low"].isna().all():
        return None
    up, down = (rows["high"] - rows["y"]).fillna(0), (rows["y"] - rows["low"]).fillna(0)
    return {
        "type": "data",
        "symmetric": False,
        "array": up,
        "arrayminus": down,
        "color": looks.colour(method),
        "thickness": max(1.0, 0.6 * style.line),
        "width": 0.35 * style.marker,
    }


def _hover(row: object, axis: Axis, kind: str) -> str:
    interval = f" [{row.low:.2f}, {row.high:.2f}], n = {row.n}" if math.isfinite(row.low) else ""
    study = f"{row.study}<br>" if row.study else ""
    return f"{study}<b>{row.label}</b><br>{row.y:.2f} %{interval}<br>{cost_in_words(row.x, axis)}<br>{kind}"


def _axes(fig: go.Figure, info: ParetoInfo, style: looks.Style) -> None:
    low, high = info.x_range
    unit = "size in bytes, log scale" if info.axis.unit == "bytes" else info.axis.unit
    fig.update_yaxes(title_text=info.y_title)
    if not info.axis.log:
        fig.update_xaxes(title_text=f"{info.axis.title} ({unit})", range=[low, high])
        return
    values, texts = byte_ticks(low if info.zero_at is None else _slot_edge(info), high)
    if info.zero_at is not None:
        values, texts = [info.zero_at, *values], ["0<br>(none)", *texts]
        fig.add_vrect(x0=low, x1=_slot_edge(info), fillcolor=looks.GRID, opacity=0.55, line_width=0, layer="below")
    fig.update_xaxes(
        title_text=f"{info.axis.title} ({unit})", type="log", range=[math.log10(low), math.log10(high)],
        tickvals=values, ticktext=texts, tickangle=0,
    )  # fmt: skip


def _slot_edge(info: ParetoInfo) -> float:
    """Right edge of the shaded strip that sets cost 0 apart, so that nobody reads it as a position on the scale."""
    return info.zero_at**2 / info.x_range[0]

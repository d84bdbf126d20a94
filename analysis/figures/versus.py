"""The picture of two studies: both fronts above, the paired difference below. Drawing only."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figure_data.versus_info import VersusInfo
from analysis.figures import pareto
from analysis.figures import style as looks
from analysis.figures.figure import Figure
from analysis.figures.fronts import repeats_words
from analysis.results import notes
from analysis.results.front import names_of
from analysis.results.load import Results
from analysis.text import seeds_in_words

HEIGHTS = (0.62, 0.38)
"""Shares of the two panels."""
AFTER = 1001
"""Rank of what stands last in a legend (plotly's own is 1000)."""


def versus(info: VersusInfo, results: Sequence[Results], style: looks.Style) -> Figure:
    """`compare`: fronts of two studies over one cost and, where seeds are shared, the difference b minus a."""
    paired = not info.why_not
    fig = make_subplots(
        rows=1 + paired, cols=1, shared_xaxes=True, vertical_spacing=0.05, row_heights=list(HEIGHTS) if paired else None
    )
    where, named = {"row": 1, "col": 1}, set[str]()
    pareto.add_steps(fig, info.fronts, style, info.names, named, where)
    for number, study in enumerate(info.names):
        for method in [*looks.order(info.fronts.points["method"]), None]:
            pareto.add_points(fig, info.fronts, style, study, method, number, named, where)
    if paired:
        _differences(fig, info, style)
    for row in range(1, 2 + paired):  # strips and lines are drawn in panels that hold something alone
        pareto.axes(fig, info.fronts, style, 1, {"row": row, "col": 1})
    if paired:
        fig.add_hline(y=0, line={"color": looks.INK, "width": style.line / 2}, row=2, col=1)
        fig.update_xaxes(title_text=None, showticklabels=False, row=1, col=1)
        fig.update_yaxes(title_text="Difference (% points)", row=2, col=1)
        fig.update_layout(height=round(1.7 * style.height))
    title = f"{info.names[1]} against {info.names[0]}"
    looks.finish(fig.update_layout(title_text=title), style, results, wide=True)
    data = pd.concat([info.steps.assign(kind="best at this size"), info.same.assign(kind="point of both")])
    return Figure("compare", title, caption(info, results), fig, data)


def _differences(fig: go.Figure, info: VersusInfo, style: looks.Style) -> None:
    """A step for each pair of points with its interval as a band; points of both studies as markers with bars."""
    where = {"row": 2, "col": 1}
    shown = info.steps[info.steps["n"] > 0]
    band = "its 95 % interval"
    known = shown[shown["low"].notna()]
    for row in known.itertuples():
        fig.add_scatter(
            x=[row.x_drawn, row.until_drawn, row.until_drawn, row.x_drawn], y=[row.low, row.low, row.high, row.high],
            mode="lines", line={"width": 0}, fill="toself", fillcolor=looks.rgba(looks.INK, 0.16), name=band,
            legendgroup=band, showlegend=row.Index == known.index[0], legendrank=AFTER, hoverinfo="skip", **where,
        )  # fmt: skip
    line = f"{info.names[1]} minus {info.names[0]}, the best at each size"
    for row in shown.itertuples():
        fig.add_scatter(
            x=[row.x_drawn, row.until_drawn], y=[row.difference] * 2, mode="lines", name=line, legendgroup=line,
            line={"color": looks.INK, "width": style.line}, showlegend=row.Index == shown.index[0],
            hovertemplate=f"{row.label_b} minus {row.label_a}<br>{_hover(row)}<extra></extra>", **where,
        )  # fmt: skip
    same = info.same[info.same["n"] > 0]
    for number, method in enumerate(looks.order(same["method"])):
        rows = same[same["method"] == method]
        up, down = (rows["high"] - rows["difference"]).fillna(0), (rows["difference"] - rows["low"]).fillna(0)
        bars = {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "color": looks.colour(method)}
        fig.add_scatter(
            x=rows["x_drawn"], y=rows["difference"], mode="markers", name="the same point in both", legendgroup="same",
            showlegend=number == 0,
            error_y={**bars, "thickness": max(1.0, 0.6 * style.line), "width": 0.35 * style.marker},
            marker={"color": looks.colour(method), "symbol": "circle", "size": style.marker},
            customdata=[f"{row.label}<br>{_hover(row)}" for row in rows.itertuples()],
            hovertemplate="%{customdata}<extra></extra>", **where,
        )  # fmt: skip


def _hover(row: object) -> str:
    low, high = getattr(row, "low", math.nan), getattr(row, "high", math.nan)
    interval = f" [{low:+.2f}, {high:+.2f}]" if math.isfinite(low) else ""
    return f"{getattr(row, 'difference', math.nan):+.2f} percentage points{interval}, n = {getattr(row, 'n', 0)}"


def caption(info: VersusInfo, results: Sequence[Results]) -> str:
    """What is drawn, n and interval, and why there is no difference where there is none."""
    a, b = info.names
    told = " ".join(f"{r.name}: {f.score.title}.{repeats_words(f)}" for r, f in zip(results, info.found, strict=True))
    first = f"{told} Against {names_of([info.cost])}, each study with its own front."
    if info.why_not:
        return f"{first} No paired difference: {info.why_not}.{notes.momentum_note(results)}"
    counts = [n for n in [*info.steps["n"], *info.same["n"]] if n > 0]
    many = f"{info.comparisons} comparison{'s' * (info.comparisons != 1)}"
    return (
        f"{first} Below: {b} minus {a}, paired at the confirm seeds that both have ({seeds_in_words(counts)}); line: "
        f"at each size the best point of {b} that costs no more, minus that of {a}, both chosen by their means, which "
        f"flatters both; markers: the same point in both. Bands and bars: Student's t of the differences, never "
        f"narrower than with their pooled deviation, corrected for {many} (Bonferroni): together they hold with 95 %."
        f"{notes.momentum_note(results)}"
    )

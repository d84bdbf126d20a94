"""The picture of a front: accuracy against each cost. Drawing only; the numbers are `figure_data.pareto_info`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figure_data.pareto_info import ParetoInfo
from analysis.figures import style as looks
from analysis.text import byte_ticks, n_in_words
from study.schema import Metric, wording

STUDY_MARKS = (("circle", "●"), ("square", "■"), ("diamond", "◆"), ("triangle-up", "▲"), ("cross", "✚"))
"""Symbol of each study's points where several are drawn (one study: a symbol per method), and it in a legend."""
STORED = "front of those that store something"
"""In the legend, where a point of cost 0 dominates all."""
RINGS = ("circle-open", "square-open", "diamond-open", "hexagon-open", "octagon-open")
"""Around points of earlier studies, one kind for each study."""
FADED = 0.66
"""Opacity of what is not on the front: colours of two methods are still told apart."""
GAP = 0.06
"""Between panels, in widths of the drawing."""


def draw_pareto(panels: Sequence[ParetoInfo], style: looks.Style) -> go.Figure:
    """A panel per cost: the front's staircase in ink, its points solid, dominated ones faded, stopped runs hollow."""
    fig = make_subplots(rows=1, cols=len(panels), shared_yaxes=True, horizontal_spacing=GAP)
    studies = list(dict.fromkeys(study for info in panels for study in info.points["study"]))
    named: set[str] = set()
    for column, info in enumerate(panels, 1):
        where = {"row": 1, "col": column}
        add_wanted(fig, info, style, named, where)
        add_steps(fig, info, style, studies, named, where)
        for number, study in enumerate(studies):
            for method in [*looks.order(info.points["method"]), None]:
                add_points(fig, info, style, study, method, number if len(studies) > 1 else None, named, where)
        add_rings(fig, info, style, named, where)
        axes(fig, info, style, len(panels), where)
    return fig


WANTED = "wanted region"


def add_wanted(fig: go.Figure, info: ParetoInfo, style: looks.Style, named: set[str], where: dict[str, Any]) -> None:
    """The region that the study wants: shaded, with its edge as a line; reaching as far as the points do."""
    cost, least = info.wanted
    if cost is None and least is None:
        return
    low, high = info.x_range
    least_x = low if info.zero_at is None else slot_edge(info)
    ends = (low, max(least_x, min(high, cost)) if cost is not None else high)
    if info.sense == "max":
        ends = (high, max(low, cost) if cost is not None else low)
    accuracies = info.points[["y", "high", "low"]].to_numpy(dtype=float)
    known = accuracies[np.isfinite(accuracies)]
    top = max(float(known.max(initial=-math.inf)), -math.inf if least is None else least)
    bottom = least if least is not None else float(known.min(initial=top))
    top = top + 0.08 * (top - bottom) if top > bottom else bottom + 1.0
    x, y = [ends[0], ends[1], ends[1]], [bottom, bottom, top]
    if least is None:
        x, y = [ends[1], ends[1]], [bottom, top]
    fig.add_shape(
        type="rect", x0=ends[0], x1=ends[1], y0=bottom, y1=top, line_width=0,
        fillcolor=looks.WANTED, opacity=0.13, layer="below", name=WANTED, **where,
    )  # fmt: skip
    fig.add_scatter(
        x=x, y=y, mode="lines", name=WANTED, legendgroup=WANTED, showlegend=WANTED not in named, hoverinfo="skip",
        line={"color": looks.WANTED, "width": max(1.0, 0.7 * style.line), "dash": "dot"}, **where,
    )  # fmt: skip
    named.add(WANTED)


def add_rings(fig: go.Figure, info: ParetoInfo, style: looks.Style, named: set[str], where: dict[str, Any]) -> None:
    """A mark around the points that an earlier study has tried first, another one for each."""
    for number, origin in enumerate(name for name in dict.fromkeys(info.points["origin"]) if name):
        rows, name = info.points[info.points["origin"] == origin], f"first tried in {origin}"
        ring = {
            "symbol": RINGS[number % len(RINGS)], "size": 2.1 * style.marker, "color": looks.rgba(looks.INK, 0.6),
            "line": {"width": max(1.0, style.line / 2)},
        }  # fmt: skip
        fig.add_scatter(
            x=rows["x_drawn"], y=rows["y"], mode="markers", name=name, legendgroup=name, marker=ring,
            showlegend=name not in named, hoverinfo="skip", **where,
        )  # fmt: skip
        named.add(name)


def add_steps(
    fig: go.Figure, info: ParetoInfo, style: looks.Style, studies: Sequence[str], named: set[str], where: dict[str, Any]
) -> None:
    """The staircases of each study's front, told apart by their dashes. named: what stands in the legend already."""
    for number, study in enumerate(studies):
        of = "" if len(studies) == 1 else f": {study} ({STUDY_MARKS[number % 5][1]})"
        dash = looks.DASHES[number % 5]
        soft = looks.rgba(looks.INK, 0.6)
        drawn = {f"front{of}": (info.steps, looks.INK, dash), f"{STORED}{of}": (info.stored, soft, "dash")}
        for name, (all_steps, colour, dash_of) in drawn.items():
            steps = all_steps[all_steps["study"] == study]
            if len(steps):
                line = {"color": colour, "width": style.line, "shape": "hv", "dash": dash_of}
                fig.add_scatter(
                    x=steps["x_drawn"], y=steps["y"], mode="lines", line=line, name=name, legendgroup=name,
                    showlegend=name not in named, hoverinfo="skip", **where,
                )  # fmt: skip
                named.add(name)


def panel_width(style: looks.Style, count: int) -> float:
    """Pixels of one panel of so many."""
    whole = 0.85 * (style.wide if count > 1 else style.width)
    return whole * (1 - GAP * (count - 1)) / count


def _symbol(method: str | None, number: int | None) -> str:
    return looks.look(method).symbol if number is None else STUDY_MARKS[number % 5][0]


def add_points(
    fig: go.Figure, info: ParetoInfo, style: looks.Style, study: str, method: str | None, number: int | None,
    named: set[str], where: dict[str, Any],
) -> None:  # fmt: skip
    """Markers with bars of a method (None: of those without a look) in a study. number: of the study, if several are
    drawn; named: what stands in the legend already."""
    table = info.points[info.points["study"] == study]
    mine = table[table["method"] == method] if method else table[~table["method"].isin(looks.LOOKS)]
    stored = mine["on_stored"] & ~mine["on_front"]
    kinds = (
        ("on the front", mine[mine["on_front"]], 1.0, ""),
        (f"on the {STORED}", mine[stored], 0.85, ""),
        ("dominated", mine[~mine["on_front"] & ~stored & ~mine["hollow"].astype(bool)], FADED, ""),
        ("not trained to the end", mine[mine["hollow"].astype(bool)], FADED, "-open"),
    )
    label = str(method or "unknown method")
    if len(mine) and label not in named:  # a legend in full colour, also of a method that has dominated points only
        marker = {"color": looks.colour(method), "symbol": _symbol(method, number), "size": 1.25 * style.marker}
        fig.add_scatter(x=[None], y=[None], mode="markers", name=label, legendgroup=label, marker=marker, **where)
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
                "size": style.marker * (1.25 if kind.startswith("on the") else 1.0),
                "line": {"width": max(1.0, style.line / 2), "color": looks.colour(method) if suffix else "white"},
            },
            error_y=_error_bars(rows, method, style),
            customdata=[_hover(row, info.axis, kind) for row in rows.itertuples()],
            hovertemplate="%{customdata}<extra></extra>",
            **where,
        )


def _error_bars(rows: pd.DataFrame, method: str | None, style: looks.Style) -> dict[str, Any] | None:
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


def _hover(row: Any, axis: Metric, kind: str) -> str:
    interval = f" [{row.low:.2f}, {row.high:.2f}], {n_in_words(row.n)}" if math.isfinite(row.low) else ""
    study = f"{row.study}<br>" if row.study else ""
    cost = wording.value_in_words(row.x, axis)
    kind += f"<br>first tried in {row.origin}" if row.origin else ""
    return f"{study}<b>{row.label}</b><br>{row.y:.2f} %{interval}<br>{cost}<br>{kind}"


def axes(fig: go.Figure, info: ParetoInfo, style: looks.Style, count: int, where: dict[str, Any]) -> None:
    """Titles, ranges and ticks; a strip apart for cost 0. count: of panels in the drawing."""
    low, high = info.x_range
    if where["col"] == 1:
        fig.update_yaxes(title_text=info.y_title, **where)
    unit = "size in bytes" if info.axis.unit == "B" else info.axis.unit
    title = f"{info.axis.title} ({unit}{', log scale' if info.axis.log else ''})"
    if 0.53 * style.type(1.2) * len(title) > panel_width(style, count):
        title = title.replace(" (", "<br>(")
    if not info.axis.log:
        fig.update_xaxes(title_text=title, range=[low, high], **where)
        return
    values, texts = byte_ticks(low if info.zero_at is None else slot_edge(info), high)
    every = math.ceil(5 * 0.6 * style.font * (len(values) + 1) / panel_width(style, count))
    values, texts = values[(len(values) - 1) % every :: every], texts[(len(values) - 1) % every :: every]
    if info.zero_at is not None:
        values, texts = [info.zero_at, *values], ["0<br>(none)", *texts]
        fig.add_vrect(
            x0=low, x1=slot_edge(info), fillcolor=looks.GRID, opacity=0.55, line_width=0, layer="below", **where
        )  # fmt: skip
    fig.update_xaxes(
        title_text=title, type="log", range=[math.log10(low), math.log10(high)], tickvals=values, ticktext=texts,
        tickangle=0, **where,
    )  # fmt: skip


def slot_edge(info: ParetoInfo) -> float:
    """Right edge of the shaded strip that sets cost 0 apart, so that nobody reads it as a position on the scale."""
    assert info.zero_at is not None
    return info.zero_at**2 / info.x_range[0]

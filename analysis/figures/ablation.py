"""The steps of an ablation path. Drawing only; the numbers are `figure_data.ablation_info`."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from analysis.figure_data.ablation_info import AblationInfo, Step, ablation_info
from analysis.figures import style as looks
from analysis.figures.figure import Figure, Skipped
from analysis.figures.offline import name_room
from analysis.figures.panels import Panel, bars, grid, panel_figure, several
from analysis.figures.style import Style
from analysis.results import front, notes
from analysis.results.load import Results
from analysis.text import nice_ticks, seeds_in_words, with_interval

HALF = 0.3
"""Half of a bar's width, in steps."""


def ablation(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """`ablation`: from a baseline to a point of the front, one parameter at a time."""
    return panel_figure(
        "ablation", "Ablation: from a baseline, one parameter at a time", results, style,
        compute=ablation_info, draw=draw_steps, caption=_caption, rows=rows, wide=True,
    )  # fmt: skip


def _caption(panels: Sequence[Panel]) -> str:
    caption = (
        f"Left: {several(panels, lambda p: _words(p.info))}, after each step of the path, and its 95 % interval; bars "
        "lead from the mean before. Right: each step minus the step before, paired by seed. "
        f"{several(panels, lambda p: rule(p.info))} {several(panels, lambda p: chosen(p.info))}"
    )
    return caption + notes.momentum_note([p.results for p in panels])


def _words(info: AblationInfo) -> str:
    counts = [step.mean.n for step in info.steps if step.mean.n]
    left = f"; {info.untrained} of {len(info.steps) * len(info.seeds)} trainings missing" if info.untrained else ""
    return f"{info.score.title} ({seeds_in_words(counts)}{left})"


def rule(info: AblationInfo) -> str:
    """How the intervals of the differences are made."""
    said, many = notes.interval_words(info.paired, "Intervals of the differences"), info.comparisons
    if not any(len(one) > 1 for one in info.paired):
        return f"{said[:1].upper()}{said[1:]}."
    many_words = f"corrected for {many} comparison{'s' * (many != 1)} (Bonferroni)"
    return f"{said}, {many_words}: together they hold with 95 %."


def chosen(info: AblationInfo) -> str:
    """How target and order were chosen (ablation analysis: Fawcett and Hoos 2016)."""
    order = "in the order that the model of the search expected most of"
    if info.without is not None:
        order = f"in the order of the search space, as there was no model ({info.without})"
    flattered = " Being the best of several flatters the whole difference." if info.best else ""
    return f"The path leads to {info.why}, {order}; another order gives other steps.{flattered}"


def rows(info: AblationInfo) -> list[dict[str, Any]]:
    """The numbers of each step, and of the whole path, for CSV files."""
    nothing = (math.nan, math.nan, math.nan, 0, "")
    found = []
    for number, step in enumerate(info.steps):
        mean, difference = step.mean, step.difference or nothing
        found.append(
            {"step": str(number), "label": step.label, "method": step.method, "change": step.change}
            | {"beside": step.beside, **step.costs, "metric": info.score.column}
            | {"y": mean.mean, "low": mean.low, "high": mean.high, "n": mean.n, "how": mean.how}
            | {"values": "; ".join(f"{seed}: {value:.10g}" for seed, value in sorted(step.values.items()))}
            | dict(zip(("difference", "difference_low", "difference_high", "n_pairs"), difference, strict=False))
            | {f"expected_{name}": step.believed.get(name, math.nan) for name in ("accuracy", "low_95", "high_95")}
            | {"trials": " ".join(step.trials)}
        )
    total = dict(zip(("difference", "difference_low", "difference_high", "n_pairs"), info.total, strict=False))
    return [
        *found,
        {"step": "total", "label": info.steps[-1].label, "metric": info.score.column, "n": info.total.n, **total},
    ]


# --- drawing ---


def draw_steps(panels: Sequence[Panel], style: Style) -> go.Figure:
    """A row per study; accuracies left, differences right; a line per step, the baseline on top."""
    names = [[_name(step, panel.results, style) for step in panel.info.steps] for panel in panels]
    lines = max(len(name) for panel in names for name in panel)
    needed = (1.3 * lines + 0.9) * style.font * max(len(panel.info.steps) for panel in panels) + 8 * style.font
    fig = grid(panels, ["", ""], style, height=max(needed / style.height, 0.6), gap=0.05)
    shown = {step.method for panel in panels for step in panel.info.steps if step.mean.n}
    named = set[str]() if len(shown) > 1 else shown
    for row, (panel, texts) in enumerate(zip(panels, names, strict=True), 1):
        left, right = ({"row": row, "col": column} for column in (1, 2))
        _waterfall(fig, panel.info, style, left)
        _means(fig, panel.info, style, named, left)
        _differences(fig, panel.info, style, right)
        fig.update_xaxes(title_text=panel.info.score.title, **_axis(_ends(panel.info)), **left)
        fig.update_xaxes(title_text="Difference (% points)", **_axis(_gaps(panel.info)), **right)
        ticks = ["<br>".join(text) for text in texts]
        places = list(range(len(ticks)))
        fig.update_yaxes(range=[places[-1] + 0.6, -0.6], tickvals=places, ticktext=ticks, showgrid=False, row=row)
        fig.update_yaxes(tickvals=[], **right)
    return fig


def _name(step: Step, results: Results, style: Style) -> list[str]:
    """The change, what came with it and the costs, in lines."""
    room = name_room(style)
    lines = [line for text in (step.change, step.beside) if text for line in textwrap.wrap(text, room)]
    known = [name for name in results.costs if math.isfinite(step.costs[name])]
    return [*lines, front.costs_in_words(step.costs, known).replace(" ", "\u00a0")] if known else lines


def _waterfall(fig: go.Figure, info: AblationInfo, style: Style, where: dict[str, Any]) -> None:
    """A bar from each mean to the next, and a line that carries the mean on to it."""
    for number, (before, after) in enumerate(zip(info.steps, info.steps[1:], strict=False), 1):
        if not (before.mean.n and after.mean.n):
            continue
        low, high = sorted((before.mean.mean, after.mean.mean))
        colour = looks.INK if after.mean.mean >= before.mean.mean else looks.WARN
        fig.add_scatter(
            x=[low, high, high, low, low], y=[number + s * HALF for s in (-1, -1, 1, 1, -1)], mode="lines",
            fill="toself", fillcolor=looks.rgba(colour, 0.22), line={"width": 0}, showlegend=False, hoverinfo="skip",
            name="loss" if colour == looks.WARN else "gain", **where,
        )  # fmt: skip
        fig.add_scatter(
            x=[before.mean.mean] * 2, y=[number - 1, number + HALF], mode="lines", showlegend=False, hoverinfo="skip",
            line={"color": looks.INK, "width": 0.6 * style.line, "dash": "dot"}, name="carried on", **where,
        )  # fmt: skip


def _means(fig: go.Figure, info: AblationInfo, style: Style, named: set[str], where: dict[str, Any]) -> None:
    for method in looks.order([step.method for step in info.steps]):
        found = [(i, step) for i, step in enumerate(info.steps) if step.method == method and step.mean.n]
        if not found:
            continue
        means, look = [step.mean for _, step in found], looks.look(method)
        fig.add_scatter(
            x=[mean.mean for mean in means], y=[i for i, _ in found], mode="markers", name=method, legendgroup=method,
            showlegend=method not in named, error_x=bars(means, style, look.colour),
            marker={"color": look.colour, "symbol": look.symbol, "size": style.marker},
            customdata=[f"{step.label}<br>{_told(step.mean)} %, n = {step.mean.n}" for _, step in found],
            hovertemplate="%{customdata}<extra></extra>", **where,
        )  # fmt: skip
        named.add(method)


def _differences(fig: go.Figure, info: AblationInfo, style: Style, where: dict[str, Any]) -> None:
    found = [(i, s.difference, s) for i, s in enumerate(info.steps) if s.difference is not None and s.difference.n]
    fig.add_scatter(
        x=[d.mean for _, d, _ in found], y=[i for i, _, _ in found], mode="markers", showlegend=False,
        name="difference", error_x=bars([d for _, d, _ in found], style, looks.INK),
        marker={"color": looks.INK, "symbol": "circle", "size": style.marker},
        customdata=[f"{s.change}<br>{_told(d)} percentage points, n = {d.n}" for _, d, s in found],
        hovertemplate="%{customdata}<extra></extra>", **where,
    )  # fmt: skip
    fig.add_vline(x=0, line={"color": looks.INK, "width": style.line / 2}, **where)  # none in an empty panel


def _told(mean: Any) -> str:
    return with_interval(mean.mean, mean.low, mean.high)


def _ends(info: AblationInfo) -> list[float]:
    return [v for step in info.steps for v in step.mean[:3] if math.isfinite(v)]


def _gaps(info: AblationInfo) -> list[float]:
    return [0.0, *(v for step in info.steps if step.difference for v in step.difference[:3] if math.isfinite(v))]


def _axis(values: Sequence[float]) -> dict[str, Any]:
    """Range and ticks that hold these values."""
    low, high = min(values), max(values)
    room = max(0.06 * (high - low), 0.05)
    ends = [low - room, high + room]
    return {"range": ends, "tickvals": nice_ticks(ends[0], ends[1], 5)}

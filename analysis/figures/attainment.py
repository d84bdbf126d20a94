"""Many fronts at once: attainment surfaces over the seeds of confirmed points, and over several studies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figure_data.attainment_info import AttainmentInfo, Level, over_seeds, over_studies
from analysis.figure_data.common import NotEnough
from analysis.figure_data.pareto_info import ParetoInfo, pareto_info
from analysis.figures import pareto
from analysis.figures import style as looks
from analysis.figures.figure import Figure, Skipped
from analysis.figures.style import Style, finish
from analysis.results import front, notes, points
from analysis.results.load import Results
from analysis.text import joined

COLOURS = (looks.INK, *(look.colour for look in looks.FURTHER))
"""Of studies, where surfaces of several are drawn."""
SOURCE = "Grunert da Fonseca, Fonseca and Hall 2001"
MEANING = "best: attained by one run, median: by at least half of them, worst: by all"


def seed_attainment(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """`attainment`: best, median and worst surface over the confirm seeds, a colour per study."""
    title = "Fronts over the confirm seeds: attainment surfaces"
    return _drawn("attainment", title, results, style, lambda cost: _of_seeds(results, cost))


def study_attainment(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """`attainment_studies`: the same over the fronts of means of several studies of one data set and score."""
    title = "Fronts over the studies: attainment surfaces"
    return _drawn("attainment_studies", title, results, style, lambda cost: [over_studies(results, cost)])


def _of_seeds(results: Sequence[Results], cost: str) -> list[AttainmentInfo]:
    """Of the studies that have this cost and enough seeds; NotEnough with every reason if none has."""
    found, reasons = list[AttainmentInfo](), list[str]()
    for one in (one for one in results if cost in one.costs):
        try:
            found.append(over_seeds(one, cost))
        except NotEnough as reason:
            reasons.append(str(reason) if len(results) == 1 else f"{one.name}: {reason}")
    if not found:
        raise NotEnough("; ".join(reasons))
    return found


def _drawn(
    name: str, title: str, results: Sequence[Results], style: Style, of: Callable[[str], list[AttainmentInfo]]
) -> Figure | Skipped:
    costs = [cost for cost in front.AXES if any(cost in one.costs for one in results)]
    try:
        found = {cost: of(cost) for cost in costs}
    except NotEnough as reason:
        return Skipped(name, str(reason))
    if not found:
        return Skipped(name, "the study has no cost")
    score = next(s for one in results if (s := points.confirm_score(one)) is not None)
    fig = make_subplots(rows=1, cols=len(costs), shared_yaxes=True, horizontal_spacing=pareto.GAP)
    for column, (cost, infos) in enumerate(found.items(), 1):
        _panel(fig, cost, infos, results, score.title, style, len(costs), column)
    finish(fig.update_layout(title_text=title), style, results, wide=len(costs) > 1)
    first = next(iter(found.values()))
    caption = (
        f"{score.title} against {front.names_of(costs)}. Surfaces of what is attained ({SOURCE}) over "
        f"{joined([_runs(info) for info in first])}; {MEANING}; shaded: between best and worst. Small marks: every "
        f"run's points. They show how runs spread and are no intervals.{_left_out(first)}{notes.momentum_note(results)}"
    )
    return Figure(name, title, caption, fig, numbers(found))


def _runs(info: AttainmentInfo) -> str:
    kind = "seed" if info.runs[0].startswith("seed ") else "study"
    many = kind if len(info.runs) == 1 else {"seed": "seeds", "study": "studies"}[kind]
    of = f" of {info.name}" if kind == "seed" else ""
    return f"n = {len(info.runs)} {many}{of} ({info.table['label'].nunique()} points)"


def _left_out(infos: Sequence[AttainmentInfo]) -> str:
    left = [label for info in infos for label in info.left_out]
    return f" Left out, as the others do not share them: {', '.join(left)}." if left else ""


def _panel(
    fig: go.Figure, cost: str, infos: Sequence[AttainmentInfo], results: Sequence[Results], y_title: str, style: Style,
    count: int, column: int,
) -> None:  # fmt: skip
    """Of one cost: surfaces of each group of runs, every run's points, and the axes."""
    sense = next(one.objectives[cost] for one in results if cost in one.costs)
    table = pd.concat([info.table for info in infos], ignore_index=True).rename(columns={"x": cost})
    axis, where = pareto_info(table, cost, sense=sense, y_title=y_title), {"row": 1, "col": column}
    low, high = float(axis.points["y"].min()), float(axis.points["y"].max())
    margin = 0.06 * max(high - low, 1.0)
    for number, info in enumerate(infos):
        colour = COLOURS[number % len(COLOURS)]
        of = f"{info.name}: " if len(infos) > 1 else ""
        _surfaces(fig, axis, info, (colour, of, low - margin), style, column == 1, where)
    for method in looks.order(axis.points["method"]):
        mine, look = axis.points[axis.points["method"] == method], looks.look(method)
        fig.add_scatter(
            x=mine["x_drawn"], y=mine["y"], mode="markers", name=method, legendgroup=method, showlegend=column == 1,
            marker={"color": look.colour, "symbol": look.symbol, "size": 0.6 * style.marker}, opacity=0.55,
            customdata=mine["label"], hovertemplate="%{customdata}<br>%{y:.2f} %<extra></extra>", **where,
        )  # fmt: skip
    pareto.axes(fig, axis, style, count, where)
    fig.update_yaxes(range=[low - margin, high + margin], **where)


DASH_OF = {"best": "dot", "median": "solid", "worst": "dash"}


def _surfaces(
    fig: go.Figure, axis: ParetoInfo, info: AttainmentInfo, drawn: tuple[str, str, float], style: Style, named: bool,
    where: dict[str, Any],
) -> None:  # fmt: skip
    """The band between best and worst, and the three staircases. drawn: colour, what names begin with, and the lowest
    accuracy of the drawing, below which what nobody attains is not followed."""
    colour, of, floor = drawn
    paths = {level.name: path(level, axis, floor) for level in info.levels}
    band = np.concatenate([paths["best"], paths["worst"][::-1]])
    fig.add_scatter(
        x=band[:, 0], y=band[:, 1], mode="lines", line={"width": 0}, fill="toself", showlegend=False, hoverinfo="skip",
        fillcolor=looks.rgba(colour, 0.13), **where,
    )  # fmt: skip
    for level in info.levels:
        wide = style.line * (1.25 if level.name == "median" else 0.75)
        fig.add_scatter(
            x=paths[level.name][:, 0], y=paths[level.name][:, 1], mode="lines", name=f"{of}{level.name}",
            legendgroup=f"{of}{level.name}", showlegend=named, hoverinfo="skip",
            line={"color": colour, "width": wide, "dash": DASH_OF[level.name]}, **where,
        )  # fmt: skip


def path(level: Level, axis: ParetoInfo, floor: float) -> np.ndarray:
    """Places [C, 2] of a staircase in the drawing: up from `floor` at its first cost, on to the edge at its last."""
    edge = axis.x_range[1] if axis.sense == "min" else axis.x_range[0]
    places, height = [], floor
    for cost, accuracy in level.corners:
        x = axis.zero_at if cost <= 0 and axis.zero_at is not None else cost
        places += [(x, height), (x, accuracy)]
        height = accuracy
    return np.array([*places, (edge, height)])


def numbers(found: Mapping[str, Sequence[AttainmentInfo]]) -> pd.DataFrame:
    """Every corner of every surface: study, cost, level, runs that attain it, their number, value, accuracy."""
    rows = [
        (info.name, cost, level.name, level.of, len(info.runs), value, accuracy)
        for cost, infos in found.items() for info in infos for level in info.levels for value, accuracy in level.corners
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["study", "cost", "level", "attained_by", "runs", "value", "accuracy"])

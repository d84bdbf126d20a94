"""The front of each method alone, whichever wins, with what stores nothing as the line to beat."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from analysis.figure_data.pareto_info import ParetoInfo, pareto_info
from analysis.figures import fronts, pareto
from analysis.figures import style as looks
from analysis.figures.figure import Figure, Skipped
from analysis.figures.style import Style, finish
from analysis.results import front, notes, points
from analysis.results.load import Results
from analysis.text import in_sentence

NAME = "pareto_by_method"


def front_by_method(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """`pareto_by_method`: a staircase per method over the study's first cost; a line for each that costs nothing."""
    if len(results) > 1:
        return Skipped(NAME, "drawn for one study at a time")
    study, found = results[0], front.front_of(results[0])
    if found is None or not study.costs:
        return Skipped(NAME, "no trial has finished" if found is None else "the study has no cost")
    cost, table = study.costs[0], found.points
    free = table.groupby("method")[cost].transform("max") == 0
    lines, storing = best_of_each(table[free]), table[~free]
    if table["method"].nunique() < 2 or storing.empty or storing["method"].value_counts().max() < 2:
        return Skipped(NAME, "it needs two methods, one of them with two points that cost something")
    info = by_method_info(storing, cost, study.objectives[cost], fronts.y_title(found))
    title = f"Each method's own front, over {in_sentence(info.axis.title)}"
    drawing = draw_by_method(info, lines, style).update_layout(title_text=title)
    finish(drawing, style, results)
    caption = (
        f"{found.score.title}; each method's points alone: solid and joined where no point of the same method is "
        f"better at the same or lower cost, else faded.{fronts.repeats_words(found)}"
    )
    if len(lines):
        caption += f" Level lines, the ones to beat: {', '.join(lines['label'])}, which cost nothing"
        caption += " (shaded: 95 % interval)." if lines["low"].notna().any() else "."
    caption += fronts.learned_note(study, table)
    caption += notes.sampling_note(study, found.score.column, table["y"]) + notes.momentum_note(results)
    return Figure(NAME, title, caption, drawing, points.for_csv(table))


def by_method_info(storing: pd.DataFrame, cost: str, sense: str, y_title: str) -> ParetoInfo:
    """What to draw of points that cost something; `study` of its points and steps is their method."""
    two = storing.assign(study=storing["method"]).drop(columns=["on_front"], errors="ignore")
    return pareto_info(two, cost, sense=sense, y_title=y_title)


def best_of_each(free: pd.DataFrame) -> pd.DataFrame:
    """Of methods that cost nothing the most accurate point each: method, label, y, low, high."""
    best = free.loc[free.groupby("method")["y"].idxmax()] if len(free) else free
    return best.reindex(columns=["method", "label", "y", "low", "high"]).reset_index(drop=True)


def draw_by_method(info: ParetoInfo, lines: pd.DataFrame, style: Style) -> go.Figure:
    """Staircases and points in the methods' colours; level lines with their interval as a band."""
    fig = go.Figure().set_subplots(1, 1)
    where = {"row": 1, "col": 1}
    for row in lines.itertuples():
        colour = looks.colour(row.method)
        fig.add_scatter(
            x=info.x_range, y=[row.y, row.y], mode="lines", name=f"{row.method}, the line to beat", hoverinfo="skip",
            line={"color": colour, "width": style.line, "dash": "dot"},
        )  # fmt: skip
        if math.isfinite(row.low):
            fig.add_hrect(y0=row.low, y1=row.high, fillcolor=looks.rgba(colour, 0.1), line_width=0, layer="below")
    named: set[str] = set()
    for method in looks.order(info.points["method"]):
        steps = info.steps[info.steps["study"] == method]
        look = looks.look(method)
        fig.add_scatter(
            x=steps["x_drawn"], y=steps["y"], mode="lines", legendgroup=method, showlegend=False, hoverinfo="skip",
            line={"color": look.colour, "width": style.line, "shape": "hv", "dash": look.dash},
        )  # fmt: skip
        mine = info._replace(points=info.points[info.points["method"] == method].assign(study=""))
        pareto.add_points(fig, mine, style, "", method, None, named, where)
        fronts.name_points(fig, mine, style)
    pareto.add_rings(fig, info, style, named, where)
    pareto.axes(fig, info, style, 1, where)
    return fig

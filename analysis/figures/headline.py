"""The main figures: the front with its uncertainty, all trials of the search, and accuracy over epochs."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from analysis.figure_data.pareto_info import ParetoInfo, pareto_info
from analysis.figures import pareto
from analysis.figures.figure import Figure, Skipped
from analysis.figures.style import COLOURS, DASHES, INK, Style, colour, faded, finish, order
from analysis.results import points
from analysis.results.load import Results
from study import schema

CURVES_SHOWN = 150
"""Beyond this many trials only means per method are drawn."""


def front(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """`pareto`: confirmed points with intervals, or the finished trials of a search without confirm stage."""
    fronts = [(r, f) for r in results if (f := points.front_of(r, style.x)) is not None]
    if not fronts:
        return Skipped("pareto", "no trial has finished")
    columns = {f.score.title for _, f in fronts}
    y_title = columns.pop() if len(columns) == 1 else "Accuracy (%), see the caption for each study's score"
    table = pd.concat([f.points for _, f in fronts], ignore_index=True)
    if len(results) == 1:
        table["study"] = ""
    info = pareto_info(table, x=style.x, y_title=y_title)
    title = f"Accuracy against {info.axis.title.lower()}"
    drawing = name_points(pareto.draw_pareto(info, style).update_layout(title_text=title), info, style)
    finish(drawing, style, results)
    caption = " ".join(_front_caption(r, f, len(fronts) > 1) for r, f in fronts)
    data = pd.concat([points.for_csv(f.points) for _, f in fronts], ignore_index=True)
    data["study"] = [name for r, f in fronts for name in [r.name] * len(f.points)]
    return Figure("pareto", title, caption, drawing, data)


def _front_caption(results: Results, found: points.Front, named: bool) -> str:
    seeds = sorted({int(n) for n in found.points["n"]})
    n = f"n = {seeds[0]}" if len(seeds) == 1 else f"n = {seeds[0]} to {seeds[-1]}"
    name = f"{results.name}: " if named else ""
    if found.score.stage == points.SEARCH:
        return (
            f"{name}{found.score.title}, finished trials of the search, one seed each (no intervals: nothing was "
            f"repeated). Line: Pareto front; faded: dominated. Hypervolume {found.statistics.hypervolume:.2f} "
            f"({found.reference.words})."
        )
    interval = ""
    if math.isfinite(found.statistics.low):
        interval = f" [{found.statistics.low:.2f}, {found.statistics.high:.2f}]"
    return (
        f"{name}{found.score.title}: mean over seeds ({n}), bars are 95 % intervals ({_how(found.points)}). Line: "
        f"front of means; faded: dominated points. Hypervolume {found.statistics.hypervolume:.2f}{interval} "
        f"({found.reference.words})."
    )


def _how(table: pd.DataFrame) -> str:
    words = {"t": "Student's t", "bootstrap": "BCa bootstrap", "single value": "none for single runs"}
    return ", ".join(dict.fromkeys(words.get(how, how) for how in table["how"]))


SIZE = re.compile(r"\b(k|queue|queue_size)=(\d+)")


def front_names(info: ParetoInfo, style: Style) -> list[tuple[float, float, str, str]]:
    """x, y, size of the support set in words and where it goes, of the points on a single study's front.

    Below the front's line nothing of the front is in the way; who stands too close to a name on its left has none.
    """
    if info.points["study"].nunique() > 1:
        return []
    low, high = (math.log10(v) if info.axis.log else v for v in info.x_range)
    names, free = [], 0.0
    for row in info.points[info.points["on_front"]].sort_values("x_drawn").itertuples():
        found = SIZE.search(str(row.label))
        if not found:
            continue
        text = f"k = {found[2]}" if found[1] == "k" else f"queue {found[2]}"
        at = ((math.log10(row.x_drawn) if info.axis.log else row.x_drawn) - low) / (high - low)
        width = (0.5 * 0.9 * style.font * len(text) + style.marker) / (0.85 * style.width)
        left = at + width > 1
        if at - width * left >= free:
            names.append((row.x_drawn, row.y, text, f"bottom {'left' if left else 'right'}"))
            free = at + width * (not left)
    return names


def name_points(fig: go.Figure, info: ParetoInfo, style: Style) -> go.Figure:
    """Write `front_names` into the drawing, for who reads it on paper; unseen markers keep them off the points."""
    names = front_names(info, style)
    if names:
        x, y, texts, places = zip(*names, strict=True)
        fig.add_scatter(
            x=x, y=y, mode="markers+text", text=texts, textposition=places, name="names", showlegend=False,
            marker={"size": 2 * style.marker, "opacity": 0}, hoverinfo="skip",
            textfont={"size": math.ceil(0.9 * style.font), "color": INK},
        )  # fmt: skip
    return fig


def search_front(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """`pareto_search`: every trial of the search, also those stopped early or still running."""
    if all(points.confirm_score(r) is None for r in results) and not any(r.running for r in results):
        shown = [r for r in results if (points.searched(r, style.x)["hollow"]).any()]
        if not shown:
            return Skipped("pareto_search", "the search has no stopped trials, so it would repeat the main figure")
    tables = [t for r in results for t in (points.searched(r, style.x), points.running(r, style.x)) if len(t)]
    if not tables:
        return Skipped("pareto_search", "no trial of the search has reported an accuracy")
    table = pd.concat(tables, ignore_index=True)
    info = pareto_info(
        table.assign(study="") if len(results) == 1 else table, x=style.x, y_title=points.search_score(results[0]).title
    )
    title = "All trials of the search"
    drawing = finish(pareto.draw_pareto(info, style).update_layout(title_text=title), style, results)
    full, hollow = int((~table["hollow"].astype(bool)).sum()), int(table["hollow"].astype(bool).sum())
    caption = (
        f"Every trial of the search on validation, one seed each: {full} ran their full budget, {hollow} were stopped "
        f"early or are still running (hollow: their accuracy is of a smaller budget, so they are never on the front)."
    )
    data = table.assign(on_front=False)
    data.loc[info.points.index, "on_front"] = info.points["on_front"]
    return Figure("pareto_search", title, caption, drawing, data)


def curves(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """`curves`: validation accuracy per epoch, one line per trial, the mean per method in bold."""
    tables = [r.reports.assign(study=r.name) for r in results if len(r.reports)]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"accuracy": []})
    table = table[table["accuracy"].notna()]
    if not len(table):
        return Skipped("curves", "no trial has reported an accuracy")
    drawing = go.Figure()
    methods = [*order(table["method"]), None]
    trials = table.groupby(["study", "stage", "trial_id"]).ngroups
    for method in methods:
        mine = table[table["method"] == method] if method else table[~table["method"].isin(COLOURS)]
        if len(mine):
            _add_curves(drawing, mine, method, style, single=trials <= CURVES_SHOWN)
    drawing.update_xaxes(title_text="Epoch", rangemode="tozero")
    drawing.update_yaxes(title_text=points.search_score(results[0]).title)
    drawing.update_layout(title_text="Accuracy over epochs")
    finish(drawing, style, results)
    caption = (
        f"Validation accuracy at the end of each epoch, {trials} trials of all stages. Thick: mean per method over the "
        f"trials that ran their full budget{'; thin: single trials' if trials <= CURVES_SHOWN else ''}."
    )
    columns = ["study", "stage", "trial_id", "method", "label", "seed", "epoch", "accuracy"]
    return Figure("curves", "Accuracy over epochs", caption, drawing, table[columns])


def _add_curves(drawing: go.Figure, mine: pd.DataFrame, method: str | None, style: Style, single: bool) -> None:
    name = method or "method not on record yet"
    for _, trial in mine.groupby(["study", "stage", "trial_id"]) if single else ():
        drawing.add_scatter(
            x=trial["epoch"], y=trial["accuracy"], mode="lines", name=name, legendgroup=name, showlegend=False,
            line={"color": faded(method, 0.3), "width": max(0.6, style.line / 2)},
            text=[f"{trial['label'].iloc[0]} (seed {trial['seed'].iloc[0]})"] * len(trial),
            hovertemplate="%{text}<br>epoch %{x}: %{y:.2f} %<extra></extra>",
        )  # fmt: skip
    full = mine[mine["status"] == schema.COMPLETED]
    source = full if len(full) else mine
    mean = source.groupby("epoch")["accuracy"].mean()
    drawing.add_scatter(
        x=mean.index, y=mean, mode="lines", name=name, legendgroup=name,
        line={"color": colour(method), "width": 1.3 * style.line, "dash": DASHES.get(name, "solid")},
        hovertemplate=f"mean of {name}<br>epoch %{{x}}: %{{y:.2f}} %<extra></extra>",
    )  # fmt: skip


MAKERS = (front, search_front, curves)

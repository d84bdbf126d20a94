"""The main figures: the front with its uncertainty, and all trials of the search."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from analysis.figure_data.pareto_info import ParetoInfo, pareto_info
from analysis.figures import pareto
from analysis.figures.figure import Figure, Skipped
from analysis.figures.style import INK, Style, finish
from analysis.results import front as fronts
from analysis.results import notes, points, wanted
from analysis.results.front import Front
from analysis.results.load import Results
from analysis.text import FEW, seeds_in_words
from study import schema


def front(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """`pareto`: confirmed points with intervals, or the finished trials of a search without confirm stage."""
    found = [(r, f) for r in results if (f := fronts.front_of(r)) is not None]
    if not found:
        return Skipped("pareto", "no trial has finished")
    titles = {y_title(f) for _, f in found}
    title_of_y = titles.pop() if len(titles) == 1 else "Accuracy (%), see the caption for each study's score"
    drawn = [(r, f.points) for r, f in found]
    panels = _panels(drawn, title_of_y)
    title = f"Accuracy against {fronts.names_of(_costs(drawn))}"
    drawing = pareto.draw_pareto(panels, style).update_layout(title_text=title)
    for column, info in enumerate(panels, 1):
        name_points(drawing, info, style, column, len(panels))
    finish(drawing, style, results, wide=len(panels) > 1)
    apart = {study for info in panels for study in info.stored["study"]}
    several = len(found) > 1
    caption = " ".join(_front_caption(r, f, several, (r.name if several else "") in apart) for r, f in found)
    if any(limit is not None for info in panels for limit in info.wanted):
        caption = f"Shaded: {wanted.region_of(found[0][0])}. {caption}"
    caption += "".join(learned_note(r, f.points) for r, f in found)
    caption += notes.momentum_note([r for r, _ in found])
    data = pd.concat([points.for_csv(f.points).assign(study=r.name) for r, f in found], ignore_index=True)
    return Figure("pareto", title, caption, drawing, data)


def y_title(found: Front) -> str:
    """The score, and how few seeds it is of if they are few: also a picture without its caption says so."""
    counts = found.points["n"]
    few = found.score.stage == schema.CONFIRM and counts.min() < FEW
    return found.score.title + (f"<br>{seeds_in_words(counts)}" if few else "")


def repeats_words(found: Front) -> str:
    """How often the points were run, and what their bars are: a sentence for a caption."""
    if found.score.stage == schema.SEARCH:
        return " Finished trials of the search, one seed each: nothing was repeated, so there are no intervals."
    bars = f"; bars: {notes.interval_words(found.points['values'])}" if found.points["n"].max() > 1 else ""
    return f" Mean over seeds ({seeds_in_words(found.points['n'])}){bars}."


def _costs(tables: Sequence[tuple[Results, pd.DataFrame]]) -> list[str]:
    """Every cost of any study, in one order."""
    there = {name for results, _ in tables for name in results.costs}
    return [name for name in fronts.AXES if name in there]


def _panels(tables: Sequence[tuple[Results, pd.DataFrame]], y_title: str) -> list[ParetoInfo]:
    """A panel per cost, with the studies that count it."""
    several, panels = len(tables) > 1, []
    for cost in _costs(tables):
        part = [(r, t.assign(study=r.name if several else "")) for r, t in tables if cost in r.costs]
        table = pd.concat([t for _, t in part], ignore_index=True)
        info = pareto_info(table, cost, sense=part[0][0].objectives[cost], y_title=y_title)
        panels.append(info._replace(wanted=_wanted([r for r, _ in part], cost)))
    return panels


def _wanted(results: Sequence[Results], cost: str) -> tuple[float | None, float | None]:
    """The region that these studies want of this cost and the accuracy, where all want the same."""
    limits = [wanted.limits_of(one) for one in results]
    if any(one != limits[0] for one in limits):
        return None, None
    return limits[0].get(cost), limits[0].get(schema.ACCURACY)


STORED_WORDS = "Nothing that stores something is on it, so the front among those that do is drawn too, dashed."


def _front_caption(results: Results, found: Front, named: bool, stores_apart: bool) -> str:
    name = f"{results.name}: " if named else ""
    volume = f"{found.statistics.hypervolume:.2f}"
    words = fronts.reference_in_words(found.reference, found.objectives)
    many = len(results.costs) > 1
    everything = f"accuracy, {fronts.names_of(results.costs)}"
    line = f"front in the two objectives of a panel; solid: on the front of all ({everything})" if many else ""
    stored = f" {STORED_WORDS}" if stores_apart else ""
    sampling = notes.sampling_note(results, found.score.column, found.points["y"])
    if found.score.stage == schema.SEARCH:
        return (
            f"{name}{found.score.title}.{repeats_words(found)} Line: {line or 'Pareto front'}; faded: dominated."
            f"{stored} Hypervolume {volume} ({words}).{sampling}"
        )
    interval = ""
    if math.isfinite(found.statistics.low):
        interval = f" [{found.statistics.low:.2f}, {found.statistics.high:.2f}]"
    elif found.points["n"].max() > 1:
        interval = " (no interval: a cost is measured, or too few seeds are shared by all points)"
    return (
        f"{name}{found.score.title}.{repeats_words(found)} "
        f"Line: {line or 'front of means'}; faded: dominated points.{stored} Hypervolume {volume}{interval} ({words})."
        f"{sampling}"
    )


def learned_note(results: Results, table: pd.DataFrame) -> str:
    """Whose the marked points are, if there are any."""
    marked = "origin" in table and (table["origin"].fillna("") != "").any()
    return f" Marked around: tried first by an earlier study.{notes.learned_note(results)}" if marked else ""


def _size(label: str) -> re.Match[str] | None:
    """`k=400` of a point's label."""
    sizes = {kind.size.rpartition(".")[2] for kind in schema.SUPPORT_KINDS.values() if kind.size}
    return re.search(rf"\b({'|'.join(sorted(map(re.escape, sizes)))}|queue)=(\d+)", label)


PLACES = {"min": ("bottom right", "top left"), "max": ("top right", "bottom left")}
"""Where a name goes, right and left of its point: nothing of the front is there."""


def front_names(info: ParetoInfo, style: Style, count: int = 1) -> list[tuple[float, float, str, str]]:
    """x, y, size of the support set in words and where it goes, of the points on a single study's front.

    A point too close to the name on its left has none. count: of panels in the drawing.
    """
    if info.points["study"].nunique() > 1:
        return []
    low, high = (math.log10(v) if info.axis.log else v for v in info.x_range)
    names, free = [], 0.0
    for row in info.points[info.points["on_front"] | info.points["on_stored"]].sort_values("x_drawn").itertuples():
        found = _size(str(row.label))
        if not found:
            continue
        text = f"k = {found[2]}" if found[1] == "k" else f"{found[1].removesuffix('_size')} {found[2]}"
        at = ((math.log10(row.x_drawn) if info.axis.log else row.x_drawn) - low) / (high - low)
        width = (0.55 * style.type(0.9) * len(text) + style.marker) / pareto.panel_width(style, count)
        left = at + width > 1
        if at - width * left >= free:
            names.append((row.x_drawn, row.y, text, PLACES[info.sense][left]))
            free = at + width * (not left)
    return names


def name_points(fig: go.Figure, info: ParetoInfo, style: Style, column: int = 1, count: int = 1) -> None:
    """Write `front_names` into a panel, for who reads it on paper; unseen markers keep them off the points."""
    names = front_names(info, style, count)
    if names:
        x, y, texts, places = zip(*names, strict=True)
        fig.add_scatter(
            x=x, y=y, mode="markers+text", text=texts, textposition=places, name="names", showlegend=False,
            marker={"size": 2 * style.marker, "opacity": 0}, hoverinfo="skip", row=1, col=column,
            textfont={"size": style.type(0.9), "color": INK},
        )  # fmt: skip


def search_front(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """`pareto_search`: every trial of the search, also those stopped early or still running."""
    if all(points.confirm_score(r) is None for r in results) and not any(r.running for r in results):
        shown = [r for r in results if (points.searched(r)["hollow"]).any()]
        if not shown:
            return Skipped("pareto_search", "the search has no stopped trials, so it would repeat the main figure")
    drawn = [(r, table) for r in results if len(table := _every_trial(r))]
    if not drawn:
        return Skipped("pareto_search", "no trial of the search has reported an accuracy")
    panels = _panels(drawn, points.search_score(results[0]).title)
    title = "All trials of the search"
    drawing = pareto.draw_pareto(panels, style).update_layout(title_text=title)
    finish(drawing, style, results, wide=len(panels) > 1)
    data = pd.concat([table for _, table in drawn], ignore_index=True)
    hollow = data["hollow"].astype(bool)
    caption = (
        f"Every trial of the search on validation, one seed each: {(~hollow).sum()} ran their full budget, "
        f"{hollow.sum()} were stopped early, are paused at a rung or still running (hollow: their accuracy is of a "
        f"smaller budget, so they are never on the front).{''.join(learned_note(r, t) for r, t in drawn)}"
        f"{notes.momentum_note([r for r, _ in drawn])}"
    )
    return Figure("pareto_search", title, caption, drawing, data)


def _every_trial(results: Results) -> pd.DataFrame:
    """Searched and running trials, with those on the front of all objectives marked."""
    tables = [t for t in (points.searched(results), points.running(results)) if len(t)]
    if not tables:
        return pd.DataFrame()
    table = pd.concat(tables, ignore_index=True).assign(on_front=False)
    full = table[~table["hollow"].astype(bool)]
    table.loc[full.index, "on_front"] = fronts.on_front(full, results.objectives)
    return table

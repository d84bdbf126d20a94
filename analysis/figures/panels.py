"""What the figure modules share: one panel per study, and what to do with studies that do not carry a figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figure_data.common import NotEnough
from analysis.figures import style as looks
from analysis.figures.figure import Figure, Skipped
from analysis.figures.style import INK, Style
from analysis.results.intervals import Interval
from analysis.results.load import Results
from analysis.results.points import score_metric
from analysis.text import heading
from study.schema import Metric


class Panel(NamedTuple):
    """One study and its numbers."""

    results: Results
    info: Any


def collect(
    name: str, results: Sequence[Results], compute: Callable[[Results], Any]
) -> tuple[list[Panel], Skipped | None]:
    """The studies that carry the figure; Skipped with every study's reason if none does."""
    panels, reasons = [], []
    for one in results:
        try:
            panels.append(Panel(one, compute(one)))
        except NotEnough as error:
            reasons.append(str(error) if len(results) == 1 else f"{one.name}: {error}")
    return panels, None if panels else Skipped(name, "; ".join(reasons) or "no results given")


def grid(
    panels: Sequence[Panel], columns: Sequence[str], style: Style, height: float = 1.0, gap: float = 0.13
) -> go.Figure:
    """A row per study and a column per title. `height`: of a row in heights of the style; `gap`: between columns, 0-1.

    The first row names the columns; with several studies the left end of each row names the study.
    """
    rows, tall = len(panels), round(len(panels) * height * style.height)
    lift = 1.5 * style.font if any(columns) else 0.0
    between = (5.2 * style.font + lift) / max(tall - 8 * style.font, 1)
    fig = make_subplots(
        rows=rows, cols=len(columns), horizontal_spacing=gap, vertical_spacing=between if rows > 1 else 0
    )
    font = {"size": style.font, "color": INK}
    for column, title in enumerate(columns, 1):
        if title:
            where = f"x{column if column > 1 else ''} domain"
            fig.add_annotation(
                text=title, x=0.5, xref=where, y=1, yref="y domain", yanchor="bottom", yshift=0.3 * style.font,
                showarrow=False, font=font, name="panel",
            )  # fmt: skip
    for row, panel in enumerate(panels if rows > 1 else ()):
        # the columns' titles stand above the first row only
        axis = row * len(columns) + 1
        fig.add_annotation(
            text=f"<b>{panel.results.name}</b>", x=0, xref="paper", xanchor="left", y=1, showarrow=False, font=font,
            yref=f"y{axis if axis > 1 else ''} domain", yanchor="bottom", name="panel",
            yshift=0.3 * style.font + (0 if row else lift),
        )  # fmt: skip
    fig.update_layout(height=tall)
    return fig


def finish(fig: go.Figure, style: Style, results: Sequence[Results], *, wide: bool = False) -> go.Figure:
    """`style.finish`, with room for the panels' names between the drawing and the rehearsal label."""
    room = max((note.yshift + 1.3 * style.font for note in fig.layout.annotations if note.name == "panel"), default=0)
    looks.finish(fig, style, results, wide=wide)
    if room:
        fig.update_layout(margin_t=fig.layout.margin.t + room)
        fig.update_annotations({"yshift": room + 0.3 * style.font}, selector={"name": "rehearsal"})
    return fig


def panel_figure(
    name: str,
    title: str,
    results: Sequence[Results],
    style: Style,
    *,
    compute: Callable[[Results], Any],
    draw: Callable[[Sequence[Panel], Style], go.Figure],
    caption: Callable[[Sequence[Panel]], str],
    rows: Callable[[Any], Sequence[Mapping[str, Any]]],
    wide: Callable[[Sequence[Panel]], bool] | bool = False,
) -> Figure | Skipped:
    """A figure with a panel per study that carries it, or the reasons why none does.

    compute: the numbers of a study (may raise NotEnough), which `rows` turns into lines of the CSV file.
    """
    panels, skipped = collect(name, results, compute)
    if skipped:
        return skipped
    fig = draw(panels, style).update_layout(title_text=title)
    finish(fig, style, results, wide=wide(panels) if callable(wide) else wide)
    return Figure(name, title, caption(panels), fig, frame(panels, lambda panel: rows(panel.info)))


def frame(panels: Sequence[Panel], rows: Callable[[Panel], Sequence[Mapping[str, Any]]]) -> pd.DataFrame:
    """The numbers of all panels as one table with the study's name first."""
    return pd.DataFrame([{"study": panel.results.name, **row} for panel in panels for row in rows(panel)])


def several(panels: Sequence[Panel], words: Callable[[Panel], str]) -> str:
    """A caption's sentence per study; named only if there are several."""
    if len(panels) == 1:
        return words(panels[0])
    return " ".join(f"{panel.results.name}: {words(panel)}" for panel in panels)


def rung_lines(fig: go.Figure, rungs: Sequence[int], row: int, column: int, style: Style) -> None:
    """A thin dotted line at every rung."""
    for rung in rungs:
        fig.add_vline(x=rung, line={"color": "#8A979D", "width": 0.7 * style.line, "dash": "dot"}, row=row, col=column)


def in_two_lines(metric: Metric) -> str:
    """Title and unit of a metric at an axis, broken after the first comma."""
    return heading(metric).replace(", ", ",<br>", 1)


def score_title(results: Results) -> str:
    """Axis title of `accuracy`, which copies the metric that the study optimises."""
    return in_two_lines(score_metric(results))


def bars(means: Sequence[Interval], style: Style, colour: str) -> dict[str, Any]:
    """Error bars; none where the interval is not known."""
    return {
        "type": "data", "symmetric": False, "color": colour, "thickness": max(1.0, 0.7 * style.line),
        "array": [m.high - m.mean if math.isfinite(m.high) else None for m in means],
        "arrayminus": [m.mean - m.low if math.isfinite(m.low) else None for m in means],
        "width": 0.4 * style.marker,
    }  # fmt: skip

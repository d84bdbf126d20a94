"""The offline evaluation on the test split as bars. Drawing only; the numbers are `figure_data.offline_bars`."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from analysis.figure_data.offline_info import Bar, offline_bars
from analysis.figures import style as looks
from analysis.figures.figure import Figure, Skipped
from analysis.figures.panels import Panel, bars, grid, panel_figure, several
from analysis.figures.style import Style
from analysis.results import front, notes, points, published
from analysis.results.intervals import Interval
from analysis.results.load import Results
from analysis.text import FEW, n_in_words, nice_ticks, seeds_in_words, short_name, with_interval

COLUMNS = {"acc1": "acc@1", "acc5": "acc@5"}


def offline_accuracy(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """Offline acc@1 and acc@5 of every confirmed point, with intervals."""
    return panel_figure(
        "offline_accuracy", "Offline linear evaluation on test", results, style,
        compute=lambda r: _with_published(r, offline_bars(r.trials, r.costs)),
        draw=draw_bars, caption=_caption, rows=_rows, wide=True,
    )  # fmt: skip


def _caption(panels: Sequence[Panel]) -> str:
    caption = (
        f"Mean over the seeds of each confirmed point ({several(panels, lambda p: _words(p.info))}) and its "
        "95 % interval, also written beside the bars; no interval for one seed. "
        f"Points by method, then by {front.names_of(panels[0].results.costs)}."
    )
    caption += several(panels, lambda p: _sampling(p)) + notes.momentum_note([p.results for p in panels])
    if any(bar.published for panel in panels for bar in panel.info):
        caption += f" Diamonds: published values. {published.SOURCE}; epochs and recipe may differ."
    return caption


def _with_published(results: Results, found: Sequence[Bar]) -> list[Bar]:
    """The bars with what the original study reports of the same points, where it is of the same data."""
    table = points.confirmed(results, "test_acc1")
    known = published.beside(table, results)[["acc1", "acc5"]].set_axis(table["point"])
    values = {point: row.dropna().to_dict() for point, row in known.iterrows()}
    return [bar._replace(published=values.get(bar.point, {})) for bar in found]


def _sampling(panel: Panel) -> str:
    means = [getattr(bar, key).mean for bar in panel.info for key in COLUMNS if getattr(bar, key) is not None]
    return notes.sampling_note(panel.results, "test_acc1", means)


def _words(found: Sequence[Bar]) -> str:
    return seeds_in_words([mean.n for bar in found if (mean := bar.acc5 or bar.acc1) is not None])


def _rows(found: Sequence[Bar]) -> list[dict[str, Any]]:
    return [
        {"point": bar.point, "label": bar.label, "method": bar.method}
        | bar.costs
        | {"metric": f"test_{key}", "mean": mean.mean, "low": mean.low, "high": mean.high, "n": mean.n}
        | {"published": bar.published.get(key, math.nan)}
        for bar in found
        for key in COLUMNS
        if (mean := getattr(bar, key)) is not None
    ]


def draw_bars(panels: Sequence[Panel], style: Style) -> go.Figure:
    """One row per study; acc@1 left, acc@5 right; a bar per point, first point on top, its value right of it."""
    names = [
        [
            point_lines(bar.label, front.costs_in_words(bar.costs, list(bar.costs)), name_room(style))
            for bar in panel.info
        ]
        for panel in panels
    ]
    lines = max(len(name) for panel in names for name in panel)
    step = (1.3 * lines + 0.7) * style.font
    needed = step * max(len(panel.info) for panel in panels) + 7 * style.font
    keys = [key for key in COLUMNS if any(getattr(bar, key) for panel in panels for bar in panel.info)]
    fig = grid(panels, [""] * len(keys), style, height=max(needed / style.height, 0.5), gap=GAP)
    for row, (panel, texts) in enumerate(zip(panels, names, strict=True), 1):
        for column, key in enumerate(keys, 1):
            where = {"row": row, "col": column}
            _add_bars(fig, panel.info, key, style, where)
            _add_published(fig, panel.info, key, style, where)
            _add_values(fig, panel.info, key, style, where)
            top = _top(panel.info, key)
            fig.update_xaxes(
                title_text=f"Test {COLUMNS[key]} (%)", range=[0, with_text(top, panel.info, key, len(keys), style)],
                tickvals=nice_ticks(0, min(top, 100.0), most=4), **where,
            )  # fmt: skip
        places = list(range(len(panel.info)))
        ends = [len(places) - 0.4, -0.6]
        ticks = ["<br>".join(text) for text in texts]
        fig.update_yaxes(range=ends, tickvals=places, ticktext=ticks, showgrid=False, row=row)
        fig.update_yaxes(tickvals=[], row=row, col=2)
    return fig


GAP = 0.04
"""Between the panels, in widths of the drawing."""
NAMES_SHARE = 0.27
"""Of the figure's width: room for the points' names."""
CHARACTER = 0.5
"""Width of a character in font sizes, rather too much: names and values measure 0.44 to 0.49."""


def name_room(style: Style) -> int:
    """Characters in a line of a point's name."""
    return int(NAMES_SHARE * style.wide / (CHARACTER * style.font))


def point_lines(label: str, costs: str, room: int) -> list[str]:
    """A point's name in lines of at most `room` characters, broken between its parameters; its costs come last."""
    lines = textwrap.wrap(short_name(label), room, break_long_words=False, break_on_hyphens=False) or [""]
    size = costs.replace(" ", "\u00a0")
    joined = f"{lines[-1]} · {size}"
    return [*lines[:-1], joined] if len(joined) <= room else [*lines, size]


def with_text(top: float, found: Sequence[Bar], key: str, columns: int, style: Style) -> float:
    """End of an axis that leaves room for the values right of `top`."""
    panel = (style.wide * (1 - NAMES_SHARE) - 4 * style.font) * (1 - GAP * (columns - 1)) / columns
    longest = max((len(_text(mean)) for bar in found if (mean := getattr(bar, key)) is not None), default=0)
    text = CHARACTER * value_size(style) * longest + style.font
    return top * panel / max(panel - text, 0.3 * panel)


def value_size(style: Style) -> int:
    """Type of the values: about nine tenths of the figure's."""
    return style.type(0.9)


def _top(found: Sequence[Bar], key: str) -> float:
    """Right end of the bars with their intervals and published values, %."""
    return max((_end(bar, key) for bar in found if getattr(bar, key) is not None), default=100.0)


def _end(bar: Bar, key: str) -> float:
    mean = getattr(bar, key)
    return max(float(mean.high if math.isfinite(mean.high) else mean.mean), bar.published.get(key, 0.0))


def _text(mean: Interval) -> str:
    text = with_interval(mean.mean, mean.low, mean.high, 1)
    return text if mean.n >= FEW else f"{text} ({n_in_words(mean.n)})"


def _add_values(fig: go.Figure, found: Sequence[Bar], key: str, style: Style, where: dict[str, Any]) -> None:
    """Mean and interval in words, right of the bar, its interval and its diamond."""
    rows = [(i, bar) for i, bar in enumerate(found) if getattr(bar, key) is not None]
    fig.add_scatter(
        y=[i for i, _ in rows], x=[_end(bar, key) for _, bar in rows], mode="text", name="values", showlegend=False,
        text=[f"\u2002{_text(getattr(bar, key))}" for _, bar in rows], textposition="middle right", cliponaxis=False,
        textfont={"size": value_size(style), "color": looks.INK}, hoverinfo="skip", **where,
    )  # fmt: skip


def _add_bars(fig: go.Figure, found: Sequence[Bar], key: str, style: Style, where: dict[str, Any]) -> None:
    for method in looks.order([bar.method for bar in found]):
        rows = [(i, getattr(bar, key), bar.label) for i, bar in enumerate(found) if bar.method == method]
        rows = [row for row in rows if row[1] is not None]
        means = [mean for _, mean, _ in rows]
        fig.add_bar(
            y=[i for i, _, _ in rows], x=[mean.mean for mean in means], orientation="h", name=method, width=0.6,
            marker={"color": looks.colour(method), "line": {"width": 0}}, showlegend=False,
            error_x=bars(means, style, looks.INK) if any(math.isfinite(mean.low) for mean in means) else None,
            text=[_text(mean) for mean in means], textposition="none",
            customdata=[label for _, _, label in rows], hovertemplate="%{customdata}<br>%{text} %<extra></extra>",
            **where,
        )  # fmt: skip


def _add_published(fig: go.Figure, found: Sequence[Bar], key: str, style: Style, where: dict[str, Any]) -> None:
    rows = [(i, bar.published[key]) for i, bar in enumerate(found) if key in bar.published]
    if rows:
        fig.add_scatter(
            y=[i for i, _ in rows], x=[value for _, value in rows], mode="markers", name="published",
            showlegend=not any(trace.name == "published" for trace in fig.data), legendgroup="published",
            marker={"symbol": "diamond", "color": "white", "size": style.marker,
                    "line": {"color": looks.INK, "width": max(1.0, 0.6 * style.line)}},
            hovertemplate="published: %{x:.2f} %<extra></extra>", **where,
        )  # fmt: skip

"""The offline evaluation on the test split as bars. Drawing only; the numbers are `figure_data.offline_bars`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from analysis import style as looks
from analysis import tables
from analysis.figure_data import Bar, offline_bars
from analysis.load import Results
from analysis.panels import Panel, bars, collect, finish, frame, grid, several
from analysis.registry import Figure, Skipped
from analysis.statistics import Interval
from analysis.style import Style
from analysis.units import bytes_in_words

COLUMNS = {"acc1": "acc@1", "acc5": "acc@5"}


def offline_accuracy(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """Offline acc@1 and acc@5 of every confirmed point, with intervals."""
    name, title = "offline_accuracy", "Offline linear evaluation on test"
    panels, skipped = collect(name, results, lambda r: _with_published(r, offline_bars(r.trials)))
    if skipped:
        return skipped
    fig = draw_bars(panels, style)
    fig.update_layout(title_text=title)
    caption = (
        f"Mean over the seeds of each confirmed point ({several(panels, lambda p: _words(p.info))}) and its "
        "95 % interval (t, from 10 seeds on bootstrap), also written in the bars; no interval for one seed. Points by "
        "method, then by bytes of support set."
    )
    if any(bar.published for panel in panels for bar in panel.info):
        caption += f" Diamonds: published values. {tables.PUBLISHED_SOURCE}; epochs and recipe may differ."
    return Figure(name, title, caption, finish(fig, style, results, wide=True), frame(panels, lambda p: _rows(p.info)))


def _with_published(results: Results, found: Sequence[Bar]) -> list[Bar]:
    """The bars with what the original study reports of the same points, where it is of the same data."""
    table = tables.offline_table(results)
    if table is None:
        return list(found)
    known = table.data.set_index("point")[["published_acc1", "published_acc5"]].rename(columns=lambda c: c[-4:])
    values = known.apply(lambda row: row.dropna().to_dict(), axis=1).to_dict()
    return [bar._replace(published=values.get(bar.point, {})) for bar in found]


def _words(found: Sequence[Bar]) -> str:
    seeds = sorted({(bar.acc5 or bar.acc1).n for bar in found})
    return f"n = {seeds[0]} seeds" if len(seeds) == 1 else f"n = {seeds[0]} to {seeds[-1]} seeds"


def _rows(found: Sequence[Bar]) -> list[dict]:
    return [
        {"point": bar.point, "label": bar.label, "method": bar.method, "support_bytes": bar.support_bytes}
        | {"metric": f"test_{key}", "mean": mean.mean, "low": mean.low, "high": mean.high, "n": mean.n}
        | {"published": bar.published.get(key, math.nan)}
        for bar in found
        for key in COLUMNS
        if (mean := getattr(bar, key)) is not None
    ]


def draw_bars(panels: Sequence[Panel], style: Style) -> go.Figure:
    """One row per study; acc@1 left, acc@5 right; a bar per point, first point on top."""
    longest = max(len(panel.info) for panel in panels)
    needed = 1.9 * style.font * longest + 6 * style.font
    keys = [key for key in COLUMNS if any(getattr(bar, key) for panel in panels for bar in panel.info)]
    fig = grid(panels, [""] * len(keys), style, height=max(needed / style.height, 0.6), gap=0.04)
    for row, panel in enumerate(panels, 1):
        for column, key in enumerate(keys, 1):
            _add_bars(fig, panel.info, key, style, {"row": row, "col": column})
            _add_published(fig, panel.info, key, style, {"row": row, "col": column})
            fig.update_xaxes(
                title_text=f"Test {COLUMNS[key]} (%)", range=[0, _top(panel.info, key)], row=row, col=column
            )
        places = list(range(len(panel.info)))
        texts = [f"{bar.label} · {bytes_in_words(bar.support_bytes)}" for bar in panel.info]
        ends = [len(places) - 0.4, -0.6]
        fig.update_yaxes(range=ends, tickvals=places, ticktext=texts, showgrid=False, row=row)
        fig.update_yaxes(showticklabels=False, row=row, col=2)
    return fig


def _top(found: Sequence[Bar], key: str) -> float:
    means = [getattr(bar, key) for bar in found if getattr(bar, key) is not None]
    return min(1.06 * max((m.high if m.n > 1 else m.mean for m in means), default=100.0), 108.0)


def _text(mean: Interval) -> str:
    return f"{mean.mean:.1f} [{mean.low:.1f}, {mean.high:.1f}]" if mean.n > 1 else f"{mean.mean:.1f} (n = 1)"


def _add_bars(fig: go.Figure, found: Sequence[Bar], key: str, style: Style, where: dict) -> None:
    for method in looks.order([bar.method for bar in found]):
        rows = [(i, getattr(bar, key), bar.label) for i, bar in enumerate(found) if bar.method == method]
        rows = [row for row in rows if row[1] is not None]
        means = [mean for _, mean, _ in rows]
        fig.add_bar(
            y=[i for i, _, _ in rows], x=[mean.mean for mean in means], orientation="h", name=method, width=0.74,
            marker={"color": looks.colour(method), "line": {"width": 0}}, showlegend=False,
            error_x=bars(means, style, looks.INK), text=[_text(mean) for mean in means], textposition="inside",
            insidetextanchor="start", textangle=0, insidetextfont={"color": "white", "size": round(0.9 * style.font)},
            customdata=[label for _, _, label in rows], hovertemplate="%{customdata}<br>%{text} %<extra></extra>",
            **where,
        )  # fmt: skip


def _add_published(fig: go.Figure, found: Sequence[Bar], key: str, style: Style, where: dict) -> None:
    rows = [(i, bar.published[key]) for i, bar in enumerate(found) if key in bar.published]
    if rows:
        fig.add_scatter(
            y=[i for i, _ in rows], x=[value for _, value in rows], mode="markers", name="published",
            showlegend=not any(trace.name == "published" for trace in fig.data), legendgroup="published",
            marker={"symbol": "diamond", "color": "white", "size": style.marker,
                    "line": {"color": looks.INK, "width": max(1.0, 0.6 * style.line)}},
            hovertemplate="published: %{x:.2f} %<extra></extra>", **where,
        )  # fmt: skip


MAKERS = (offline_accuracy,)

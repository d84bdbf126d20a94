"""Was the baseline tuned as much as the method: tuning curves of a search's random trials, with confidence bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from analysis.figure_data.tuning_info import Curve, TuningInfo, tuning_info
from analysis.figures import panels as rows_of
from analysis.figures import style as looks
from analysis.figures.figure import Figure, Skipped
from analysis.figures.panels import Panel, panel_figure, score_title
from analysis.figures.style import Style
from analysis.results.load import Results
from analysis.text import joined, whole, with_interval

SOURCE = "Lourie, Cho and He 2023"
AXES = {"trials": "Random trials of the method", "epochs": "Epochs that they train"}


def tuning_curves(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """`tuning_curves`: of each method the median best of so many random trials, over trials and over epochs."""
    return panel_figure(
        "tuning_curves", "Tuning effort: the best of so many random trials", results, style,
        compute=tuning_info, draw=draw, caption=caption, rows=rows, wide=True,
    )  # fmt: skip


def draw(panels: Sequence[Panel], style: Style) -> go.Figure:
    """A row per study; over trials at the left, over epochs at the right."""
    fig = rows_of.grid(panels, ["", ""], style, gap=0.06)
    named: set[str] = set()
    for row, panel in enumerate(panels, 1):
        low, high = frame(panel.info.curves)
        for column, (axis, title) in enumerate(AXES.items(), 1):
            for curve in panel.info.curves:
                _curve(fig, curve, axis, style, (low, high), named, {"row": row, "col": column})
            fig.update_xaxes(title_text=title, rangemode="tozero", row=row, col=column)
            fig.update_yaxes(range=[low, high], showticklabels=column == 1, row=row, col=column)
        fig.update_yaxes(title_text=score_title(panel.results), row=row, col=1)
    return fig


def frame(curves: Sequence[Curve]) -> tuple[float, float]:
    """The accuracies that a drawing shows: medians and what was reached, with room for a part of the bands."""
    shown = np.concatenate([curve.table["median"].to_numpy() for curve in curves])
    top = max(float(curve.values.max()) for curve in curves)
    room = 0.5 * max(top - float(shown.min()), 1.0)
    return max(float(shown.min()) - room, 0.0), min(top + room, 100.0)


def _curve(
    fig: go.Figure, curve: Curve, axis: str, style: Style, ends: tuple[float, float], named: set[str],
    where: dict[str, Any],
) -> None:  # fmt: skip
    look, table = looks.look(curve.method), curve.table
    band = {
        "mode": "lines",
        "line": {"width": 0},
        "legendgroup": curve.method,
        "showlegend": False,
        "hoverinfo": "skip",
    }
    clipped = table[["low", "high"]].clip(*ends)
    fig.add_scatter(x=table[axis], y=clipped["low"], **band, **where)
    fig.add_scatter(
        x=table[axis], y=clipped["high"], fill="tonexty", fillcolor=looks.rgba(look.colour, 0.13), **band, **where
    )
    told = [
        f"{curve.method}: best of {row.trials}<br>{with_interval(row.median, row.low, row.high)} %"
        for row in table.itertuples()
    ]
    fig.add_scatter(
        x=table[axis], y=table["median"], mode="lines+markers", name=curve.method, legendgroup=curve.method,
        showlegend=curve.method not in named, customdata=told, hovertemplate="%{customdata}<extra></extra>",
        line={"color": look.colour, "width": style.line, "dash": look.dash},
        marker={"color": look.colour, "symbol": look.symbol, "size": 0.7 * style.marker}, **where,
    )  # fmt: skip
    named.add(curve.method)


def caption(panels: Sequence[Panel]) -> str:
    """What the curves are, how many trials they are of, and whether they are apart after equal effort."""
    return (
        "Median of the best validation accuracy among so many random trials of a method, and 95 % bands for the whole "
        f"curve at once ({SOURCE}; shown as far as the frame goes); right: the same over their mean epochs. "
        f"{rows_of.several(panels, lambda panel: words(panel.info))} One seed each."
    )


def words(info: TuningInfo) -> str:
    """How much each method was tuned, and the curves at the largest effort that all have."""
    effort = [
        f"{method} {trials} trials and {whole(epochs)} epochs, {random} of them random"
        for method, (trials, epochs, random) in info.effort.items()
    ]
    least = min(len(curve.values) for curve in info.curves)
    at = {curve.method: curve.table.iloc[least - 1] for curve in info.curves}
    best = max(info.curves, key=lambda curve: float(at[curve.method]["median"]))
    values = [f"{method} {with_interval(row['median'], row['low'], row['high'])}" for method, row in at.items()]
    said = [f"The search gave {joined(effort)}. n = {joined([f'{len(c.values)} {c.method}' for c in info.curves])}."]
    if len(at) > 1:
        told = _told_apart(best, [curve for curve in info.curves if curve is not best])
        said.append(f"After {least} random trials each: {joined(values)} (%). Up to there, {told}.")
    if info.few:
        said.append(f"Too few random trials for a curve: {joined(info.few)}.")
    if info.stopped:
        said.append(f"{info.stopped} were stopped early and count with the accuracy that they had.")
    if info.spoiled:
        said.append(f"Counted as 0 %: {info.spoiled} that diverged, timed out or ran out of memory.")
    return " ".join(said)


def apart(best: Curve, other: Curve) -> list[int]:
    """Numbers of trials, up to what both have, at which the band of `best` lies above that of the other."""
    both = best.table.merge(other.table, on="trials", suffixes=("", "_other"))
    return [int(n) for n in both.loc[both["low"] > both["high_other"], "trials"]]


def _told_apart(best: Curve, others: Sequence[Curve]) -> str:
    parts, same = list[str](), list[str]()
    for other in others:
        if numbers := apart(best, other):
            first, last = numbers[0], numbers[-1]
            many = f"{first} to {last} trials" if last > first else f"{first} trial{'s' * (first > 1)}"
            parts.append(f"the band of {best.method} lies above that of {other.method} at {many}")
        else:
            same.append(other.method)
    if same:
        names = joined([best.method, *same])
        parts.append(f"the bands of {names} overlap at every number, so that equal tuning tells no difference")
    return "; ".join(parts)


def rows(info: TuningInfo) -> Sequence[Mapping[str, Any]]:
    """A line per method and number of trials."""
    return [
        {"method": curve.method, "random_trials": len(curve.values), **row}
        for curve in info.curves
        for row in curve.table.to_dict("records")
    ]

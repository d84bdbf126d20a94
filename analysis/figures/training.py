"""Figures over training: accuracy per epoch, forgetting interval, diagnostics of the support set. Drawing only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from analysis.figure_data import training_info as data
from analysis.figures import style as looks
from analysis.figures.figure import Figure, Skipped
from analysis.figures.panels import Panel, bars, grid, in_two_lines, panel_figure, score_title, several
from analysis.figures.style import Style
from analysis.results.intervals import Interval
from analysis.results.load import Results
from analysis.text import counts, n_in_words, with_interval
from study import schema

SHADES = ("#8CC5E8", "#3D9BD6", "#0072B2", "#004C78", "#00263C")
"""Of the colour of kmclr, light to dark, for values within it."""


def _add_curve(
    fig: go.Figure,
    curve: data.Curve,
    style: Style,
    where: dict[str, Any],
    *,
    colour: str,
    dash: str,
    legend: bool,
    name: str = "",
    thin_lines: bool = True,
) -> None:
    """Thin lines for the points, a band for the interval (`data.banded`), a thick line for the mean."""
    x, group, name = curve.epochs, name or curve.group, name or curve.group
    thin = {"color": colour, "width": 0.35 * style.line}
    for label, values in curve.members if thin_lines and len(curve.members) > 1 else ():
        fig.add_scatter(
            x=x, y=values, mode="lines", line=thin, opacity=0.4, legendgroup=group, showlegend=False,
            hovertemplate=f"{label}<br>epoch %{{x}}: %{{y:.2f}}<extra></extra>", **where,
        )  # fmt: skip
    banded = data.banded(curve)
    if banded.any():
        pale = looks.rgba(colour, 0.13)
        for bound, fill in ((curve.high, None), (curve.low, "tonexty")):
            fig.add_scatter(
                x=x[banded], y=bound[banded], mode="lines", line={"width": 0}, fill=fill, fillcolor=pale,
                hoverinfo="skip", legendgroup=group, showlegend=False, **where,
            )  # fmt: skip
    mode = "lines" if len(x) > 1 else "markers"
    fig.add_scatter(
        x=x, y=curve.mean, mode=mode, line={"color": colour, "width": 1.4 * style.line, "dash": dash}, name=name,
        marker={"color": colour}, legendgroup=group, showlegend=legend, customdata=curve.n,
        hovertemplate=f"{name}<br>epoch %{{x}}: %{{y:.2f}}, n = %{{customdata}}<extra></extra>", **where,
    )  # fmt: skip


def value_range(curves: data.Curves, most: float = 100.0) -> list[float]:
    """Of the values themselves, within what is possible: the band of two values may be far wider and is cut off."""
    values = np.concatenate([values for curve in curves.curves for _, values in curve.members])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    pad = max(0.08 * (high - low), 0.005 * most)
    return [max(low - pad, -0.02 * most), min(high + pad, 1.02 * most)]


def _curve_rows(curves: data.Curves) -> list[dict[str, Any]]:
    return [
        {"metric": curves.metric, "group": c.group, "epoch": e, "mean": m, "low": lo, "high": hi, "n": n}
        for c in curves.curves
        for e, m, lo, hi, n in zip(c.epochs, c.mean, c.low, c.high, c.n, strict=True)
    ]


def curves_in_words(curves: data.Curves) -> str:
    """Who is in the curves: for captions."""
    most = counts({c.group: int(c.n.max()) for c in curves.curves})
    if curves.complete:
        return f"Completed trials of the {curves.stage} stage ({most})."
    return f"No trial has completed: all trials that reported, fewer with each epoch ({most} at first)."


CURVES_CAPTION = (
    "Thin lines: the points of the search space, each the mean over its seeds; thick lines: mean over points; bands: "
    "95 % interval of that mean over points (over seeds where a method has one point) from three on (that of two is "
    "wider than the picture and stands in the CSV), cut off where it leaves the range of the values. Points differ in "
    "their other parameters, so a band is mostly their spread."
)


def _curves_figure(name: str, title: str, metric: str, results: Sequence[Results], style: Style) -> Figure | Skipped:
    return panel_figure(
        name, title, results, style,
        compute=lambda r: data.curves(r.trials, r.reports, metric), draw=draw_curves, caption=_curves_caption,
        rows=_curve_rows,
    )  # fmt: skip


def _curves_caption(panels: Sequence[Panel]) -> str:
    return f"{several(panels, lambda p: curves_in_words(p.info))} {CURVES_CAPTION}"


def draw_curves(panels: Sequence[Panel], style: Style) -> go.Figure:
    """One panel per study, one line per method."""
    fig = grid(panels, [""], style)
    named: set[str] = set()
    for row, panel in enumerate(panels, 1):
        for curve in panel.info.curves:
            _add_curve(
                fig, curve, style, {"row": row, "col": 1}, colour=looks.colour(curve.group),
                dash=looks.look(curve.group).dash, legend=curve.group not in named,
            )  # fmt: skip
            named.add(curve.group)
        metric = panel.info.metric
        text = score_title(panel.results) if metric == schema.ACCURACY else in_two_lines(schema.METRICS[metric])
        fig.update_yaxes(title_text=text, range=value_range(panel.info), row=row, col=1)
        fig.update_xaxes(title_text="Epoch", rangemode="tozero", row=row, col=1)
    return fig


def accuracy_per_epoch(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """The study's score over the epochs, one line per method."""
    title = "Accuracy per epoch by method"
    return _curves_figure("accuracy_per_epoch", title, schema.ACCURACY, results, style)


def acc5_per_epoch(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """Online acc@5 over the epochs, as the original study shows it."""
    return _curves_figure("acc5_per_epoch", "Online acc@5 per epoch by method", "probe_acc5", results, style)


# --- forgetting interval ---


def forgetting_interval(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """Curves by forgetting interval, and the last accuracy against it."""
    return panel_figure(
        "forgetting_interval", "Effect of the forgetting interval", results, style,
        compute=lambda r: data.forgetting(r.trials, r.reports),
        draw=draw_forgetting, caption=_forgetting_caption, rows=_forgetting_rows, wide=True,
    )  # fmt: skip


def _forgetting_caption(panels: Sequence[Panel]) -> str:
    return (
        f"{several(panels, lambda p: _forgetting_words(p.info))} Left: mean over points (each the mean of its seeds) "
        "with its points as thin lines or, from three points on, its 95 % interval, cut off where it leaves the "
        "range of the values; right: every trial's last accuracy (dots), mean over points and 95 % interval (none for "
        "n = 1; over seeds where there is one point). Points of one interval also differ in their other parameters "
        "unless the study fixes them."
    )


def _forgetting_words(info: data.Forgetting) -> str:
    pairs = counts({f"f = {f}:": len(dots) for f, dots in zip(info.values, info.dots, strict=True)})
    return f"Completed kmclr trials of the {info.curves.stage} stage by interval f in epochs ({pairs})."


def _forgetting_rows(info: data.Forgetting) -> list[dict[str, Any]]:
    last = [
        {"metric": "last accuracy", "group": f, "mean": i.mean, "low": i.low, "high": i.high, "n": i.n}
        for f, i in zip(info.values, info.last, strict=True)
    ]
    return [*_curve_rows(info.curves), *last]


def shade(index: int, count: int) -> str:
    """Shade number `index` of `count`, spread over SHADES."""
    return SHADES[round(index * (len(SHADES) - 1) / max(count - 1, 1))]


def draw_forgetting(panels: Sequence[Panel], style: Style) -> go.Figure:
    """Two columns: curves by f, and last accuracy by f."""
    fig = grid(panels, ["", ""], style, gap=0.13)
    named: set[str] = set()
    for row, panel in enumerate(panels, 1):
        info, count = panel.info, len(panel.info.values)
        for i, curve in enumerate(info.curves.curves):
            _add_curve(
                fig, curve, style, {"row": row, "col": 1}, colour=shade(i, count), dash=looks.DASHES[i % 5],
                legend=curve.group not in named, name=f"f = {curve.group}", thin_lines=not data.banded(curve).any(),
            )  # fmt: skip
            named.add(curve.group)
        for i, (value, last, dots) in enumerate(zip(info.values, info.last, info.dots, strict=True)):
            _add_mean(fig, str(value), last, dots, shade(i, count), style, {"row": row, "col": 2})
        fig.update_xaxes(title_text="Epoch", rangemode="tozero", row=row, col=1)
        fig.update_xaxes(
            title_text="Forgetting interval f (epochs)", type="category", range=[-0.5, count - 0.5], row=row, col=2
        )
        fig.update_yaxes(title_text=score_title(panel.results), range=value_range(info.curves), row=row, col=1)
        fig.update_yaxes(title_text="the same at<br>the last epoch (%)", row=row, col=2)
    return fig


def _add_mean(
    fig: go.Figure, x: str, mean: Interval, dots: Sequence[float], colour: str, style: Style, where: dict[str, Any]
) -> None:
    fig.add_scatter(
        x=[x] * len(dots), y=dots, mode="markers", opacity=0.35, showlegend=False,
        marker={"color": colour, "size": 0.7 * style.marker}, hovertemplate="%{y:.2f} %<extra></extra>", **where,
    )  # fmt: skip
    fig.add_scatter(
        x=[x], y=[mean.mean], mode="markers", showlegend=False, error_y=bars([mean], style, colour),
        marker={"color": colour, "size": 1.3 * style.marker, "line": {"color": "white", "width": 1}},
        hovertemplate=f"f = {x}: {with_interval(*mean[:3])}, {n_in_words(mean.n)}<extra></extra>", **where,
    )  # fmt: skip


# --- diagnostics ---

DIAGNOSTICS = {
    "neighbour_purity": "share of positives with<br>the query's label (0-1)",
    "self_hit_rate": "share of positives from<br>the same image (0-1)",
    "prototypes_used": "share chosen in<br>the epoch (0-1)",
}
"""Metrics in a column each, and what stands at their axis."""


def support_diagnostics(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """Purity, self-hits and prototypes in use over the epochs."""
    return panel_figure(
        "support_diagnostics", "Inside the support set over the epochs", results, style,
        compute=lambda r: data.diagnostics(r.trials, r.reports, tuple(DIAGNOSTICS)),
        draw=draw_diagnostics, caption=_diagnostics_caption, rows=_diagnostics_rows, wide=True,
    )  # fmt: skip


def _diagnostics_caption(panels: Sequence[Panel]) -> str:
    words = several(panels, lambda p: curves_in_words(next(iter(p.info.values()))))
    return (
        "Left: do positives carry the query's label? Middle: how often is a queue's positive the query's own image? "
        f"Right: how many prototypes were chosen at least once (the others are dead)? {words} {CURVES_CAPTION}"
    )


def _diagnostics_rows(info: Mapping[str, data.Curves]) -> list[dict[str, Any]]:
    return [row for curves in info.values() for row in _curve_rows(curves)]


def draw_diagnostics(panels: Sequence[Panel], style: Style) -> go.Figure:
    """One column per diagnostic that any study has."""
    metrics = [m for m in DIAGNOSTICS if any(m in panel.info for panel in panels)]
    fig = grid(panels, [schema.METRICS[m].title for m in metrics], style, height=0.85, gap=0.14)
    named: set[str] = set()
    for row, panel in enumerate(panels, 1):
        for column, metric in enumerate(metrics, 1):
            for curve in panel.info[metric].curves if metric in panel.info else ():
                _add_curve(
                    fig, curve, style, {"row": row, "col": column}, colour=looks.colour(curve.group),
                    dash=looks.look(curve.group).dash, legend=curve.group not in named,
                )  # fmt: skip
                named.add(curve.group)
            top = value_range(panel.info[metric], 1.0)[1] if metric in panel.info else 1.0
            fig.update_yaxes(title_text=DIAGNOSTICS[metric], range=[-0.02 * top, top], row=row, col=column)
            fig.update_xaxes(title_text="Epoch", rangemode="tozero", row=row, col=column)
    return fig

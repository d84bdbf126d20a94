"""Figures over the search space: accuracy against k with its saturation, temperature x size maps. Drawing only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from analysis.figure_data import space_info as data
from analysis.figure_data.common import NotEnough
from analysis.figure_data.saturation import TOLERANCE, LawSet, Saturation
from analysis.figures import style as looks
from analysis.figures.figure import Figure, Skipped
from analysis.figures.panels import Panel, bars, grid, panel_figure, score_title, several
from analysis.figures.style import Style
from analysis.results.load import Results
from analysis.text import log_ticks, n_in_words
from study import schema


def accuracy_vs_k(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """Accuracy against the number of prototypes, the laws that fit, and the saturation points they allow."""
    return panel_figure(
        "accuracy_vs_k", "Accuracy against the number of prototypes", results, style,
        compute=lambda r: data.accuracy_by_k(r.trials), draw=draw_by_k, caption=_by_k_caption, rows=_by_k_rows,
    )  # fmt: skip


def _by_k_caption(panels: Sequence[Panel]) -> str:
    return several(panels, lambda p: by_k_words(p.info)) + (
        f" Saturation: the k at which a curve is {TOLERANCE:g} points below its asymptote a. Laws: accuracy = "
        "a - b k^-c and a - b exp(-c k); brackets: every such k with which the law fits the means per k as well as the "
        "seeds' scatter asks (95 %, F test), a seed being one unit with all its k. Small dots: trials; large dots: "
        "mean per k over seeds with its 95 % interval (that of two may be cut off); lines: the laws that fit, at their "
        "best; horizontal lines: means of the other methods."
    )


WORDS = {"power": "a power law", "exponential": "an exponential"}


def saturation_words(found: Saturation) -> str:
    """What can be said of the saturation point, in sentences that may stand alone."""
    if found.reason:
        return f"No saturation point can be told: {found.reason}."
    fitting = [law for law in found.laws if law.fits]
    if not fitting:
        return (
            "No saturation point can be told: neither a power law nor an exponential that levels off fits the means "
            "per k within the scatter of the seeds."
        )
    by_law = " and ".join(f"{WORDS[law.law]} {_allowed(law, found)}" for law in fitting)
    refused = [WORDS[law.law] for law in found.laws if not law.fits]
    rest = f"; {refused[0]} does not fit" if refused else ""
    told = f"{found.seeds} seeds at each k; {by_law}{rest}; 95 % sets"
    if found.named:
        return f"Saturates at {_span(found)} ({told})."
    apart = " and the laws cannot be told apart" if len(fitting) > 1 else ""
    bounds = [f"not below {_whole(found.low)}"] if found.low >= found.smallest else []
    bounds += [f"not above {_whole(found.high)}"] if found.high <= found.largest else []
    so = f"it is {bounds[0]}" if bounds else "it may be anywhere"
    return f"No saturation point can be named from the sizes tried{apart}: {so} ({told})."


def _span(found: Saturation) -> str:
    """`k = 261 to 343`."""
    return f"k = {_whole(found.low)} to {_whole(found.high)}"


def _allowed(law: LawSet, found: Saturation) -> str:
    """`allows 300 [261, 343]`, `allows none below 420`; what lies outside the sizes tried is named as that."""
    below, above = law.low < found.smallest, law.high > found.largest
    if below and above:
        return "allows any"
    if above:
        return f"allows none below {_whole(law.low)}"
    if below:
        return f"allows none above {_whole(law.high)}"
    return f"allows {_whole(law.best)} [{_whole(law.low)}, {_whole(law.high)}]"


def _short(found: Saturation) -> str:
    """For above the panel."""
    if found.named:
        return f"saturates at {_span(found)}"
    if found.low >= found.smallest:
        return f"saturation not below k = {_whole(found.low)}"
    return "no saturation point can be told"


def by_k_words(info: data.AccuracyByK) -> str:
    """Who is in the picture, what the fit says, and what else varied."""
    start = f"Completed kmclr trials of the {info.stage} stage, n = {len(info.k)} at {len(info.sizes)} values of k."
    others = f" Trials also differ in {', '.join(info.vary)}, which widens the scatter." if info.vary else ""
    references = ", ".join(f"{m} {n_in_words(mean.n)}" for m, mean in info.references.items())
    rest = f"{others}{f' Others, over seeds: {references}.' if references else ''}"
    return f"{start} {saturation_words(info.saturation)}{rest}"


def _by_k_rows(info: data.AccuracyByK) -> list[dict[str, Any]]:
    trials = [{"what": "trial", "k": k, "accuracy": a} for k, a in zip(info.k, info.accuracy, strict=True)]
    means = [
        {"what": "mean", "k": k, "accuracy": m.mean, "low": m.low, "high": m.high, "n": m.n}
        for k, m in zip(info.sizes, info.means, strict=True)
    ]
    fit = [
        {"what": f"fit, {law.law}", "k": k, "accuracy": a}
        for law in info.saturation.laws
        for k, a in zip(law.grid, law.fit, strict=True)
    ]
    others = [
        {"what": method, "accuracy": m.mean, "low": m.low, "high": m.high, "n": m.n}
        for method, m in info.references.items()
    ]
    return [*trials, *means, *fit, *others]


def draw_by_k(panels: Sequence[Panel], style: Style) -> go.Figure:
    """One panel per study."""
    fig = grid(panels, [""], style)
    for row, panel in enumerate(panels, 1):
        _draw_saturation(fig, panel.info, style, {"row": row, "col": 1})
        _draw_trials(fig, panel.info, style, {"row": row, "col": 1, "legend": row == 1})
        low, high = panel.info.sizes[0] / 1.25, panel.info.sizes[-1] * 1.25
        values, texts = log_ticks(low, high)
        fig.update_xaxes(
            title_text="Prototypes k (log scale)", type="log", range=[_log10(low), _log10(high)], tickvals=values,
            ticktext=texts, row=row, col=1,
        )  # fmt: skip
        fig.update_yaxes(title_text=score_title(panel.results), range=shown_range(panel.info), row=row, col=1)
    return fig


def shown_range(info: data.AccuracyByK) -> list[float]:
    """Of trials, references, fit and intervals of three trials or more: that of two would flatten all the rest."""
    ends = [v for mean in info.means if mean.n > 2 for v in (mean.low, mean.high)]
    fits = [v for law in info.saturation.laws for v in law.fit]
    values = [*info.accuracy, *(mean.mean for mean in info.references.values()), *fits, *ends]
    low, high = float(np.min(values)), float(np.max(values))
    pad = max(0.08 * (high - low), 0.5)
    return [max(low - pad, -2.0), min(high + pad, 102.0)]


def _log10(value: float) -> float:
    return float(np.log10(value))


def _draw_trials(fig: go.Figure, info: data.AccuracyByK, style: Style, where: dict[str, Any]) -> None:
    legend = where.pop("legend")
    colour = looks.colour("kmclr")
    repeated = [(k, mean) for k, mean in zip(info.sizes, info.means, strict=True) if mean.n > 1]
    fig.add_scatter(
        x=info.k, y=info.accuracy, mode="markers", opacity=0.4 if repeated else 0.75, name="trial",
        showlegend=legend,
        marker={"color": colour, "size": (0.7 if repeated else 1.1) * style.marker},
        hovertemplate="k = %{x}: %{y:.2f} %<extra></extra>", **where,
    )  # fmt: skip
    if repeated:
        means = [mean for _, mean in repeated]
        fig.add_scatter(
            x=[k for k, _ in repeated], y=[m.mean for m in means], mode="markers", name="mean per k", showlegend=legend,
            error_y=bars(means, style, colour), customdata=[n_in_words(m.n) for m in means],
            marker={"color": colour, "size": 1.2 * style.marker, "line": {"color": "white", "width": 1}},
            hovertemplate="k = %{x}: %{y:.2f} %, %{customdata}<extra></extra>", **where,
        )  # fmt: skip
    ends = [info.sizes[0] / 1.25, info.sizes[-1] * 1.25]
    for method, mean in info.references.items():
        fig.add_scatter(
            x=ends, y=[mean.mean] * 2, mode="lines", name=method, showlegend=legend, hoverinfo="name+y",
            line={"color": looks.colour(method), "dash": looks.look(method).dash, "width": style.line}, **where,
        )  # fmt: skip


LAWS = {"power": ("a − b k<sup>−c</sup>", "solid"), "exponential": ("a − b e<sup>−ck</sup>", "dash")}
IN_A_LINE = {"power": "a − b k^(−c)", "exponential": "a − b exp(−ck)"}
"""The same where all type has one size."""


def _draw_saturation(fig: go.Figure, info: data.AccuracyByK, style: Style, where: dict[str, Any]) -> None:
    """The laws that fit, and what they allow together where that is within the sizes tried."""
    found = info.saturation
    for law in found.laws:
        name, dash = LAWS[law.law]
        name = IN_A_LINE[law.law] if style.one_size else name
        if law.fits:
            fig.add_scatter(
                x=law.grid, y=law.fit, mode="lines", name=name, hoverinfo="skip",
                showlegend=all(trace.name != name for trace in fig.data),
                line={"color": looks.INK, "width": style.line, "dash": dash}, **where,
            )  # fmt: skip
    if found.named:
        pale = looks.rgba(looks.colour("kmclr"), 0.12)
        fig.add_vrect(x0=found.low, x1=found.high, fillcolor=pale, line_width=0, layer="below", **where)
    _note(fig, _short(found), style, where)


def _note(fig: go.Figure, text: str, style: Style, where: dict[str, Any]) -> None:
    """Above the panel, right: nothing of the drawing is there."""
    fig.add_annotation(
        text=text, x=1, xref="x domain", y=1, yref="y domain", xanchor="right", yanchor="bottom", showarrow=False,
        yshift=0.3 * style.font, font={"size": style.font, "color": looks.INK}, name="panel", **where,
    )  # fmt: skip


def _whole(value: float) -> str:
    return f"{value:,.0f}"


# --- temperature x size ---

SIZE_TITLES = {"p_k": "Prototypes k", "p_queue_size": "Queue size, vectors"}


def _size_title(column: str) -> str:
    return f"{SIZE_TITLES.get(column, column.removeprefix('p_'))} (log scale)"


def temperature_map(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """Accuracy over temperature and size of the support set, a column for prototypes and one for the queue."""
    return panel_figure(
        "temperature_map", "Accuracy over temperature and support-set size", results, style,
        compute=_maps, draw=draw_maps, caption=_map_caption, rows=_map_rows, wide=True,
    )  # fmt: skip


def _map_caption(panels: Sequence[Panel]) -> str:
    return (
        f"Search stage ({several(panels, lambda p: _map_words(p.info))}). Filled: completed trials; hollow: trials "
        "stopped early, without colour, as their accuracy is of another budget; colours between: linear interpolation "
        "in the logarithms between completed trials, within their hull only. Trials also differ in the parameters not "
        "shown."
    )


def _maps(results: Results) -> list[data.SpaceMap]:
    found, reasons = [], []
    for method in data.SIZES:
        try:
            found.append(data.space_map(results.trials, method))
        except NotEnough as error:
            reasons.append(str(error))
    if not found:
        raise NotEnough("; ".join(reasons))
    return found


def _map_rows(maps: Sequence[data.SpaceMap]) -> list[dict[str, Any]]:
    return [{"method": found.method, **row} for found in maps for row in found.points.to_dict("records")]


def _map_words(maps: Sequence[data.SpaceMap]) -> str:
    done = {m.method: int((m.points["status"] == schema.COMPLETED).sum()) for m in maps}
    return ", ".join(
        f"{m.method} n = {done[m.method]} completed, {len(m.points) - done[m.method]} stopped" for m in maps
    )


def draw_maps(panels: Sequence[Panel], style: Style) -> go.Figure:
    """A row per study and a column per method; one colour scale for all."""
    methods = [m for m in data.SIZES if any(found.method == m for panel in panels for found in panel.info)]
    fig = grid(panels, methods, style, gap=0.1)
    for row, panel in enumerate(panels, 1):
        for found in panel.info:
            _draw_map(fig, found, style, {"row": row, "col": methods.index(found.method) + 1})
        _log_axis(fig.update_yaxes, [v for m in panel.info for v in m.points["temperature"]], {"row": row})
        fig.update_yaxes(title_text="Temperature (log scale)", row=row, col=1)
    fig.update_layout(
        coloraxis={
            "colorscale": looks.SEQUENTIAL,
            "colorbar": {
                "title": {"text": "Accuracy (%)", "side": "right"},
                "thickness": 1.2 * style.font,
                "outlinewidth": 0,
            },
        },
        showlegend=False,
    )
    return fig


def _draw_map(fig: go.Figure, found: data.SpaceMap, style: Style, where: dict[str, Any]) -> None:
    if found.grid_accuracy is not None:
        fig.add_heatmap(
            x=found.grid_size, y=found.grid_temperature, z=found.grid_accuracy, coloraxis="coloraxis", opacity=0.55,
            hoverinfo="skip", zsmooth=False, **where,
        )  # fmt: skip
    for status in (schema.STOPPED, schema.COMPLETED):
        rows = found.points[found.points["status"] == status]
        marker = {"color": rows[schema.ACCURACY], "coloraxis": "coloraxis", "line": {"color": "white", "width": 1}}
        if status == schema.STOPPED:
            marker = {"color": "#8A979D", "symbol": "circle-open", "line": {"width": 1.5}}
        fig.add_scatter(
            x=rows["size"], y=rows["temperature"], mode="markers", name=status, marker=marker,
            marker_size=(1.4 if status == schema.COMPLETED else 1.0) * style.marker,
            customdata=rows[["label", schema.ACCURACY, "epochs"]],
            hovertemplate="%{customdata[0]}<br>%{customdata[1]:.2f} % after %{customdata[2]} epochs<extra></extra>",
            **where,
        )  # fmt: skip
    _log_axis(fig.update_xaxes, found.points["size"], {"title_text": _size_title(data.SIZES[found.method]), **where})


def _log_axis(update: Callable[..., Any], values: Sequence[float], more: dict[str, Any]) -> None:
    low, high = min(values) / 1.2, max(values) * 1.2
    ticks, texts = log_ticks(low, high)
    update(type="log", range=[_log10(low), _log10(high)], tickvals=ticks, ticktext=texts, **more)

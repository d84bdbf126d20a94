"""Optuna's views of the search: hyperparameter importance and parallel coordinates, from optuna.db. Drawing only.

Optuna is imported when a storage is there to be read, not before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from analysis.figure_data import optuna_info
from analysis.figure_data.common import NotEnough
from analysis.figure_data.optuna_info import Importances
from analysis.figures import style as looks
from analysis.figures.figure import Figure, Skipped
from analysis.figures.panels import Panel, collect, finish, frame, grid, several
from analysis.figures.style import Style
from analysis.results import notes
from analysis.results.load import Results
from analysis.text import counts, in_sentence, joined
from study import schema
from study.schema import dominance, wording


def _read(results: Results) -> Any:
    """The search as an Optuna study. Raises NotEnough."""
    if not (results.folder / schema.OPTUNA_FILE).exists():
        raise NotEnough(f"no {schema.OPTUNA_FILE} in the results folder")
    try:
        return optuna_info.read_study(results.folder, list(results.manifest["objectives"]))
    except ImportError:
        raise NotEnough("optuna is not installed") from None


# --- importance ---


def parameter_importance(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """fANOVA importances of the parameters for what only training shows, within each method and over all."""
    name = "parameter_importance"
    panels, skipped = collect(name, results, _importances)
    if skipped:
        return skipped
    measured = [n for n in schema.OBJECTIVES if any(n in panel.info for panel in panels)]
    words = joined([in_sentence(schema.OBJECTIVES[n].title) for n in measured])
    title = f"Which parameters matter for {words}?"
    fig = draw_importances(panels, style)
    fig.update_layout(title_text=title)
    groups = several(panels, lambda p: counts(next(iter(p.info.values())).n))
    caption = (
        f"Share of the variance of validation {words} that fANOVA (Optuna's, forest of 64 trees) gives to a parameter, "
        f"over completed search trials ({groups}); shares of a group sum to 1. all: parameters that every method has. "
        "The forest is fitted once per group; with few trials the shares are rough, and no interval is known."
    )
    table = frame(panels, lambda p: _importance_rows(p.info))
    return Figure(name, title, caption, finish(fig, style, results, wide=len(measured) > 1), table)


def _importances(results: Results) -> dict[str, Importances]:
    """Of each objective that does not follow from the settings alone."""
    study = _read(results)
    found = {schema.ACCURACY: optuna_info.importances(study, 0)}
    for number, name in enumerate(results.manifest["objectives"]):
        if name != schema.ACCURACY and not schema.OBJECTIVES[name].known:
            with contextlib.suppress(NotEnough):
                found[name] = optuna_info.importances(study, number)
    return found


def _importance_rows(info: dict[str, Importances]) -> list[dict[str, Any]]:
    return [
        {"objective": objective, "group": group, "parameter": name, "importance": share, "n": found.n[group]}
        for objective, found in info.items()
        for group, shares in found.shares.items()
        for name, share in shares.items()
    ]


def draw_importances(panels: Sequence[Panel], style: Style) -> go.Figure:
    """Horizontal bars per parameter, one colour per method, ink for `all`; a column per objective."""
    rows = max(sum(len(s) for s in found.shares.values()) for panel in panels for found in panel.info.values())
    names = [name for name in schema.OBJECTIVES if any(name in panel.info for panel in panels)]
    titles = [schema.OBJECTIVES[name].title for name in names] if len(names) > 1 else [""]
    height = max(0.7, (1.7 * style.font * rows + 7 * style.font) / style.height)
    fig = grid(panels, titles, style, gap=0.2, height=height)
    named: set[str] = set()
    for row, panel in enumerate(panels, 1):
        for column, name in enumerate(names, 1):
            if name in panel.info:
                _add_importances(fig, panel.info[name], style, named, {"row": row, "col": column})
    narrow = len(names) > 2
    title = f"Importance{'<br>' if narrow else ' '}(share of variance, 0–1)"
    fig.update_xaxes(title_text=title, range=[0, 1.35 if narrow else 1.12], dtick=0.5 if narrow else 0.25)
    return fig


def _add_importances(fig: go.Figure, found: Importances, style: Style, named: set[str], where: dict[str, Any]) -> None:
    place, places, texts = 0.0, [], []
    for group, shares in found.shares.items():
        ordered = sorted(shares.items(), key=lambda item: -item[1])
        spots = [place + i for i in range(len(ordered))]
        fig.add_bar(
            y=spots, x=[share for _, share in ordered], orientation="h", width=0.75, name=group, legendgroup=group,
            marker={"color": looks.INK if group == "all" else looks.colour(group), "line": {"width": 0}},
            text=[f"{share:.2f}" for _, share in ordered], textposition="outside",
            constraintext="none", cliponaxis=False,
            showlegend=group not in named, **where,
        )  # fmt: skip
        named.add(group)
        places += spots
        texts += [parameter for parameter, _ in ordered]
        place += len(ordered) + 0.6
    fig.update_yaxes(tickvals=places, ticktext=texts, range=[place - 1.0, -0.6], showgrid=False, **where)


# --- parallel coordinates ---


class Parallel(NamedTuple):
    """Optuna's drawing of the completed trials, whose first axes are the objectives (name in a sentence -> metric)."""

    drawing: go.Figure
    objectives: dict[str, schema.Metric]
    senses: tuple[str, ...]
    rows: list[dict[str, Any]]
    """The trials: objectives by their names in a sentence, and parameters."""
    method: str
    """Of the trials, where it is fixed and not a parameter."""


def parallel_coordinates(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """Optuna's parallel coordinates of the completed trials, one colour per method, the front in full colour."""
    name, title = "parallel_coordinates", "Completed trials over all parameters"
    panels, skipped = collect(name, results, _parallel)
    if skipped:
        return skipped
    panel = max(panels, key=lambda p: len(p.info.rows))
    info: Parallel = panel.info
    fig = draw_parallel(info, style)
    fig.update_layout(title_text=title)
    axes = "; ".join(f"{text}: {_axis_words(metric)}" for text, metric in info.objectives.items())
    caption = (
        f"Every line is a completed search trial{f' of {panel.results.name}' if len(results) > 1 else ''} "
        f"(n = {len(info.rows)}); – where a parameter does not apply to a method. {axes[:1].upper()}{axes[1:]}. Full "
        f"colour: trials that no other beats in {'both' if len(info.objectives) == 2 else 'all'} objectives."
        f"{notes.momentum_note([panel.results], panel.results.manifest['objectives'])}"
    )
    names = dict(zip(info.objectives, panel.results.manifest["objectives"], strict=True))
    table = frame([panel], lambda p: [{names.get(key, key): v for key, v in row.items()} for row in p.info.rows])
    return Figure(name, title, caption, finish(fig, style, [panel.results], wide=True), table)


def _axis_words(metric: schema.Metric) -> str:
    if metric.unit == "%":
        return "validation, %"
    unit = "bytes" if metric.unit == "B" else metric.unit
    return f"{unit}, log scale of 1 + {unit}" if metric.log else unit


def _parallel(results: Results) -> Parallel:
    study = _read(results)
    trials = optuna_info.done(study)
    if len(trials) < 3:
        raise NotEnough(f"{len(trials)} completed trials; parallel coordinates need three")
    import optuna

    metrics = {in_sentence(schema.OBJECTIVES[n].title): schema.OBJECTIVES[n] for n in results.manifest["objectives"]}
    shown = optuna_info.renamed(study, list(metrics), [metric.log for metric in metrics.values()])
    with optuna_info.quiet():
        drawing = optuna.visualization.plot_parallel_coordinate(shown)
    rows = [{**dict(zip(metrics, t.values, strict=True)), **t.params} for t in trials]
    senses = tuple(results.manifest["objectives"].values())
    return Parallel(drawing, metrics, senses, rows, optuna_info.method_of(trials[0]))


def draw_parallel(info: Parallel, style: Style) -> go.Figure:
    """Optuna's drawing in this report's colours and type."""
    fig = go.Figure()
    named: set[str] = set()
    lines = [trace for trace in info.drawing.data if trace.mode == "lines" and trace.customdata is not None]
    signs = [-1.0 if sense == "max" else 1.0 for sense in info.senses]
    best = dominance.on_front(np.array([np.multiply(signs, line.y[: len(signs)]) for line in lines]))
    for trace, first in sorted(zip(lines, best, strict=True), key=lambda pair: pair[1]):
        values = {str(key): str(value) for key, value in trace.customdata}
        method = values.get("method", info.method)
        for name, metric in info.objectives.items():
            if name in values:
                values[name] = _value_in_words(float(values[name]), metric)
        fig.add_scatter(
            x=trace.x, y=trace.y, mode="lines", name=method, legendgroup=method, opacity=1.0 if first else 0.3,
            line={"color": looks.colour(method), "width": style.line * (1.2 if first else 0.7)}, showlegend=False,
            hovertemplate="<br>".join(f"{k}: {v}" for k, v in values.items() if v != "None") + "<extra></extra>",
        )  # fmt: skip
        named.add(method)
    for method in looks.order(list(named)):
        line = {"color": looks.colour(method), "width": style.line}
        fig.add_scatter(x=[None], y=[None], mode="lines", name=method, legendgroup=method, line=line)
    _axes(fig, info, style)
    return fig


def _value_in_words(drawn: float, metric: schema.Metric) -> str:
    """A value as it is drawn, with its unit."""
    return wording.value_in_words(10**drawn - 1 if metric.log else drawn, metric)


def tick_text(text: str, values: Sequence[float] = ()) -> str:
    """A tick's text: a dash for a parameter that does not apply, no powers of ten below a million.

    values: the ends of the axis, which Optuna rounds to two digits from a thousand on; they are written in full.
    """
    if text == "None":
        return "–"
    try:
        value = float(text)
    except ValueError:
        return text
    value = next((v for v in values if f"{v:.3g}" == text or f"{v:.2g}" == text), value)
    return f"{value:,.0f}" if 1000 <= value < 1e6 else text


def _ends(rows: Sequence[dict[str, Any]], name: str) -> list[float]:
    values = [row[name] for row in rows if isinstance(row.get(name), (int, float))]
    return [min(values), max(values)] if values else []


def _axes(fig: go.Figure, info: Parallel, style: Style) -> None:
    source = info.drawing
    units = {n: "bytes" if metric.unit == "B" else metric.unit for n, metric in info.objectives.items()}
    titles = {name: f"{name}<br>({unit})" for name, unit in units.items()}
    texts = [titles.get(t, str(t).replace("_", "<br>")) for t in source.layout.xaxis.ticktext]
    fig.update_layout(shapes=source.layout.shapes, hovermode="closest")
    small = {"size": style.type(0.85), "color": looks.INK}
    for note in source.layout.annotations:
        axis = source.layout.xaxis.ticktext[int(note.x)]
        text = tick_text(str(note.text), _ends(info.rows, axis))
        if axis in info.objectives and info.objectives[axis].log:  # Optuna's own text is rounded to few digits
            low, high = (info.objectives[axis].scaled(end) for end in _ends(info.rows, axis))
            text = _value_in_words(low + note.y * (high - low), info.objectives[axis])
        fig.add_annotation(
            x=note.x, y=note.y, text=text, showarrow=False, xanchor="right", xshift=-3, font=small,
            bgcolor="rgba(255,255,255,0.8)", borderpad=1,
        )  # fmt: skip
    fig.update_xaxes(
        tickvals=source.layout.xaxis.tickvals, ticktext=texts, range=[-0.45, len(texts) - 0.62], showgrid=False,
        showline=False, tickfont=small,
    )  # fmt: skip
    fig.update_yaxes(range=[-0.08, 1.08], visible=False, fixedrange=True)

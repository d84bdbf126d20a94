"""Optuna's views of the search: hyperparameter importance and parallel coordinates, from optuna.db. Drawing only.

Optuna is imported when a storage is there to be read, not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from analysis.figure_data import optuna_info
from analysis.figure_data.common import NotEnough
from analysis.figures import style as looks
from analysis.figures.figure import Figure, Skipped
from analysis.figures.panels import Panel, collect, finish, frame, grid, several
from analysis.figures.style import Style
from analysis.results.load import Results
from analysis.text import bytes_in_words, counts
from study import schema

BYTES = "support set"


def _read(results: Results) -> Any:
    """The search as an Optuna study. Raises NotEnough."""
    if not (results.folder / schema.OPTUNA_FILE).exists():
        raise NotEnough(f"no {schema.OPTUNA_FILE} in the results folder")
    try:
        return optuna_info.read_study(results.folder, list(results.manifest["objectives"]))
    except ImportError:
        raise NotEnough("optuna is not installed") from None


def _objective(results: Results, name: str) -> int:
    objectives = list(results.manifest["objectives"])
    if name not in objectives:
        raise NotEnough(f"{name} is not an objective of this study")
    return objectives.index(name)


# --- importance ---


def parameter_importance(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """fANOVA importances of the parameters for accuracy, within each method and over all."""
    name, title = "parameter_importance", "Which parameters matter for accuracy?"
    panels, skipped = collect(name, results, _importances)
    if skipped:
        return skipped
    fig = draw_importances(panels, style)
    fig.update_layout(title_text=title)
    caption = (
        "Share of the variance of validation accuracy that fANOVA (Optuna's, forest of 64 trees) gives to a parameter, "
        f"over completed search trials ({several(panels, lambda p: counts(p.info.n))}); shares of a group sum to 1. "
        "all: parameters that every method has. The forest is fitted once per group; with few trials the shares are "
        "rough, and no interval is known."
    )
    table = frame(panels, lambda p: _importance_rows(p.info))
    return Figure(name, title, caption, finish(fig, style, results), table)


def _importances(results: Results) -> Any:
    accuracy = _objective(results, schema.ACCURACY)
    study = _read(results)
    return optuna_info.importances(study, accuracy)


def _importance_rows(info: Any) -> list[dict]:
    return [
        {"group": group, "parameter": name, "importance": share, "n": info.n[group]}
        for group, shares in info.shares.items()
        for name, share in shares.items()
    ]


def draw_importances(panels: Sequence[Panel], style: Style) -> go.Figure:
    """Horizontal bars per parameter, one colour per method, ink for `all`."""
    rows = max(sum(len(shares) for shares in panel.info.shares.values()) for panel in panels)
    fig = grid(panels, [""], style, height=max(0.7, (1.7 * style.font * rows + 7 * style.font) / style.height))
    named: set[str] = set()
    for row, panel in enumerate(panels, 1):
        place, places, texts = 0.0, [], []
        for group, shares in panel.info.shares.items():
            ordered = sorted(shares.items(), key=lambda item: -item[1])
            spots = [place + i for i in range(len(ordered))]
            fig.add_bar(
                y=spots, x=[share for _, share in ordered], orientation="h", width=0.75, name=group, legendgroup=group,
                marker={"color": looks.INK if group == "all" else looks.colour(group), "line": {"width": 0}},
                text=[f"{share:.2f}" for _, share in ordered], textposition="outside", cliponaxis=False,
                showlegend=group not in named, row=row, col=1,
            )  # fmt: skip
            named.add(group)
            places += spots
            texts += [parameter for parameter, _ in ordered]
            place += len(ordered) + 0.6
        fig.update_yaxes(tickvals=places, ticktext=texts, range=[place - 1.0, -0.6], showgrid=False, row=row, col=1)
        fig.update_xaxes(title_text="Importance (share of variance, 0–1)", range=[0, 1.12], dtick=0.25, row=row, col=1)
    return fig


# --- parallel coordinates ---


def parallel_coordinates(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """Optuna's parallel coordinates of the completed trials, one colour per method, the front in full colour."""
    name, title = "parallel_coordinates", "Completed trials over all parameters"
    panels, skipped = collect(name, results, _parallel)
    if skipped:
        return skipped
    panel = max(panels, key=lambda p: p.info["n"])
    fig = draw_parallel(panel.info, style)
    fig.update_layout(title_text=title)
    caption = (
        f"Every line is a completed search trial{f' of {panel.results.name}' if len(results) > 1 else ''} "
        f"(n = {panel.info['n']}); – where a parameter does not apply to a method. Accuracy: validation, %; support "
        "set: bytes, log scale of 1 + bytes. Full colour: trials that no other beats in both objectives."
    )
    table = frame([panel], lambda p: p.info["rows"])
    return Figure(name, title, caption, finish(fig, style, [panel.results], wide=True), table)


def _parallel(results: Results) -> dict[str, Any]:
    cost = _objective(results, schema.SUPPORT_BYTES)
    _objective(results, schema.ACCURACY)
    study = _read(results)
    trials = optuna_info.done(study)
    if len(trials) < 3:
        raise NotEnough(f"{len(trials)} completed trials; parallel coordinates need three")
    import optuna

    with optuna_info.quiet():
        drawing = optuna.visualization.plot_parallel_coordinate(optuna_info.in_decades(study, cost, BYTES))
    only = optuna_info.method_of(trials[0])
    rows = [{"values": t.values, **t.params} for t in trials]
    names = list(results.manifest["objectives"])
    rows = [{**dict(zip(names, r.pop("values"), strict=True)), **r} for r in rows]
    return {"figure": drawing, "n": len(trials), "rows": rows, "only": only}


def draw_parallel(info: dict[str, Any], style: Style) -> go.Figure:
    """Optuna's drawing in this report's colours and type."""
    source: go.Figure = info["figure"]
    fig = go.Figure()
    named: set[str] = set()
    lines = [trace for trace in source.data if trace.mode == "lines" and trace.customdata is not None]
    best = {id(trace) for trace in lines if _rank(trace, lines) == 0}
    for trace in sorted(lines, key=lambda t: id(t) in best):
        values = {str(key): str(value) for key, value in trace.customdata}
        method = values.get("method", info["only"])
        if BYTES in values:
            values[BYTES] = bytes_in_words(10 ** float(values[BYTES]) - 1)
        first = id(trace) in best
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


def _rank(trace: Any, lines: Sequence[Any]) -> int:
    """How many others are at least as good in both objectives and better in one (axes 0 and 1; more, fewer bytes)."""
    return sum(
        other.y[0] >= trace.y[0] and other.y[1] <= trace.y[1] and (other.y[0], other.y[1]) != (trace.y[0], trace.y[1])
        for other in lines
    )


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


def _axes(fig: go.Figure, info: dict[str, Any], style: Style) -> None:
    source: go.Figure = info["figure"]
    titles = {BYTES: "support set<br>(bytes)", "accuracy": "accuracy<br>(%)"}
    texts = [titles.get(t, str(t).replace("_", "<br>")) for t in source.layout.xaxis.ticktext]
    fig.update_layout(shapes=source.layout.shapes, hovermode="closest")
    small = {"size": round(0.85 * style.font), "color": looks.INK}
    for note in source.layout.annotations:
        axis = source.layout.xaxis.ticktext[int(note.x)]
        text = tick_text(str(note.text), _ends(info["rows"], axis))
        if axis == BYTES:
            text = bytes_in_words(10 ** float(note.text) - 1)
        fig.add_annotation(
            x=note.x, y=note.y, text=text, showarrow=False, xanchor="right", xshift=-3, font=small,
            bgcolor="rgba(255,255,255,0.8)", borderpad=1,
        )  # fmt: skip
    fig.update_xaxes(
        tickvals=source.layout.xaxis.tickvals, ticktext=texts, range=[-0.45, len(texts) - 0.62], showgrid=False,
        showline=False, tickfont=small,
    )  # fmt: skip
    fig.update_yaxes(range=[-0.08, 1.08], visible=False, fixedrange=True)


MAKERS = (parameter_importance, parallel_coordinates)

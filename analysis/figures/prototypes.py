"""Prototypes moving through the embedding over the epochs: an animation, and the same as stills. Drawing only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figure_data import prototypes_info as data
from analysis.figures import style as looks
from analysis.figures.figure import Figure, Skipped
from analysis.figures.panels import Panel, collect, finish, frame
from analysis.figures.style import Style
from analysis.results.load import Results

CLASS_COLOURS = ("#88CCEE", "#CC6677", "#DDCC77", "#117733", "#332288", "#AA4499", "#44AA99", "#999933", "#882255",
                 "#661100")  # fmt: skip
"""Paul Tol's muted scheme; classes share colours from the eleventh on (every tenth class the same)."""
STILLS = 4
TRAIL = 8
"""Prototypes whose way is drawn."""
MAX_SAMPLE = 500


def class_colours(labels: np.ndarray) -> list[str]:
    """A colour per row."""
    return [CLASS_COLOURS[int(label) % len(CLASS_COLOURS)] for label in labels]


def _chosen(results: Sequence[Results], name: str) -> Panel | Skipped:
    panels, skipped = collect(name, results, lambda r: data.movement(r.folder, r.trials))
    return skipped or max(panels, key=lambda p: len(p.info.pictures))


def _rows(info: data.Movement) -> list[dict[str, Any]]:
    return [
        {
            "trial_id": info.trial_id,
            "epoch": p.epoch,
            "prototype": i,
            "x": x,
            "y": y,
            "variance_shown": p.variance_shown,
            "mean_step": step,
        }
        for p, step in zip(info.pictures, info.travelled, strict=True)
        for i, (x, y) in enumerate(p.vectors)
    ]


def _caption(panel: Panel, several: bool) -> str:
    info = panel.info
    last = info.pictures[-1]
    share = (
        f" They show {last.variance_shown:.0%} of the variance at the end." if np.isfinite(last.variance_shown) else ""
    )
    return (
        f"{info.label}{f' of {panel.results.name}' if several else ''} (trial {info.trial_id}, n = 1): "
        f"{len(last.vectors)} prototypes (rings) and {len(last.sample)} validation embeddings (dots, colour: class"
        f"{', every tenth class the same' if last.labels.max(initial=0) > 9 else ''}). Axes: two principal components "
        f"of the unit embeddings, turned onto the picture before, without unit.{share}"
    )


# --- stills ---


def prototype_stills(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """A few epochs side by side, with the way of some prototypes."""
    name, title = "prototypes", "Prototypes in the embedding"
    panel = _chosen(results, name)
    if isinstance(panel, Skipped):
        return panel
    fig = draw_stills(panel.info, style)
    fig.update_layout(title_text=title)
    caption = f"{_caption(panel, len(results) > 1)} Lines: the way of {TRAIL} prototypes since the picture to the left."
    finish(fig, style, [panel.results], wide=True)
    fig.update_xaxes(ticks="").update_yaxes(ticks="")
    return Figure(name, title, caption, fig, frame([panel], lambda p: _rows(p.info)))


def draw_stills(info: data.Movement, style: Style) -> go.Figure:
    """One square panel per epoch."""
    pictures = data.shown(info.pictures, STILLS)
    count = len(pictures)
    fig = make_subplots(rows=1, cols=count, horizontal_spacing=0.02)
    low, high = data.limits(info.pictures)
    for column, picture in enumerate(pictures, 1):
        where = {"row": 1, "col": column}
        fig.add_scatter(**_dots(picture, style), **where)
        for way in _ways(info, pictures[column - 2].epoch if column > 1 else picture.epoch, picture.epoch):
            line = {"color": looks.INK, "width": 0.5 * style.line}
            fig.add_scatter(x=way[:, 0], y=way[:, 1], mode="lines", line=line, opacity=0.7, hoverinfo="skip",
                            showlegend=False, **where)  # fmt: skip
        fig.add_scatter(**_rings(picture, info.method, style), **where)
        fig.add_annotation(
            text=f"epoch {picture.epoch}", x=0.5, xref="x domain", y=1, yref="y domain", yanchor="bottom",
            yshift=0.3 * style.font, showarrow=False, font={"size": style.font, "color": looks.INK}, name="panel",
            **where,
        )  # fmt: skip
        suffix = "" if column == 1 else str(column)
        fig.update_yaxes(scaleanchor=f"x{suffix}", row=1, col=column)
    fig.update_xaxes(range=[low, high], showticklabels=False, constrain="domain", title_text="component 1 (no unit)")
    fig.update_yaxes(range=[low, high], showticklabels=False, constrain="domain", mirror=True)
    fig.update_yaxes(title_text="component 2 (no unit)", col=1)
    fig.update_layout(height=round(style.wide / count + 6 * style.font), showlegend=False)
    return fig


def _dots(picture: data.Picture, style: Style) -> dict[str, Any]:
    keep = slice(None, MAX_SAMPLE)
    return {
        "x": picture.sample[keep, 0], "y": picture.sample[keep, 1], "mode": "markers", "name": "embeddings",
        "marker": {"size": 0.45 * style.marker, "color": class_colours(picture.labels[keep])}, "opacity": 0.6,
        "text": [f"class {label}" for label in picture.labels[keep]], "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip


def _rings(picture: data.Picture, method: str, style: Style) -> dict[str, Any]:
    return {
        "x": picture.vectors[:, 0], "y": picture.vectors[:, 1], "mode": "markers", "name": "prototypes",
        "marker": {"size": 0.85 * style.marker, "color": "rgba(255,255,255,0.55)",
                   "line": {"color": looks.colour(method), "width": max(1.2, 0.8 * style.line)}},
        "hovertemplate": "prototype %{pointNumber}<extra></extra>",
    }  # fmt: skip


def _ways(info: data.Movement, first: int, last: int) -> list[np.ndarray]:
    """Positions [T, 2] of an even spread of prototypes over the pictures from epoch `first` to `last`."""
    part = [p.vectors for p in info.pictures if first <= p.epoch <= last]
    part = [v for v in part if v.shape == part[-1].shape]
    if len(part) < 2 or not len(part[-1]):
        return []
    chosen = np.unique(np.linspace(0, len(part[-1]) - 1, TRAIL).round().astype(int))
    return [np.stack([v[i] for v in part]) for i in chosen]


# --- animation ---


def prototype_animation(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """All pictures one after the other, with a slider."""
    name, title = "prototypes_animated", "Prototypes moving through the embedding"
    panel = _chosen(results, name)
    if isinstance(panel, Skipped):
        return panel
    fig = draw_animation(panel.info, style)
    fig.update_layout(title_text=title)
    finish(fig, style, [panel.results])
    fig.update_xaxes(ticks="").update_yaxes(ticks="")
    fig.update_layout(margin_b=fig.layout.margin.b + 5.5 * style.font)
    _keep_notes(fig)
    return Figure(name, title, _caption(panel, len(results) > 1), fig, frame([panel], lambda p: _rows(p.info)))


def draw_animation(info: data.Movement, style: Style) -> go.Figure:
    """Frames of dots and rings; what stands when nothing plays is the last epoch."""
    low, high = data.limits(info.pictures)
    last = info.pictures[-1]
    fig = go.Figure([go.Scatter(**_dots(last, style)), go.Scatter(**_rings(last, info.method, style))])
    fig.frames = [
        go.Frame(
            name=str(p.epoch),
            data=[go.Scatter(**_dots(p, style)), go.Scatter(**_rings(p, info.method, style))],
            traces=[0, 1],
        )
        for p in info.pictures
    ]
    fig.update_xaxes(range=[low, high], showticklabels=False, title_text="component 1 (no unit)", constrain="domain")
    fig.update_yaxes(range=[low, high], showticklabels=False, title_text="component 2 (no unit)", scaleanchor="x",
                     constrain="domain")  # fmt: skip
    fig.update_layout(
        height=round(1.05 * style.width) if style.width < 600 else round(1.3 * style.height), showlegend=False,
        annotations=[_epoch_note(last.epoch, style)], **_controls(info.pictures, style),
    )  # fmt: skip
    return fig


def _epoch_note(epoch: int, style: Style) -> dict[str, Any]:
    return {
        "text": f"epoch {epoch}", "x": 0.02, "xref": "x domain", "y": 0.98, "yref": "y domain", "xanchor": "left",
        "yanchor": "top", "showarrow": False, "font": {"size": style.font, "color": looks.INK}, "name": "epoch",
        "bgcolor": "rgba(255,255,255,0.7)",
    }  # fmt: skip


def _keep_notes(fig: go.Figure) -> None:
    """A frame replaces all notes: each gets the figure's own (the rehearsal label), with its epoch."""
    notes = [note.to_plotly_json() for note in fig.layout.annotations]
    for frame_ in fig.frames:
        own = [note | {"text": f"epoch {frame_.name}"} if note.get("name") == "epoch" else note for note in notes]
        frame_.layout = {"annotations": own}


def _controls(pictures: Sequence[data.Picture], style: Style) -> dict[str, Any]:
    """Slider and play button below the drawing."""
    how = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}}
    play = {"fromcurrent": True, "frame": {"duration": 250, "redraw": False}, "transition": {"duration": 200}}
    left = 0.26 if style.width < 600 else 0.16
    steps = [{"label": str(p.epoch), "method": "animate", "args": [[str(p.epoch)], how]} for p in pictures]
    slider = {
        "active": len(steps) - 1, "steps": steps, "x": left, "len": 1 - left, "y": 0, "pad": {"t": 5.2 * style.font},
        "currentvalue": {"visible": False}, "ticklen": 3,
        "font": {"size": style.type(0.8)},
    }  # fmt: skip
    button = {
        "type": "buttons", "showactive": False, "x": 0, "xanchor": "left", "y": 0, "yanchor": "top",
        "pad": {"t": 5.2 * style.font},
        "buttons": [{"label": "▶ play", "method": "animate", "args": [None, play]}],
    }  # fmt: skip
    return {"sliders": [slider], "updatemenus": [button]}

"""How figures look: one colour per method everywhere, sizes for paper, slides and web, and the rehearsal label."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.results.load import Results
from study import schema


class Look(NamedTuple):
    """How a method is drawn, everywhere."""

    colour: str
    symbol: str
    dash: str


OWN = {
    "kmclr": Look("#0072B2", "circle", "solid"),
    "nnclr": Look("#D55E00", "square", "dash"),
    "none": Look("#5E6A71", "diamond", "dot"),
    "simclr": Look("#009E73", "triangle-up", "dashdot"),
    "byol": Look("#AA4499", "cross", "longdash"),
    "resa": Look("#332288", "x", "longdashdot"),
}
"""Okabe and Ito 2008 (byol, resa: Tol's purple and indigo): told apart with any colour vision, and in print next to
each other."""
FURTHER = (
    Look("#E69F00", "star", "longdashdot"),
    Look("#56B4E9", "hexagon", "solid"),
    Look("#882255", "triangle-down", "dash"),
    Look("#999933", "pentagon", "dot"),
)
"""Looks of methods without one of their own; from the fifth such method on they repeat."""


def looks_of(methods: Mapping[str, schema.Method]) -> dict[str, Look]:
    """A look for each method, in their order: its own or, for a new method, the next of FURTHER, in the colour that it
    asks for."""
    further = itertools.cycle(FURTHER)
    looks = {}
    for name, method in methods.items():
        looks[name] = OWN.get(name) or next(further)
        if method.colour is not None:
            looks[name] = looks[name]._replace(colour=method.colour)
    return looks


LOOKS = schema.Live(lambda: looks_of(schema.METHODS))
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
"""Of what is told apart by number: studies, values of a parameter."""
UNKNOWN = "#9AA5AB"
"""Colour of a running trial whose method is not on record yet."""
WARN = "#B34700"
WANTED = "#1B7F3B"
"""Of the region that a study wants."""
INK, GRID = "#1F2A30", "#E3E8EA"
SEQUENTIAL = "Viridis"
FONTS = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
PX_PER_INCH = 96


@dataclass(frozen=True)
class Style:
    """Sizes in CSS pixels (96 per inch, also in PDF and SVG); `dpi` is the resolution of PNG files."""

    name: str
    width: int
    height: int
    wide: int
    """Width of figures that need two columns."""
    font: int
    marker: int
    line: float
    dpi: int
    titles: bool
    """Whether a figure carries its title (in a paper its caption does)."""
    one_size: bool = False
    """Whether all type has one size: what a journal asks for leaves no room below and above it."""

    @property
    def scale(self) -> float:
        """PNG pixels per CSS pixel."""
        return self.dpi / PX_PER_INCH

    def type(self, share: float) -> int:
        """Pixels of type that may be larger or smaller than `font` by this factor."""
        return self.font if self.one_size else round(share * self.font)


STYLES = {
    # 89 and 182 mm: one and both columns of a journal; type of 8.25 pt, 7.2 pt in the 78 mm of LaTeX's own `article`
    "paper": Style("paper", 336, 262, 688, 11, 6, 1.2, 600, False, one_size=True),
    "slides": Style("slides", 1280, 720, 1280, 22, 14, 3.0, 144, True),
    "web": Style("web", 860, 500, 860, 14, 9, 2.0, 192, True),
}


COLUMNS = ("1", "2")
"""Of a paper's page in two columns, how many what is made takes."""


def get_style(name: str, columns: str | None = None) -> Style:
    """The style; with 2 columns every figure is as wide as both. Raises UserError for unknown names."""
    if name not in STYLES:
        raise schema.UserError(f"--style: {schema.wording.one_of(name, STYLES)}")
    style = STYLES[name]
    if columns is None:
        return style
    if columns not in COLUMNS:
        raise schema.UserError(f"--columns: {schema.wording.one_of(columns, COLUMNS)}")
    if name != "paper":
        raise schema.UserError(f"--columns: goes with --style paper, got --style {name}")
    return style if columns == "1" else replace(style, width=style.wide, height=round(1.2 * style.height))


def look(method: object) -> Look:
    """Look of a method; grey where it is not known."""
    found: Look = LOOKS.get(str(method), Look(UNKNOWN, "circle", "solid"))
    return found


def colour(method: object) -> str:
    """Colour of a method; grey where it is not known."""
    return look(method).colour


def rgba(code: str, opacity: float) -> str:
    """A colour #rrggbb with an opacity, for bands."""
    red, green, blue = (int(code[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def order(methods: Sequence[object]) -> list[str]:
    """Distinct methods in the order every legend uses."""
    found = {str(m) for m in methods if isinstance(m, str)}
    return [m for m in schema.METHODS if m in found]


def rehearsal_label(results: Sequence[Results]) -> str | None:
    """What a figure or table of these studies must carry, or None if none of them is a rehearsal."""
    names = [r for r in results if r.rehearsal]
    if not names:
        return None
    data = names[0].manifest["data"].get("name") if isinstance(names[0].manifest["data"], dict) else None
    return f"Rehearsal{f' on {data}' if data else ''}: shows that the study runs, not a result"


def finish(fig: go.Figure, style: Style, results: Sequence[Results], *, wide: bool = False) -> go.Figure:
    """Fonts, sizes, margins, legend below and the rehearsal label; call it last. Keeps a height set before."""
    title = fig.layout.title.text if style.titles else None
    label = rehearsal_label(results)
    font = style.font
    width = style.wide if wide else style.width
    top = (2.6 * font if title else 0.8 * font) + (1.7 * font if label else 0)
    fig.update_layout(
        template="plotly_white",
        width=width,
        height=fig.layout.height or style.height + (_legend_rows(fig, width, font) - 1) * 1.8 * font,
        font={"family": FONTS, "size": font, "color": INK},
        title={"text": title, "font": {"size": style.type(1.2)}, "x": 0, "xref": "container", "xanchor": "left"},
        margin={"t": top, "r": 1.2 * font, "l": font, "b": 0.6 * font},
        legend={
            "orientation": "h",
            "yref": "container",
            "y": 0,
            "yanchor": "bottom",
            "xanchor": "left",
            "x": 0.01,
            "xref": "container",
        },
        colorway=[found.colour for found in LOOKS.values()],
        hoverlabel={"font": {"size": font}},
    )
    fig.update_layout(title_pad={"l": 0.6 * font}, title_yref="container", title_y=1, title_yanchor="top")
    fig.update_layout(title_pad_t=0.7 * font)
    fig.update_xaxes(automargin=True, linecolor=INK, gridcolor=GRID, zeroline=False, ticks="outside", title_standoff=6)
    fig.update_yaxes(automargin=True, linecolor=INK, gridcolor=GRID, zeroline=False, ticks="outside", title_standoff=6)
    fig.update_xaxes(title_font_size=style.type(1.2)).update_yaxes(title_font_size=style.type(1.2))
    fig.update_coloraxes(colorbar_title_font_size=style.type(1.2))
    fig.for_each_yaxis(lambda axis: _wrap(axis, fig.layout.height - top - 5 * font, style.type(1.2)))
    if label:
        fig.add_annotation(
            text=label, xref="paper", yref="paper", x=1, y=1, xanchor="right", yanchor="bottom", yshift=0.3 * font,
            showarrow=False, font={"size": style.type(0.9), "color": WARN}, name="rehearsal",
        )  # fmt: skip
    return fig


def _legend_rows(fig: go.Figure, width: float, font: int) -> int:
    """Rows of the legend, about: in one row if all fit, else in columns as wide as the longest name."""
    names = {str(trace.name) for trace in fig.data if trace.name and trace.showlegend is not False}
    wide = [45 + 0.55 * font * len(name) for name in names]
    if fig.layout.showlegend is False or len(wide) < 2 or sum(wide) <= width:
        return 1
    return math.ceil(len(wide) / max(1, int(width / max(wide))))


def _wrap(axis: go.layout.YAxis, room: float, size: int) -> None:
    """Break an axis title of this size that is longer than its axis at its last comma."""
    text = axis.title.text
    if text and "<br>" not in text and ", " in text and 0.53 * size * len(text) > room:
        axis.title.text = ",<br>".join(text.rsplit(", ", 1))

"""Figures of one's own: functions of results that give a drawing of plotly; installed, or named to the report.

A results folder names none: what it holds causes no import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from analysis.figure_data.common import NotEnough
from analysis.figures.figure import Figure, Maker, Skipped
from analysis.figures.style import Style, finish
from analysis.results.load import Results
from study.schema import own_import, parts, shown_name, wording


def makers(names: Iterable[str], *, allow_code: bool, progress: Callable[[str], None]) -> list[Maker]:
    """Of the installed figures, and of those of these names (`module:function` where code is allowed).

    Raises UserError for a name that nothing has or that is not allowed. An installed one that cannot be imported is
    told, and costs itself alone.
    """
    named = list(dict.fromkeys(names))
    found = [own_import.load(parts.FIGURES, name, "--figure", allow_code=allow_code) for name in named]
    for name in parts.FIGURES.installed():
        try:
            part = own_import.load(parts.FIGURES, name, "--figure", allow_code=False)
        except Exception as error:
            progress(f"figure {name}: not drawn ({type(error).__name__}: {wording.shorten(str(error))})")
            continue
        found.append(part)
    return [_maker(part) for part in dict.fromkeys(found)]


def _maker(part: Callable[..., Any]) -> Maker:
    def draw(results: Sequence[Results], style: Style) -> Figure | Skipped:
        name = shown_name(part)
        try:
            drawn = part(results, style)
        except NotEnough as reason:
            return Skipped(name, str(reason))
        if not isinstance(drawn, go.Figure):
            raise TypeError(f"it gave {type(drawn).__name__}, no plotly.graph_objects.Figure")
        title = drawn.layout.title.text or name.replace("_", " ").capitalize()
        caption = " ".join((part.__doc__ or title).split())
        return Figure(name, title, caption, finish(drawn, style, results), numbers(drawn))

    draw.__name__ = shown_name(part)
    return draw


def numbers(drawn: go.Figure) -> pd.DataFrame:
    """What a drawing shows, a row for each place of each trace that has places on two axes."""
    rows = [
        {"trace": trace.name or f"trace {at}", "x": x, "y": y}
        for at, trace in enumerate(drawn.data)
        if getattr(trace, "x", None) is not None and getattr(trace, "y", None) is not None
        for x, y in zip(trace.x, trace.y, strict=False)
    ]
    return pd.DataFrame(rows, columns=["trace", "x", "y"])

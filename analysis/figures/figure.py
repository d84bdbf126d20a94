"""What a figure is to a report: a drawing with its caption and numbers, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from analysis.figures.style import Style
from analysis.results.load import Results


class Figure(NamedTuple):
    """A drawing, what it says, and the numbers in it (written beside it as CSV)."""

    name: str
    title: str
    caption: str
    figure: go.Figure
    data: pd.DataFrame


class Skipped(NamedTuple):
    """A figure that these results do not allow, with the reason in one line."""

    name: str
    reason: str


Maker = Callable[[Sequence[Results], Style], Figure | Skipped]

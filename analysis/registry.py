"""The figures there are: every module `analysis.figures_*` lists its makers in `MAKERS`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

import analysis
from analysis.load import Results
from analysis.style import Style

FIRST = ("figures_pareto",)
"""Modules whose figures lead; the rest follow by name."""


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


def makers() -> list[Maker]:
    """All makers, in the order of the report."""
    names = sorted(m.name for m in pkgutil.iter_modules(analysis.__path__) if m.name.startswith("figures_"))
    names.sort(key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    modules = [importlib.import_module(f"analysis.{name}") for name in names]
    return [maker for module in modules for maker in getattr(module, "MAKERS", ())]

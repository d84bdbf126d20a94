"""Numbers behind the bars of the offline evaluation: every confirmed point's accuracy on the test split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from analysis.figure_data.common import NotEnough, completed
from analysis.results.intervals import PERCENT, Interval, intervals
from analysis.results.points import by_seed
from study import schema


class Bar(NamedTuple):
    """One confirmed point: offline accuracies on the test split over its seeds."""

    point: str
    label: str
    method: str
    costs: dict[str, float]
    """Means over the seeds, of the report's costs."""
    acc1: Interval | None
    acc5: Interval | None
    published: dict[str, float] = {}
    """acc1, acc5 (%) that the original study reports for this point, where it does."""


def offline_bars(trials: pd.DataFrame, costs: Sequence[str]) -> tuple[Bar, ...]:
    """Every confirmed point's test accuracy, by method and then by its costs. Raises NotEnough without one."""
    if not {"test_acc1", "test_acc5"} & set(trials):
        raise NotEnough("no trial was evaluated on the test split (confirm stage)")
    wanted = [m for m in ("test_acc1", "test_acc5") if m in trials]
    done = completed(trials, "confirm").dropna(subset=wanted, how="all")
    if done.empty:
        raise NotEnough("no completed trial of the confirm stage was evaluated on the test split")
    groups = {str(point): part for point, part in done.groupby("point")}
    means = {m: intervals({point: by_seed(part, m) for point, part in groups.items()}, PERCENT) for m in wanted}
    bars = [_bar(point, part, costs, {m: means[m][point] for m in wanted}) for point, part in groups.items()]
    order = {m: i for i, m in enumerate(schema.METHODS)}
    return tuple(sorted(bars, key=lambda b: (order[b.method], *b.costs.values(), b.label)))


def _bar(point: str, part: pd.DataFrame, costs: Sequence[str], means: Mapping[str, Interval]) -> Bar:
    first = part.iloc[0]
    acc1, acc5 = (means[m] if m in means and means[m].n else None for m in ("test_acc1", "test_acc5"))
    return Bar(point, str(first["label"]), str(first["method"]), {n: float(part[n].mean()) for n in costs}, acc1, acc5)

"""Attainment surfaces: what of accuracy against a cost so many of several runs attain.

Grunert da Fonseca, Fonseca and Hall 2001, "Inferential performance assessment of stochastic optimisers and the
attainment function". A run is a front: of one seed of a study's confirmed points, or of one study. A place (cost,
accuracy) is attained by a run that has a point as cheap and as accurate. Shape legend: R runs, P points, C corners,
X distinct costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.figure_data.common import NotEnough
from analysis.results import points
from analysis.results.load import Results

LEAST = 2
"""Runs that surfaces are of."""


class Level(NamedTuple):
    """One surface. of: how many runs attain what is below it; corners: cost and accuracy [C, 2], best cost first."""

    name: str
    of: int
    corners: np.ndarray


class AttainmentInfo(NamedTuple):
    """Everything a picture shows of one group of runs against one cost."""

    name: str
    """Of the study, or of the group of studies."""
    runs: list[str]
    """`seed 1`, or names of studies."""
    table: pd.DataFrame
    """Every run's points: run, method, label, x, y."""
    levels: list[Level]
    """best (attained by one run), median (by at least half of them), worst (by all)."""
    left_out: list[str]
    """Labels of points that the runs do not share, and seeds that not all points have."""


def surface(runs: Sequence[np.ndarray], level: int, sense: str = "min") -> np.ndarray:
    """Corners [C, 2] (cost, accuracy) of what at least `level` of these runs attain, from the best cost to the worst.

    runs: of each its points [P, 2], cost and accuracy; a run without points attains nothing. sense: whether less
    (`min`) or more cost is better. level: 1 to R.
    """
    sign = 1.0 if sense == "min" else -1.0
    costs_X = np.unique(np.concatenate([sign * run[:, 0] for run in runs]))
    best_RX = np.array([
        [np.max(run[sign * run[:, 0] <= cost, 1], initial=-np.inf) for cost in costs_X] for run in runs
    ])  # fmt: skip
    attained_X = np.sort(best_RX, axis=0)[len(runs) - level]
    rises_X = attained_X > np.concatenate([[-np.inf], attained_X[:-1]])
    return np.column_stack([sign * costs_X[rises_X], attained_X[rises_X]])


def levels(runs: Sequence[np.ndarray], sense: str) -> list[Level]:
    """The best, the median and the worst surface."""
    count = len(runs)
    named = {"best": 1, "median": -(-count // 2), "worst": count}
    return [Level(name, of, surface(runs, of, sense)) for name, of in named.items()]


def over_seeds(results: Results, cost: str) -> AttainmentInfo:
    """A study's confirmed points, a run per seed. Raises NotEnough without two seeds that points share."""
    score = points.confirm_score(results)
    if score is None:
        raise NotEnough("no point is confirmed, so that no seed repeats a front")
    table = points.confirmed(results, score.column)
    values = [set(row["values"]) & set(row[f"{cost}_values"]) for row in table.to_dict("records")]
    seeds = shared(values)
    if len(seeds) < LEAST:
        raise NotEnough(f"it needs {LEAST} seeds that the confirmed points share")
    inside = [seeds <= own for own in values]
    kept, out = table[inside], table[[not one for one in inside]]
    rows = [
        {"run": f"seed {seed}", "method": row["method"], "label": row["label"],
         "x": row[f"{cost}_values"][seed], "y": row["values"][seed]}
        for seed in sorted(seeds) for row in kept.to_dict("records")
    ]  # fmt: skip
    left = [*out["label"], *(f"seed {seed}" for seed in sorted(set().union(*values) - seeds))]
    return _info(results.name, pd.DataFrame(rows), results.objectives[cost], left)


def shared(values: Sequence[set[int]]) -> set[int]:
    """Of the seeds of each point those, two or more, that with all points that have them give most runs of points;
    of equals the more seeds. Empty if no two seeds are shared by a point."""
    seeds = sorted(set().union(*values), key=lambda seed: (-sum(seed in own for own in values), seed))
    choices = [set(seeds[:count]) for count in range(LEAST, len(seeds) + 1)]
    found = max(choices, key=lambda some: (len(some) * sum(some <= own for own in values), len(some)), default=set())
    return found if any(found <= own for own in values) else set()


def over_studies(results: Sequence[Results], cost: str) -> AttainmentInfo:
    """Means of confirmed points, a run per study. Raises NotEnough unless two or more can be compared."""
    if len(results) < LEAST:
        raise NotEnough("drawn for several studies")
    scores = {one.name: points.confirm_score(one) for one in results}
    missing = [name for name, score in scores.items() if score is None]
    if missing:
        raise NotEnough(f"no point of {', '.join(missing)} is confirmed")
    columns = {score.column for score in scores.values() if score is not None}
    if len(columns) > 1 or len({_data(one) for one in results}) > 1:
        raise NotEnough("the studies differ in data or score, so that their fronts are not runs of one thing")
    if any(cost not in one.costs for one in results):
        raise NotEnough("not every study has this cost")
    column = columns.pop()
    tables = [points.confirmed(one, column).assign(run=one.name) for one in results]
    table = pd.concat(tables, ignore_index=True).rename(columns={cost: "x"})[["run", "method", "label", "x", "y"]]
    return _info(f"{len(results)} studies", table, results[0].objectives[cost], [])


def _data(results: Results) -> object:
    data = results.manifest["data"]
    return data.get("fingerprint") if isinstance(data, Mapping) else None


def _info(name: str, table: pd.DataFrame, sense: str, left_out: list[str]) -> AttainmentInfo:
    names = list(dict.fromkeys(table["run"]))
    runs = [table.loc[table["run"] == run, ["x", "y"]].to_numpy(float) for run in names]
    return AttainmentInfo(name, names, table, levels(runs, sense), left_out)

"""Whether the optimum sits at the edge of a range of the search space, and which way to widen it.

Looked at for each method by itself, over the completed trials of the search. A position is where a value lies in its
range, 0 to 1, in the range's own scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from analysis.figure_data.common import completed, ordered_methods
from analysis.health.finding import ACT, FINE, UNKNOWN, WATCH, Finding, share
from analysis.results.load import PARAM_PREFIX, Results
from analysis.text import joined, number
from study import schema

OUTER = 0.1
"""The best trial is at the edge in the outer tenth of a range."""
NEAR = 0.25
"""The best trials count as near an edge in the outer quarter."""
FEWEST = 4
"""Completed trials of a method from which on anything is said."""
FEWEST_BEST = 3
LARGEST, SMALLEST = {"temperature": 10.0}, {"embedding_dim": 2.0}
"""Parameters with limits of their own, beside those of every number (`widened`)."""


class Edge(NamedTuple):
    """A range whose best trial lies at its edge."""

    name: str
    method: str
    upper: bool
    value: float
    accuracy: float
    beyond: bool
    """Outside the range, as a baseline may be."""
    near: int
    best: int
    """So many of the best trials lie near this edge."""
    trials: int
    chance: float
    """How often that many or more would, if accuracy had nothing to do with the position (hypergeometric)."""
    end: float
    wider: float | None
    """The end of the range now and proposed; None: there is nothing beyond."""

    @property
    def supported(self) -> bool:
        """Whether at least half of the best trials lie there."""
        return 2 * self.near >= self.best


def ranges(results: Results) -> Finding:
    """One finding for all ranges."""
    title = "Edges of the ranges"
    specs = ranges_of(results.study)
    if not specs:
        return Finding("ranges", title, FINE, ("The space has no range: every parameter is a list of choices.",))
    done = completed(results.observed).dropna(subset=[schema.ACCURACY])
    found, looked = list[Edge](), 0
    for name, spec in specs.items():
        for method in ordered_methods(done["method"]):
            rows = _rows(done, method, name)
            if len(rows) >= FEWEST and rows["value"].nunique() > 2:
                looked += 1
                found += [edge] if (edge := _edge(rows, name, method, spec)) else []
    if not looked:
        few = f"No range has {FEWEST} completed trials of one method with three values, so no edge can be told."
        return Finding("ranges", title, UNKNOWN, (few,))
    found.sort(key=lambda edge: not edge.supported)
    if not found:
        said = f"In none of {joined(list(specs))} does the most accurate trial of a method lie in the outer tenth."
        return Finding("ranges", title, FINE, (said,))
    sets = _sets([edge for edge in found if edge.supported], specs)
    return Finding("ranges", title, ACT if sets else WATCH, tuple(map(_said, found)), sets)


def ranges_of(study: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """name -> low, high, log, step of each numeric range of a resolved study."""
    space = study.get("space")
    known = space.items() if isinstance(space, Mapping) else ()
    return {name: spec for name, spec in known if isinstance(spec, Mapping) and {"low", "high"} <= set(spec)}


def _rows(done: pd.DataFrame, method: str, name: str) -> pd.DataFrame:
    column = PARAM_PREFIX + name
    if column not in done:
        return pd.DataFrame({"value": [], "y": []})
    rows = done[done["method"] == method]
    values = pd.to_numeric(rows[column], errors="coerce")
    return pd.DataFrame({"value": values, "y": rows[schema.ACCURACY]}).dropna()


def _edge(rows: pd.DataFrame, name: str, method: str, spec: Mapping[str, Any]) -> Edge | None:
    place = _positions(rows["value"].to_numpy(float), spec)
    order = np.argsort(-rows["y"].to_numpy(float), kind="stable")
    at = place[order[0]]
    if OUTER < at < 1 - OUTER:
        return None
    upper = bool(at > 0.5)
    near_N = place >= 1 - NEAR if upper else place <= NEAR
    best = min(len(rows), max(FEWEST_BEST, math.ceil(len(rows) / 4)))
    near = int(near_N[order[:best]].sum())
    chance = float(stats.hypergeom.sf(near - 1, len(rows), int(near_N.sum()), best))
    first, end = rows.iloc[order[0]], float(spec["high" if upper else "low"])
    beyond = bool(first["value"] > end if upper else first["value"] < end)
    wider = widened(name, spec, upper, float(first["value"]), _is_whole(rows["value"], spec))
    values = float(first["value"]), float(first["y"])
    return Edge(name, method, upper, *values, beyond, near, best, len(rows), chance, end, wider)


def _positions(values: np.ndarray, spec: Mapping[str, Any]) -> np.ndarray:
    scale = np.log if spec.get("log") else np.asarray
    low, high = (float(scale(spec[end])) for end in ("low", "high"))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (np.asarray(scale(values), float) - low) / (high - low)


def _is_whole(values: pd.Series, spec: Mapping[str, Any]) -> bool:
    return bool((values == values.round()).all()) and all(float(spec[end]).is_integer() for end in ("low", "high"))


def widened(name: str, spec: Mapping[str, Any], upper: bool, best: float, whole: bool) -> float | None:
    """The end of a range moved out by a quarter of the range (in its scale), rounded to two digits, and so that `best`
    lies inside; None where it cannot move.

    What is above 0 stays there, whole numbers stop at 1, and what lies between 0 and 1 stays there.
    """
    low, high = float(spec["low"]), float(spec["high"])
    lowest = SMALLEST.get(name, 1.0) if whole else low / 2
    highest = LARGEST.get(name, math.inf) if whole or high > 1 else 1.0
    new = _moved(low, high, spec, upper, best)
    new = min(max(new, best), highest) if upper else max(min(new, best), min(lowest, low))
    if spec.get("step"):
        step, whole_steps = float(spec["step"]), math.floor if upper else math.ceil
        new = low + whole_steps((new - low) / step + (1e-9 if upper else -1e-9)) * step
    elif whole:
        new = math.ceil(new - 1e-9) if upper else math.floor(new + 1e-9)
    return new if (new > high if upper else new < low) else None


def _moved(low: float, high: float, spec: Mapping[str, Any], upper: bool, best: float) -> float:
    """The end a quarter of the range further out, or at `best` if that is further."""
    if spec.get("log"):
        factor = (high / low) ** NEAR
        return _rounded(high * factor if upper else low / factor, up=upper)
    more = NEAR * (high - low)
    if step := float(spec.get("step") or 0):
        beyond = (best - high if upper else low - best) / step
        more = step * max(1, round(more / step), math.ceil(beyond - 1e-9))
        return high + more if upper else low - more
    return _rounded(high + more if upper else low - more, up=upper)


def _rounded(value: float, *, up: bool) -> float:
    """To two significant digits, outwards."""
    if value == 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    whole = value / unit
    return float(f"{(math.ceil(whole - 1e-9) if up else math.floor(whole + 1e-9)) * unit:.12g}")


def _sets(edges: list[Edge], specs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The widest proposal for each end."""
    ends: dict[str, float] = {}
    for edge in edges:
        if edge.wider is not None:
            key = f"space.{edge.name}.{'high' if edge.upper else 'low'}"
            ends[key] = (max if edge.upper else min)(edge.wider, ends.get(key, edge.wider))
    return {key: f"{value:.12g}" for key, value in ends.items()}


def _said(edge: Edge) -> str:
    side = "upper" if edge.upper else "lower"
    where = f"beyond the {side} edge" if edge.beyond else f"at the {side} edge"
    text = (
        f"{edge.name}: the most accurate {edge.method} trial ({number(edge.accuracy)} %) has {edge.value:.6g}, {where} "
        f"({edge.end:.6g}); of the {edge.best} best of {edge.trials} trials {edge.near} lie in that outer quarter, "
        f"as many or more of which chance gives in {share(edge.chance)} of cases."
    )
    if edge.wider is None:
        return f"{text} Nothing lies beyond."
    how = f"--set space.{edge.name}.{'high' if edge.upper else 'low'}={edge.wider:.12g}"
    if not edge.supported:
        return f"{text} It may be one lucky run; widening it would be {how}."
    return f"{text} Widen it: {how}."

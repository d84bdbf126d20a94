"""Tuning curves with confidence bands: what the best of so many random trials of a method reaches.

Lourie, Cho and He 2023, "Show Your Work with Confidence: Confidence Bands for Tuning Curves" (their package `opda`).
Random trials of a method are independent draws from one distribution of accuracies; the median of the best of n such
draws is a quantile of it, and simultaneous bands for its distribution function are bands for the whole curve.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from opda.nonparametric import EmpiricalDistribution

from analysis.figure_data.common import NotEnough, ordered_methods
from analysis.results.intervals import PERCENT
from analysis.results.load import Results, draws
from study import schema
from study.schema import ACCURACY, SEARCH

CONFIDENCE = 0.95
LEAST = 4
"""Random trials of a method that a curve is of."""
SPOILED = (schema.DIVERGED, schema.TIMED_OUT, schema.OUT_OF_MEMORY)
FRONT_STARTUP = 6
"""Trials with a report before `search.sampler: front` asks its model, at the most (`study.search.front.propose`)."""
ITS_SAMPLERS = ("random", "tpe", "front")
NO_DRAW = {"point_index": None}
"""Of a trial in a folder without a record of draws, where at most `number` trials had ended when it was drawn."""


class Curve(NamedTuple):
    """The tuning curve of one method."""

    method: str
    values: np.ndarray
    """Accuracies [n] of its random trials, %; those that were spoiled count as 0."""
    table: pd.DataFrame
    """A row per number of trials 1..n: trials, epochs (their mean times the number), median, low, high."""


class TuningInfo(NamedTuple):
    """Everything a picture of tuning curves shows."""

    curves: list[Curve]
    effort: dict[str, tuple[int, int, int]]
    """Of each method of the search: trials that ended, epochs that they trained, and how many of them were random."""
    stopped: int
    """Random trials that were stopped early: their accuracy is that of when they were."""
    spoiled: int
    few: list[str]
    """Methods with fewer than LEAST random trials."""


def tuning_info(results: Results) -> TuningInfo:
    """Curves of the methods of a search that have random trials enough. Raises NotEnough with the reason."""
    ended = results.stage(SEARCH)
    ended = ended[ended[ACCURACY].notna() | ended["status"].isin(SPOILED)]
    random = ended[random_trials(results, ended)]
    methods = ordered_methods(ended["method"])
    groups = {method: random[random["method"] == method] for method in methods}
    curves = [_curve(method, group) for method, group in groups.items() if len(group) >= LEAST]
    counts = ", ".join(f"{method} has {len(group)}" for method, group in groups.items())
    if not curves:
        raise NotEnough(f"it needs {LEAST} random trials of a method ({counts or 'no trial has ended'})")
    effort = {
        method: (len(mine), int(mine["epochs"].sum()), len(groups[method]))
        for method in methods
        if len(mine := ended[ended["method"] == method])
    }
    few = [method for method, group in groups.items() if len(group) < LEAST]
    shown = random[random["method"].isin([curve.method for curve in curves])]
    stopped, spoiled = (int(shown["status"].isin(kinds).sum()) for kinds in ([schema.STOPPED], SPOILED))
    return TuningInfo(curves, effort, stopped, spoiled, few)


def _curve(method: str, trials: pd.DataFrame) -> Curve:
    values = np.where(trials["status"].isin(SPOILED), 0.0, trials[ACCURACY]).clip(*PERCENT)
    median, low, high = bands(tuple(sorted(values.tolist())))
    numbers = np.arange(1, len(values) + 1)
    ends = {"median": median, "low": low, "high": high}
    table = pd.DataFrame({"trials": numbers, "epochs": numbers * float(trials["epochs"].mean()), **ends})
    return Curve(method, values, table)


@functools.lru_cache(maxsize=256)
def bands(values: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Median [n] of the best of 1..n draws, and ends of its 95 % band, that holds for all n at once. values: accuracies
    of n independent draws, %."""
    numbers = np.arange(1, len(values) + 1)
    below, middle, above = EmpiricalDistribution.confidence_bands(
        values, CONFIDENCE, *PERCENT, generator=np.random.default_rng(0), method="ld_equal_tailed", n_jobs=1
    )
    median, low, high = (one.quantile_tuning_curve(numbers) for one in (middle, above, below))
    return median, low, high


# --- which trials are random ---


def random_trials(results: Results, trials: pd.DataFrame) -> np.ndarray:
    """Which of these trials [N] (bool) of the search were surely drawn at random, independently of all others.

    Of `random` all that the sampler drew; of `tpe` and `front` those drawn while too few trials had ended, or reported,
    for their model. Raises NotEnough for samplers whose draws depend on each other.
    """
    search: dict[str, Any] = results.study.get("search") or {}
    sampler = search.get("sampler")
    if sampler not in ITS_SAMPLERS:
        raise NotEnough(f"draws of search.sampler: {sampler} are not independent of each other")
    changed = [line for one in results.manifest["sessions"] for line in one.get("changed") or ()]
    if any(name in line for line in changed for name in ("search.sampler", "search.startup_trials")):
        raise NotEnough("the sampler was changed on the way, so that it is not on record which draws were random")
    own_N: np.ndarray = ~trials["baseline"].to_numpy(bool)
    drawn = {draw["trial_id"]: draw for draw in draws(results)}
    own_N &= np.array([drawn.get(name, NO_DRAW)["point_index"] is None for name in trials["trial_id"]], dtype=bool)
    if sampler == "random":
        return own_N
    if search.get("learn_from"):
        raise NotEnough("the sampler learned from earlier studies before its first draw, so that none was random")
    least = int(search.get("startup_trials") or 0)
    if sampler == "tpe":
        pairs = zip(trials["trial_id"], trials["number"], strict=True)
        ended = [drawn[name]["ended"] if name in drawn else number for name, number in pairs]
        return np.asarray(own_N & (np.array(ended, dtype=int) < least))
    return np.asarray(own_N & (_reported_before(results, trials) < max(2, min(least, FRONT_STARTUP))))


def _reported_before(results: Results, trials: pd.DataFrame) -> np.ndarray:
    """Trials [N] of the search that had reported when each of these began, itself not counted."""
    reports = results.reports[results.reports["stage"] == SEARCH]
    first = pd.to_datetime(reports["time"], utc=True, format="ISO8601").groupby(reports["trial_id"]).min()
    began: Sequence[pd.Timestamp] = list(pd.to_datetime(trials["started"], utc=True, format="ISO8601"))
    return np.array([int((first < at).sum()) for at in began], dtype=int)

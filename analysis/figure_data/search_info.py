"""Numbers behind the figures over the search itself: rungs, epochs spent, hypervolume over time, rank agreement."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from analysis.figure_data.common import NotEnough, completed, main_stage, ordered_methods
from analysis.results.front import OBJECTIVES
from analysis.results.intervals import CONFIDENCE
from analysis.results.load import Results
from study import schema
from study.schema import dominance

MIN_RANKED = 5
ALL, STORING = "all methods", "methods with a support set"


class RungCounts(NamedTuple):
    """Search trials and epochs per segment between rungs, by method.

    ends: last epoch of each segment (the rungs, then the full budget). reached[m][i]: trials of method m that reached
    that epoch. spent[m][i]: epochs trained within the segment. trials[m]: trials that started.
    """

    ends: tuple[int, ...]
    methods: tuple[str, ...]
    trials: dict[str, int]
    reached: dict[str, tuple[int, ...]]
    spent: dict[str, tuple[int, ...]]


class HypervolumeOverTime(NamedTuple):
    """Hypervolume of the completed search trials against epochs spent by all search trials until then.

    front[i]: trials on the front then; labels[i]: the trial that completed; corner: what bounds the hypervolume, as
    scaled costs.
    """

    epochs_spent: np.ndarray
    hypervolume: np.ndarray
    front: np.ndarray
    labels: tuple[str, ...]
    corner: np.ndarray


class Agreement(NamedTuple):
    """Rank correlation with its approximate 95 % interval; NaN where it is not defined (n < MIN_RANKED, all tied)."""

    tau: float
    tau_low: float
    tau_high: float
    rho: float
    rho_low: float
    rho_high: float
    n: int


class RankAgreement(NamedTuple):
    """How the ranking at each epoch agrees with the final one, over the completed trials of one stage.

    In the search stage the ranks are of trials. In the confirm stage they are of points, within each seed: the numbers
    are means over `seeds` rankings, and the intervals those of one ranking, as the seeds share their points.
    n: trials (points) that are ranked. by_method: the same within each method that has MIN_RANKED of them.
    """

    stage: str
    n: int
    seeds: int
    epochs: tuple[int, ...]
    overall: tuple[Agreement, ...]
    by_method: dict[str, tuple[Agreement, ...]]
    rungs: tuple[int, ...]


def rung_flow(trials: pd.DataFrame, reports: pd.DataFrame, rungs: Sequence[int]) -> RungCounts:
    """Who reached which rung, and where the epochs went. Raises NotEnough without rungs or reports."""
    if not len(rungs):
        raise NotEnough("the study has no rungs: no trial is stopped early")
    search = trials[trials["stage"] == "search"]
    rows = reports[reports["stage"] == "search"].dropna(subset=["method"])
    if rows.empty or search.empty:
        raise NotEnough("no trial of the search stage has ended or reported")
    ends = (*sorted(int(r) for r in rungs), int(search["max_epochs"].max()))
    methods = tuple(ordered_methods(rows["method"]))
    last = rows.groupby("trial_id").agg(method=("method", "first"), epoch=("epoch", "max"))
    edges = (0, *ends)
    reached, spent, started = {}, {}, {}
    for method in methods:
        epochs = last.loc[last["method"] == method, "epoch"]
        trained = rows.loc[rows["method"] == method, "epoch"]
        started[method] = len(epochs)
        reached[method] = tuple(int((epochs >= end).sum()) for end in ends)
        pairs = itertools.pairwise(edges)
        spent[method] = tuple(int(((trained > low) & (trained <= high)).sum()) for low, high in pairs)
    return RungCounts(ends, methods, started, reached, spent)


def hypervolume_over_time(
    trials: pd.DataFrame, reports: pd.DataFrame, objectives: dominance.Objectives, corner_M: np.ndarray
) -> HypervolumeOverTime:
    """After each completed search trial the hypervolume within the corner. Raises NotEnough below two trials."""
    done = completed(trials, schema.SEARCH).dropna(subset=list(objectives))
    if len(done) < 2:
        raise NotEnough("fewer than two completed trials in the search stage")
    done = done.assign(when=_instants(done["ended"])).sort_values("when", kind="stable")
    times = _instants(reports.loc[reports["stage"] == schema.SEARCH, "time"]).sort_values()
    spent = np.searchsorted(times.to_numpy(), done["when"].to_numpy(), side="right")
    rows = done[list(objectives)].to_dict("records")
    costs_NM = np.array([dominance.scaled_costs(row, objectives, OBJECTIVES) for row in rows])
    volumes, sizes, front = [], [], np.zeros(0, dtype=int)
    for i in range(len(costs_NM)):
        front = np.append(front, i)
        front = front[dominance.on_front(costs_NM[front])]
        volumes.append(dominance.hypervolume(costs_NM[front], corner_M))
        sizes.append(len(front))
    return HypervolumeOverTime(spent, np.array(volumes), np.array(sizes), tuple(done["label"].astype(str)), corner_M)


def hypervolumes(results: Results) -> dict[str, HypervolumeOverTime]:
    """Of all methods; and where support bytes are an objective, of those with a support set. Raises NotEnough."""
    trials, reports, objectives = results.trials, results.reports, results.objectives
    done = completed(trials, schema.SEARCH).dropna(subset=list(objectives))
    corner = dominance.reference(done[list(objectives)].to_dict("records"), objectives, OBJECTIVES)
    found = {ALL: hypervolume_over_time(trials, reports, objectives, corner)}
    storing = trials[trials[schema.SUPPORT_BYTES] > 0]
    if schema.SUPPORT_BYTES in objectives and len(storing) < len(trials):
        with contextlib.suppress(NotEnough):
            found[STORING] = hypervolume_over_time(storing, reports, objectives, corner)
    return found


def _instants(column: pd.Series) -> pd.Series:
    return pd.to_datetime(column, utc=True, format="ISO8601")


def agreement(early: Sequence[float], final: Sequence[float]) -> Agreement:
    """Kendall's tau-b and Spearman's rho of two scorings of the same trials (1: same ranking, 0: unrelated).

    Intervals by Fisher's z with the variances of Fieller, Hartley and Pearson 1957 for tau, 0.437 / (n - 4), and of
    Bonett and Wright 2000 for rho, (1 + rho^2 / 2) / (n - 3), and Student's t with n - 2 degrees of freedom in the
    normal's place, which few trials need (`benchmarks.coverage`). Approximate, for continuous scores; a perfect
    correlation counts half a pair short of it. Pairs with a NaN are left out.
    """
    pair = np.array([early, final], float)
    pair = pair[:, np.isfinite(pair).all(axis=0)]
    n, nan = pair.shape[1], float("nan")
    if n < MIN_RANKED or np.ptp(pair[0]) == 0 or np.ptp(pair[1]) == 0:
        return Agreement(nan, nan, nan, nan, nan, nan, n)
    tau = float(stats.kendalltau(*pair).statistic)
    rho = float(stats.spearmanr(*pair).statistic)
    return Agreement(tau, *_fisher(tau, 0.437 / (n - 4), n), rho, *_fisher(rho, (1 + rho**2 / 2) / (n - 3), n), n)


def _fisher(correlation: float, variance: float, n: int) -> tuple[float, float]:
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 2)) * np.sqrt(variance)
    edge = 1 - 2 / (n * (n - 1))
    z = np.arctanh(np.clip(correlation, -edge, edge))
    return min(float(np.tanh(z - half)), correlation), max(float(np.tanh(z + half)), correlation)


def mean_agreement(early: pd.Series, final: pd.Series, rankings: pd.Series) -> Agreement:
    """Mean over the rankings (a label per trial), with the interval of one: they are of the same points."""
    found = [agreement(early[rankings == one], final[rankings == one]) for one in rankings.unique()]
    found = [one for one in found if np.isfinite(one.tau)]
    if not found:
        return agreement([], [])
    n = min(one.n for one in found)
    tau, rho = (float(np.mean([getattr(one, name) for one in found])) for name in ("tau", "rho"))
    return Agreement(tau, *_fisher(tau, 0.437 / (n - 4), n), rho, *_fisher(rho, (1 + rho**2 / 2) / (n - 3), n), n)


def _ranked(trials: pd.DataFrame, stage: str) -> pd.DataFrame:
    """Completed trials of a stage with the ranking that each belongs to: the seed, or one for all of a search."""
    done = completed(trials, stage).dropna(subset=[schema.ACCURACY])
    return done.assign(ranking=done["seed"] if stage == "confirm" else 0)


def rank_agreement(
    trials: pd.DataFrame, reports: pd.DataFrame, rungs: Sequence[int], most_epochs: int = 40
) -> RankAgreement:
    """Agreement of each epoch's ranking with the last epoch's, over trials that completed (the others have no final).

    Of the stage that ranks more of them. Raises NotEnough with fewer than MIN_RANKED.
    """
    tables = {stage: _ranked(trials, stage) for stage in (schema.SEARCH, schema.CONFIRM)}
    tables = {stage: table[table["trial_id"].isin(reports["trial_id"])] for stage, table in tables.items()}
    most = {stage: int(table["ranking"].value_counts().max()) if len(table) else 0 for stage, table in tables.items()}
    stage = max(most, key=lambda s: (most[s], s == main_stage(trials)))
    done = tables[stage].set_index("trial_id")
    if most[stage] < MIN_RANKED:
        raise NotEnough(f"{most[stage]} completed trials; ranks are compared from {MIN_RANKED} on")
    wide = reports[reports["trial_id"].isin(done.index)].pivot(
        index="epoch", columns="trial_id", values=schema.ACCURACY
    )
    done = done.reindex(wide.columns)
    final, method, ranking = done[schema.ACCURACY], done["method"], done["ranking"]
    last = int(done["max_epochs"].max())
    spread = np.unique(np.linspace(1, last, min(last, most_epochs)).round().astype(int))
    epochs = tuple(e for e in sorted({*spread.tolist(), *(int(r) for r in rungs)}) if e in wide.index and e < last)
    if not epochs:
        raise NotEnough("no epoch before the last was reported")
    groups = {m: method == m for m in ordered_methods(method)}
    big = {m: mask for m, mask in groups.items() if ranking[mask].value_counts().max() >= MIN_RANKED}
    return RankAgreement(
        stage,
        most[stage],
        ranking.nunique(),
        epochs,
        tuple(mean_agreement(wide.loc[e], final, ranking) for e in epochs),
        {
            m: tuple(mean_agreement(wide.loc[e, own], final[own], ranking[own]) for e in epochs)
            for m, own in big.items()
        },
        tuple(int(r) for r in rungs if int(r) in epochs),
    )

"""Points: what was measured at one place of the search space, over its seeds, with intervals.

The confirm stage gives one point per `point` id, with a value per seed; its score is the offline evaluation on test
that matches the study's score. The search stage gives one point per trial, on validation. Every table of points has a
column for each cost of the report (`Results.costs`), and `y` for the accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from analysis.results.intervals import PERCENT, Interval, cost_intervals, intervals
from analysis.results.load import PARAM_PREFIX, Results
from analysis.text import heading
from study import schema
from study.schema import ACCURACY, CONFIRM, SEARCH, Metric


class Score(NamedTuple):
    """What the accuracy of a point is."""

    column: str
    title: str
    stage: str


def finished(results: Results, stage: str) -> pd.DataFrame:
    """Trials of a stage that ran their full budget and have the study's objectives."""
    trials = results.stage(stage)
    return trials[(trials["status"] == schema.COMPLETED) & trials[ACCURACY].notna()]


def finished_search(results: Results) -> pd.DataFrame:
    """The same of the search, with what was learned of earlier studies."""
    trials = results.observed
    return trials[(trials["status"] == schema.COMPLETED) & trials[ACCURACY].notna()]


def score_metric(results: Results) -> Metric:
    """The metric that the study optimises, which `accuracy` copies."""
    found: Metric = schema.METRICS.get(str(results.manifest["score"]), schema.METRICS[ACCURACY])
    return found


def confirm_score(results: Results) -> Score | None:
    """The confirm stage's score: on test where every finished trial has it, else on validation; None without any."""
    done = finished(results, CONFIRM)
    if not len(done):
        return None
    column = schema.SCORES.get(str(results.manifest["score"]), "test_acc1")
    if done[column].isna().any():
        return Score(ACCURACY, heading(score_metric(results)), CONFIRM)
    return Score(column, heading(schema.METRICS[column]), CONFIRM)


def search_score(results: Results) -> Score:
    """The search stage's score: validation accuracy."""
    return Score(ACCURACY, heading(score_metric(results)), SEARCH)


def by_seed(trials: pd.DataFrame, column: str) -> dict[int, float]:
    """seed -> value of one point."""
    return {int(s): float(v) for s, v in zip(trials["seed"], trials[column], strict=True) if math.isfinite(v)}


def confirmed(results: Results, column: str) -> pd.DataFrame:
    """One row per confirmed point, of which there must be one, in the order of costs.

    Columns: study, point, method, label, baseline; of each cost its mean over seeds (under its own name), `_low` and
    `_high` (its interval) and `_values` (seed -> value); vectors, y, low, high, n, how, values (seed -> value), trials
    (their ids), sampling_error (`sampling_error`), and the point's parameters `p_*`; `origin` as `searched` has it.
    """
    groups = dict(list(finished(results, CONFIRM).groupby("point", sort=False)))
    means = intervals({point: by_seed(group, column) for point, group in groups.items()}, PERCENT)
    costs = {
        name: cost_intervals({point: by_seed(group, name) for point, group in groups.items()}) for name in results.costs
    }
    images = images_of(results, column)
    table = pd.DataFrame(
        [
            _confirmed_point(results.name, point, group, column, means[point], {n: costs[n][point] for n in costs})
            | {"sampling_error": sampling_error(means[point].mean, images)}
            for point, group in groups.items()
        ]
    )
    if len(results.learned):
        table["origin"] = table["point"].map(results.learned.set_index("trial_id")["origin"]).fillna("")
    return table.sort_values([*results.costs, "y"], ignore_index=True)


def _confirmed_point(
    study: str, point: str, group: pd.DataFrame, column: str, mean: Interval, costs: Mapping[str, Interval]
) -> dict[str, Any]:
    first, more = group.iloc[0], dict[str, Any]()
    for name, cost in costs.items():
        more |= {name: cost.mean, f"{name}_low": cost.low, f"{name}_high": cost.high}
        more[f"{name}_values"] = by_seed(group, name)
    return {
        "study": study,
        "point": point,
        "method": first["method"],
        "label": first["label"],
        "baseline": bool(first["baseline"]),
        **more,
        "vectors": float(first["support_vectors"]),
        "y": mean.mean,
        "low": mean.low,
        "high": mean.high,
        "n": mean.n,
        "how": mean.how,
        "values": by_seed(group, column),
        "trials": " ".join(group["trial_id"].astype(str)),
        **{n: first[n] for n in group.columns if n.startswith(PARAM_PREFIX) and n != f"{PARAM_PREFIX}method"},
    }


def images_of(results: Results, column: str) -> int | None:
    """How many images an accuracy is of: those of test, or of validation; None if the study does not say."""
    data = results.manifest["data"] if isinstance(results.manifest["data"], dict) else {}
    count = data.get("test" if column in schema.TEST_METRICS else "validation")
    return count if isinstance(count, int) and count > 0 else None


def sampling_error(accuracy: float, images: int | None) -> float:
    """Standard error (percentage points) of an accuracy (%) as a share of so many images: other images would give
    another one. NaN without their number."""
    share = accuracy / PERCENT[1]
    return PERCENT[1] * math.sqrt(max(share * (1 - share), 0.0) / images) if images else math.nan


def with_support(points: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Those points (or trials) whose method has a support set of one kind: `queue` or `prototypes`."""
    return points[points["method"].isin([m for m, method in schema.METHODS.items() if method.support == kind])]


def for_csv(points: pd.DataFrame) -> pd.DataFrame:
    """Points with `values` as text, `1: 57.2; 2: 57.9` (seed: value), and without what only a computation needs."""
    table = points.drop(columns=[name for name in points if name.endswith("_values")])
    if "values" in table:
        table["values"] = ["; ".join(f"{s}: {v:.10g}" for s, v in one.items()) for one in table["values"]]
    return table


def searched(results: Results) -> pd.DataFrame:
    """One row per search trial with an accuracy: study, trial_id, method, label, status, epochs, baseline, each cost,
    y, n, hollow (stopped early). Learned trials are among them; where there are any, `origin` says from which study."""
    trials = results.observed
    trials = trials[trials[ACCURACY].notna() & trials["status"].isin([schema.COMPLETED, schema.STOPPED])]
    columns = ["trial_id", "method", "label", "status", "epochs", "baseline", *results.costs]
    columns += ["origin"] * ("origin" in trials)
    table = trials[columns].assign(y=trials[ACCURACY], n=1, hollow=trials["status"] == schema.STOPPED)
    table.insert(0, "study", results.name)
    return table.sort_values([*results.costs, "y"], ignore_index=True)


def running(results: Results) -> pd.DataFrame:
    """Last reports of search trials that have not ended, as rows like those of `searched` (hollow), either `running` or
    `paused` at a rung."""
    rest = results.reports[~results.reports["trial_id"].isin(results.trials["trial_id"])]
    rest = rest[rest[ACCURACY].notna() & (rest["stage"] == SEARCH)]
    last = rest.loc[rest.groupby("trial_id")["epoch"].idxmax()] if len(rest) else rest
    costs = {name: last.get(name, math.nan) for name in results.costs}
    status = last["trial_id"].map(lambda name: "paused" if name in results.paused else "running").astype(object)
    return pd.DataFrame(
        {
            "study": results.name,
            "trial_id": last["trial_id"],
            "method": last["method"],
            "label": last["trial_id"] + " (" + status + ")",
            "status": status,
            "epochs": last["epoch"],
            "baseline": False,
            **costs,
            "y": last[ACCURACY],
            "n": 1,
            "hollow": True,
        }
    )

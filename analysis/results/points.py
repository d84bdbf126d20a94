"""Points: what was measured at one place of the search space, over its seeds, with intervals.

The confirm stage gives one point per `point` id, with a value per seed; its score is the offline evaluation on test
that matches the study's score. The search stage gives one point per trial, on validation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.results import front
from analysis.results.intervals import PERCENT, FrontStatistics, front_statistics, mean_interval
from analysis.results.load import Results
from study import schema

TEST_OF = {"probe_acc1": "test_acc1", "knn_acc1": "test_knn_acc1", "few_shot_acc1": "test_few_shot_acc1"}
TITLES = {
    "accuracy": "Validation accuracy (%)",
    "probe_acc1": "Validation acc@1, online linear probe (%)",
    "knn_acc1": "Validation acc@1, kNN (%)",
    "few_shot_acc1": "Validation acc@1, few-shot probe (%)",
    "test_acc1": "Test acc@1, offline linear (%)",
    "test_acc5": "Test acc@5, offline linear (%)",
    "test_knn_acc1": "Test acc@1, kNN (%)",
    "test_few_shot_acc1": "Test acc@1, few-shot probe (%)",
}
SEARCH, CONFIRM = schema.STAGES


class Score(NamedTuple):
    """What the accuracy of a point is."""

    column: str
    title: str
    stage: str


def finished(results: Results, stage: str) -> pd.DataFrame:
    """Trials of a stage that ran their full budget and have the study's objectives."""
    trials = results.stage(stage)
    return trials[(trials["status"] == schema.COMPLETED) & trials["accuracy"].notna()]


def confirm_score(results: Results) -> Score | None:
    """The confirm stage's score: on test where every finished trial has it, else on validation; None without any."""
    done = finished(results, CONFIRM)
    if not len(done):
        return None
    score = str(results.manifest["score"])
    column = TEST_OF.get(score, "test_acc1")
    if done[column].isna().any():
        return Score("accuracy", TITLES.get(score, TITLES["accuracy"]), CONFIRM)
    return Score(column, TITLES[column], CONFIRM)


def search_score(results: Results) -> Score:
    """The search stage's score: validation accuracy."""
    return Score("accuracy", TITLES.get(str(results.manifest["score"]), TITLES["accuracy"]), SEARCH)


def by_seed(trials: pd.DataFrame, column: str) -> dict[int, float]:
    """seed -> value of one point."""
    return {int(s): float(v) for s, v in zip(trials["seed"], trials[column], strict=True) if math.isfinite(v)}


def confirmed(results: Results, column: str, x: str = "support_bytes") -> pd.DataFrame:
    """One row per confirmed point, in the order of costs.

    Columns: study, point, method, label, baseline, x (named by `x`, mean over seeds), x_low, x_high (its interval),
    x_values, vectors, y, low, high, n, how, values (seed -> value), trials (their ids), and the point's parameters
    `p_*`.
    """
    done = finished(results, CONFIRM)
    rows = []
    for point, group in done.groupby("point", sort=False):
        values = by_seed(group, column)
        interval = mean_interval(list(values.values()), limits=PERCENT)
        cost = mean_interval(group[x], limits=(0.0, math.inf))
        first = group.iloc[0]
        rows.append(
            {
                "study": results.name,
                "point": point,
                "method": first["method"],
                "label": first["label"],
                "baseline": bool(first["baseline"]),
                x: cost.mean,
                "x_low": cost.low,
                "x_high": cost.high,
                "x_values": [v for v in group[x].tolist() if math.isfinite(v)],
                "vectors": float(first["support_vectors"]),
                "y": interval.mean,
                "low": interval.low,
                "high": interval.high,
                "n": interval.n,
                "how": interval.how,
                "values": values,
                "trials": " ".join(group["trial_id"].astype(str)),
                **{name: first[name] for name in group.columns if name.startswith("p_") and name != "p_method"},
            }
        )
    columns = ["study", "point", "method", "label", "baseline", x, "x_low", "x_high", "x_values", "vectors", "y", "low",
               "high", "n", "how", "values", "trials"]  # fmt: skip
    table = pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)
    return table.sort_values([x, "y"], ignore_index=True)


def for_csv(points: pd.DataFrame) -> pd.DataFrame:
    """Points with `values` as text, `1: 57.2; 2: 57.9` (seed: value), and without what only a computation needs."""
    table = points.drop(columns="x_values", errors="ignore")
    if "values" in table:
        table["values"] = ["; ".join(f"{s}: {v:.10g}" for s, v in one.items()) for one in table["values"]]
    return table


def searched(results: Results, x: str = "support_bytes") -> pd.DataFrame:
    """One row per search trial with an accuracy: study, trial_id, method, label, x, y, n, hollow (stopped early)."""
    trials = results.stage(SEARCH)
    trials = trials[trials["accuracy"].notna() & trials["status"].isin([schema.COMPLETED, schema.STOPPED])]
    table = trials[["trial_id", "method", "label", "status", "epochs", "baseline"]].copy()
    if x not in table:
        table[x] = trials[x]
    table.insert(0, "study", results.name)
    table["y"], table["n"] = trials["accuracy"], 1
    table["hollow"] = trials["status"] == schema.STOPPED
    return table.sort_values([x, "y"], ignore_index=True)


def running(results: Results, x: str = "support_bytes") -> pd.DataFrame:
    """Last reports of trials that have not ended, as rows like those of `searched` (hollow)."""
    rest = results.reports[~results.reports["trial_id"].isin(results.trials["trial_id"])]
    rest = rest[rest["accuracy"].notna() & (rest["stage"] == SEARCH)]
    last = rest.loc[rest.groupby("trial_id")["epoch"].idxmax()] if len(rest) else rest
    x_values = last[x] if x in last else pd.Series(np.nan, index=last.index)
    return pd.DataFrame(
        {
            "study": results.name,
            "trial_id": last["trial_id"],
            "method": last["method"],
            "label": last["trial_id"] + " (running)",
            "status": "running",
            "epochs": last["epoch"],
            "baseline": False,
            x: x_values,
            "y": last["accuracy"],
            "n": 1,
            "hollow": True,
        }
    )


class Front(NamedTuple):
    """A study's points with what resampling says of them."""

    points: pd.DataFrame
    """As `confirmed` (or `searched`), plus on_front (bool) and p_front (NaN where nothing is repeated)."""
    score: Score
    axis: front.Axis
    reference: front.Reference
    statistics: FrontStatistics


def check_axis(results: Sequence[Results], x: str) -> None:
    """Raises ValueError if a study cannot be drawn against `x`."""
    if x not in front.AXES:
        raise ValueError(f"--x: expected one of {', '.join(front.AXES)}, got {x!r}")
    for one in results:
        with_result = one.trials[one.trials["accuracy"].notna()]
        if len(with_result) and with_result[x].isna().all():
            why = "it ran on a CPU" if x == "gpu_hours" else "no trial reports it"
            raise ValueError(
                f"--x {x}: {one.folder} has no value of it ({why}); choose another of {', '.join(front.AXES)}"
            )


def front_of(results: Results, x: str = "support_bytes") -> Front | None:
    """The study's best-founded front: of confirmed points, else of finished search trials; None without either."""
    score = confirm_score(results)
    if score is not None:
        points = confirmed(results, score.column, x)
        samples = [list(v.values()) for v in points["values"]]
        costs = points["x_values"].tolist()
    else:
        score = search_score(results)
        points = searched(results, x)
        points = points[~points["hollow"].astype(bool)].reset_index(drop=True)
        samples, costs = ([[v] for v in points[name]] for name in ("y", x))
    if not len(points):
        return None
    axis = front.AXES[x]
    reference = front.reference_for(axis, points[x].tolist())
    found = front_statistics(costs, samples, reference)
    points = points.assign(on_front=front.on_front(points[x], points["y"]), p_front=found.probability_N)
    return Front(points, score, axis, reference, found)

"""Fronts of accuracy against what it costs: what may be a cost, who is on the front, its hypervolume and its certainty.

Shape legend: N points, M objectives, R draws. Objectives are `Results.objectives`, accuracy first; `y` is a point's
accuracy, which is on test where the study's score has a counterpart there. Dominance is `study.schema.dominance`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.results.intervals import CONFIDENCE, DRAWS, PERCENT, SEED, resampled_costs, resampled_means
from analysis.results.load import GPU_HOURS, Results
from analysis.results.points import Score, confirm_score, confirmed, search_score, searched
from analysis.text import in_sentence, joined
from study import schema
from study.schema import ACCURACY, Metric, UserError, dominance, wording

OBJECTIVES: dict[str, Metric] = schema.OBJECTIVES | {
    GPU_HOURS: Metric("hours a trial held its process times its share of a GPU", "GPU-hours per run", "GPU-h", "min")
}
"""What a front may be over: what a study may name, and GPU-hours."""
AXES = {name: metric for name, metric in OBJECTIVES.items() if name != ACCURACY}
"""What accuracy may be drawn against."""


def against(results: Results, x: str | None) -> Results:
    """The same results with accuracy and the cost `x` for objectives; None: the study's own.

    Raises UserError for an unknown cost, and for one that the study has no value of.
    """
    if x is None:
        return results
    if x not in AXES:
        raise UserError(f"--x: expected one of {', '.join(AXES)}, got {x!r}")
    with_result = results.trials[results.trials[ACCURACY].notna()]
    if len(with_result) and with_result[x].isna().all():
        why = "it ran on a CPU" if x == GPU_HOURS else "no trial reports it"
        raise UserError(
            f"--x {x}: {results.folder} has no value of it ({why}); choose another of {', '.join(AXES)}"
        )  # fmt: skip
    return dataclasses.replace(results, objectives={ACCURACY: "max", x: AXES[x].sense})


# --- words ---


def costs_in_words(values: Mapping[str, float], costs: Sequence[str]) -> str:
    """`410 kB`, `410 kB, 14 s`: a point's costs with their units."""
    return ", ".join(wording.value_in_words(float(values[name]), AXES[name]) for name in costs)


def names_of(costs: Sequence[str]) -> str:
    """`support set`, `support set and time per epoch`."""
    return joined([in_sentence(AXES[name].title) for name in costs])


def scale_of(metric: Metric) -> str:
    """How an objective counts in a hypervolume: `%`, `log10(1 + bytes)`, `s`."""
    unit = "bytes" if metric.unit == "B" else metric.unit
    return f"log10(1 + {unit})" if metric.log else unit


def reference_in_words(corner_M: Sequence[float], objectives: dominance.Objectives) -> str:
    """The corner that bounds a hypervolume (scaled costs), and the scale of each objective: for captions."""
    ends, scales = [], []
    for value, (name, sense) in zip(corner_M, objectives.items(), strict=True):
        metric = OBJECTIVES[name]
        plain = abs(float(value)) if sense == "max" else float(value)
        plain = 10**plain - 1 if metric.log else plain
        text = f"{plain:g} %" if metric.unit == "%" else wording.value_in_words(plain, metric)
        ends.append(f"{in_sentence(metric.title)} {text}")
        scales.append(f"{in_sentence(metric.title)} in {scale_of(metric)}")
    return f"reference point: {', '.join(ends)}; axes: {', '.join(scales)}"


# --- fronts ---


def _objective_rows(points: pd.DataFrame, objectives: dominance.Objectives) -> list[dict[str, float]]:
    """Of each point the values of the objectives."""
    named = points.assign(**{ACCURACY: points["y"]})[list(objectives)].astype(float)
    return named.to_dict("records")


def on_front(points: pd.DataFrame, objectives: dominance.Objectives) -> np.ndarray:
    """Which points [N] (bool; columns y and the costs) nobody dominates in all objectives."""
    rows = _objective_rows(points, objectives)
    costs_NM = np.array([dominance.to_costs(row, objectives) for row in rows]).reshape(len(rows), len(objectives))
    return dominance.on_front(costs_NM)


def reference_of(points: pd.DataFrame, objectives: dominance.Objectives) -> np.ndarray:
    """The corner [M] (scaled costs) that bounds the hypervolume of these points."""
    return dominance.reference(_objective_rows(points, objectives), objectives, OBJECTIVES)


def hypervolume(points: pd.DataFrame, objectives: dominance.Objectives, corner_M: np.ndarray) -> float:
    """Volume that the points dominate within the corner; higher is better."""
    rows = _objective_rows(points[on_front(points, objectives)], objectives)
    scaled = np.array([dominance.scaled_costs(row, objectives, OBJECTIVES) for row in rows])
    return dominance.hypervolume(scaled, corner_M)


class FrontStatistics(NamedTuple):
    """What resampling says about a front."""

    probability_N: np.ndarray
    """Of each point to be on the front (NaN if nothing is repeated)."""
    hypervolume: float
    """Of the front of means."""
    low: float
    high: float


def front_statistics(
    samples: Mapping[str, Sequence[Sequence[float]]],
    objectives: dominance.Objectives,
    corner_M: Sequence[float],
    draws: int = DRAWS,
) -> FrontStatistics:
    """Probability of each point to be on the front, and the hypervolume with its 95 % percentile interval.

    samples: of each objective the values of each point, one per seed (NaN excluded beforehand). A draw above 100 %
    ranks as it is, but adds no more than 100 % to the hypervolume.
    """
    means = {n: np.array([[np.mean(v) if len(v) else np.nan for v in samples[n]]], float) for n in objectives}
    value = dominance.hypervolume(_costs(means, objectives, scaled=True)[0], corner_M)
    drawn = {ACCURACY: resampled_means(samples[ACCURACY], draws)}
    if drawn[ACCURACY].shape[1] == 0 or np.isnan(drawn[ACCURACY]).all():
        return FrontStatistics(np.full(drawn[ACCURACY].shape[1], np.nan), value, math.nan, math.nan)
    for number, name in enumerate((n for n in objectives if n != ACCURACY), 1):
        drawn[name] = resampled_costs(samples[name], draws, SEED + number)
    on_RN = np.array([dominance.on_front(costs_NM) for costs_NM in _costs(drawn, objectives)])
    drawn[ACCURACY] = np.clip(drawn[ACCURACY], *PERCENT)
    volumes = [dominance.hypervolume(costs_NM, corner_M) for costs_NM in _costs(drawn, objectives, scaled=True)]
    low, high = np.quantile(volumes, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return FrontStatistics(on_RN.mean(0), value, float(low), float(high))


def _costs(
    values_RN: Mapping[str, np.ndarray], objectives: dominance.Objectives, *, scaled: bool = False
) -> np.ndarray:
    """Costs [R, N, M], minimised in every column; scaled: as differences count in hypervolumes."""
    columns = []
    for name, sense in objectives.items():
        values = np.vectorize(OBJECTIVES[name].scaled, otypes=[float])(values_RN[name]) if scaled else values_RN[name]
        columns.append(-values if sense == "max" else values)
    return np.stack(columns, axis=-1)


class Front(NamedTuple):
    """A study's points with what resampling says of them."""

    points: pd.DataFrame
    """As `confirmed` (or `searched`), plus on_front (bool, over all objectives) and p_front (NaN where nothing is
    repeated)."""
    score: Score
    objectives: dict[str, str]
    reference: np.ndarray
    """The corner [M] of the hypervolume, as scaled costs."""
    statistics: FrontStatistics


def front_of(results: Results) -> Front | None:
    """The study's best-founded front: of confirmed points, else of finished search trials; None without either."""
    score, objectives = confirm_score(results), results.objectives
    if score is not None:
        points = confirmed(results, score.column)
        samples = {ACCURACY: [list(v.values()) for v in points["values"]]}
        samples |= {name: points[f"{name}_values"].tolist() for name in results.costs}
    else:
        score, points = search_score(results), searched(results)
        points = points[~points["hollow"].astype(bool)].reset_index(drop=True)
        samples = {ACCURACY: [[v] for v in points["y"]]} | {n: [[v] for v in points[n]] for n in results.costs}
    if not len(points):
        return None
    corner = reference_of(points, objectives)
    found = front_statistics(samples, objectives, corner)
    points = points.assign(on_front=on_front(points, objectives), p_front=found.probability_N)
    return Front(points, score, objectives, corner, found)

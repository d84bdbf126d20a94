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

from analysis.results import intervals
from analysis.results.intervals import DRAWS, Values
from analysis.results.load import GPU_HOURS, Results
from analysis.results.points import Score, confirm_score, confirmed, search_score, searched
from analysis.text import in_sentence, joined
from study import schema
from study.schema import ACCURACY, Metric, UserError, dominance, wording

_GPU_HOURS = Metric("hours a trial held its process times its share of a GPU", "GPU-hours per run", "GPU-h", "min")
OBJECTIVES = schema.Live(lambda: {**schema.OBJECTIVES, GPU_HOURS: _GPU_HOURS})
"""What a front may be over: what a study may name, and GPU-hours."""
AXES = schema.Live(lambda: {name: metric for name, metric in OBJECTIVES.items() if name != ACCURACY})
"""What accuracy may be drawn against."""


def against(results: Results, x: str | None) -> Results:
    """The same results with accuracy and the cost `x` for objectives; None: the study's own.

    Raises UserError for an unknown cost, and for one that the study has no value of.
    """
    if x is None:
        return results
    if x not in AXES:
        raise UserError(f"--x: {wording.one_of(x, AXES)}")
    with_result = results.trials[results.trials[ACCURACY].notna()]
    if len(with_result) and with_result[x].isna().all():
        why = "it ran on a CPU" if x == GPU_HOURS else "no trial reports it"
        raise UserError(
            f"--x {x}: {results.folder} has no value of it ({why}); choose another of {', '.join(AXES)}"
        )  # fmt: skip
    return dataclasses.replace(results, objectives={ACCURACY: "max", x: str(AXES[x].sense)})


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


def reference_in_words(corner_M: Sequence[float] | np.ndarray, objectives: dominance.Objectives) -> str:
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
    rows: list[dict[str, float]] = named.to_dict("records")
    return rows


def on_front(points: pd.DataFrame, objectives: dominance.Objectives) -> np.ndarray:
    """Which points [N] (bool; columns y and the costs) nobody dominates in all objectives."""
    rows = _objective_rows(points, objectives)
    costs_NM = np.array([dominance.to_costs(row, objectives) for row in rows]).reshape(len(rows), len(objectives))
    return dominance.on_front(costs_NM)


def on_own_front(points: pd.DataFrame, objectives: dominance.Objectives) -> np.ndarray:
    """Which points [N] (bool) no point of the same method dominates."""
    kept_N = np.zeros(len(points), dtype=bool)
    for places in points.reset_index(drop=True).groupby("method").groups.values():
        kept_N[places] = on_front(points.iloc[places], objectives)
    return kept_N


def reference_of(points: pd.DataFrame, objectives: dominance.Objectives) -> np.ndarray:
    """The corner [M] (scaled costs) that bounds the hypervolume of these points."""
    return dominance.reference(_objective_rows(points, objectives), objectives, OBJECTIVES)


def hypervolume(points: pd.DataFrame, objectives: dominance.Objectives, corner_M: np.ndarray) -> float:
    """Volume that the points dominate within the corner; higher is better."""
    rows = _objective_rows(points[on_front(points, objectives)], objectives)
    scaled = np.array([dominance.scaled_costs(row, objectives, OBJECTIVES) for row in rows])
    return dominance.hypervolume(scaled, corner_M)


class FrontStatistics(NamedTuple):
    """What the seeds say about a front."""

    probability_N: np.ndarray
    """Of each point to be on the front (NaN if nothing is repeated)."""
    hypervolume: float
    """Of the front of means."""
    low: float
    high: float
    """Its 95 % interval; NaN if there is none."""


def front_statistics(
    samples: Mapping[str, Sequence[Values]],
    objectives: dominance.Objectives,
    corner_M: Sequence[float] | np.ndarray,
    draws: int = DRAWS,
) -> FrontStatistics:
    """Share of draws in which each point is on the front, and the hypervolume with its interval.

    samples: of each objective the values of each point by seed (NaN excluded beforehand).
    """
    means = {n: np.array([[np.mean([*v.values()]) if v else np.nan for v in samples[n]]], float) for n in objectives}
    value = dominance.hypervolume(_costs(means, objectives, scaled=True)[0], corner_M)
    drawn = {ACCURACY: intervals.drawn_means(samples[ACCURACY], draws)}
    if drawn[ACCURACY].shape[1] == 0 or np.isnan(drawn[ACCURACY]).all():
        return FrontStatistics(np.full(drawn[ACCURACY].shape[1], np.nan), value, math.nan, math.nan)
    for number, name in enumerate((n for n in objectives if n != ACCURACY), 1):
        drawn[name] = intervals.drawn_costs(samples[name], draws, number)
    on_RN = np.array([dominance.on_front(costs_NM) for costs_NM in _costs(drawn, objectives)])
    low, high = _volume_interval(samples, means, objectives, np.asarray(corner_M, dtype=float), value)
    return FrontStatistics(on_RN.mean(0), value, low, high)


def _volume_interval(
    samples: Mapping[str, Sequence[Values]],
    means: Mapping[str, np.ndarray],
    objectives: dominance.Objectives,
    corner_M: np.ndarray,
    value: float,
) -> tuple[float, float]:
    """95 % interval of the hypervolume, with the seed as the unit; NaN where a cost is measured, or below two seeds.

    With exact costs the hypervolume is a sum of the points' accuracies, weighted by what of the volume each has to
    itself. Weights of means favour what was lucky, so that the volume is too high; the lower end therefore takes each
    seed's accuracies with the weights of the other seeds, which are too low in the mean. Both ends are Student's t over
    the seeds that all points have, never narrower than with the points' pooled deviation.
    """
    costs = [name for name in objectives if name != ACCURACY]
    seeds = sorted(set.intersection(*(set(sample) for sample in samples[ACCURACY])))
    if len(seeds) < 2 or not all(intervals.is_counted(samples[name]) for name in costs):
        return math.nan, math.nan
    place = list(objectives).index(ACCURACY)
    height_NS = np.array([[sample[s] for s in seeds] for sample in samples[ACCURACY]]) + corner_M[place]
    costs_NC = np.delete(_costs(means, objectives, scaled=True)[0], place, axis=1)
    corner_C = np.delete(corner_M, place)
    number, total_N = len(seeds), height_NS.sum(1)
    others_NS = (total_N[:, None] - height_NS) / (number - 1)
    unbiased_S = [_weights(others_NS[:, s], costs_NC, corner_C) @ height_NS[:, s] for s in range(number)]
    weights_N = _weights(total_N / number, costs_NC, corner_C)
    least = intervals.pooled_of(samples[ACCURACY])
    least = least._replace(deviation=least.deviation * float(np.linalg.norm(weights_N)))
    ends = [np.array(unbiased_S), weights_N @ height_NS]
    spread_E = np.array([np.std(end, ddof=1) for end in ends])
    half = float(intervals.half_widths(np.full(2, number), spread_E, least).max())
    low = min(float(end.mean()) for end in ends) - half
    return max(min(low, value), 0.0), max(min(float(ends[1].mean()) + half, _most(costs_NC, corner_C)), value)


def _weights(height_N: np.ndarray, costs_NC: np.ndarray, corner_C: np.ndarray) -> np.ndarray:
    """What of the volume below the corner in costs each point has to itself: nobody higher is as cheap there."""
    weights_N, before = np.zeros(len(height_N)), 0.0
    order = np.argsort(-height_N, kind="stable")
    for count, i in enumerate(order, 1):
        covered = dominance.hypervolume(costs_NC[order[:count]], corner_C)
        weights_N[i], before = covered - before, covered
    return weights_N


def _most(costs_NC: np.ndarray, corner_C: np.ndarray) -> float:
    """Of points of 100 %."""
    return intervals.PERCENT[1] * dominance.hypervolume(costs_NC, corner_C)


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
    """A study's points with what the seeds say of them."""

    points: pd.DataFrame
    """As `confirmed` (or `searched`), plus on_front (bool, over all objectives), on_own_front (of its method's points)
    and p_front (NaN where nothing is repeated)."""
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
        samples = {ACCURACY: points["values"].tolist()}
        samples |= {name: points[f"{name}_values"].tolist() for name in results.costs}
    else:
        score, points = search_score(results), searched(results)
        points = points[~points["hollow"].astype(bool)].reset_index(drop=True)
        samples = {ACCURACY: [{0: v} for v in points["y"]]} | {n: [{0: v} for v in points[n]] for n in results.costs}
    if not len(points):
        return None
    corner = reference_of(points, objectives)
    found = front_statistics(samples, objectives, corner)
    points = points.assign(
        on_front=on_front(points, objectives),
        on_own_front=on_own_front(points, objectives),
        p_front=found.probability_N,
    )
    return Front(points, score, objectives, corner, found)

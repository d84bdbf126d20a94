"""The answer of a study in sentences with numbers: what reaches how much of what, at which cost, how surely."""

from __future__ import annotations

import math

import pandas as pd

from analysis.report.tables import reference_point
from analysis.results import points
from analysis.results.front import cost_in_words
from analysis.results.intervals import paired_difference, paired_ratio
from analysis.results.load import Results
from analysis.text import bytes_in_words, number, seeds_in_words, whole, with_interval
from study import schema

ON_PAR = 0.99
"""Share of the reference's accuracy that counts as `on par` when the smallest such support set is named."""


def answer(results: Results, x: str = "support_bytes") -> list[str]:
    """Sentences, the most important first. Says so where nothing can be said."""
    sentences = [*_standing(results)]
    front = points.front_of(results, x)
    if front is None:
        return [*sentences, "No trial has finished, so there is no answer yet."]
    if front.score.stage == points.SEARCH:
        return [*sentences, *_of_search(front)]
    table = points.confirmed(results, front.score.column)
    return [*sentences, *_against_queue(table, front.score), *_against_none(table, front.score), _front_words(front)]


def _standing(results: Results) -> list[str]:
    sentences = []
    if results.rehearsal:
        sentences.append("This is a rehearsal: its numbers show that the study runs and answer nothing.")
    if results.running:
        ended = len(results.trials)
        last = f"; last report {results.reports['time'].max()}" if len(results.reports) else ""
        sentences.append(
            f"The study is still running ({ended} trial{'s' * (ended != 1)} ended{last}); this is where it stands."
        )
    elif results.manifest["status"] in ("interrupted", "failed"):
        sentences.append(f"The study was {results.manifest['status']} before its end; this is where it stood.")
    return sentences


def name_of(row: pd.Series) -> str:
    """`400 prototypes (0.41 MB)`, `the 98,304-queue (101 MB)`, `no support set`."""
    vectors, size = whole(row["vectors"]), bytes_in_words(float(row["support_bytes"]))
    kind = schema.METHODS[row["method"]].support if row["method"] in schema.METHODS else None
    if not math.isfinite(row["vectors"]):
        return f"{row['label']} ({size})"
    if kind == "prototypes":
        return f"{vectors} prototypes ({size})"
    return f"the {vectors}-queue ({size})" if kind == "queue" else "no support set"


def _percent(mean: float, low: float, high: float, digits: int, factor: float = 1.0) -> str:
    """`98.9 % [97.9, 99.8]`, or `98.9 %` without an interval."""
    text = with_interval(factor * mean, factor * low, factor * high, digits)
    return text.replace(" [", " % [") if "[" in text else f"{text} %"


def _chosen(group: pd.DataFrame) -> str:
    """Says that a best point was picked among several, which flatters it."""
    return f", the best of {len(group)} points," if len(group) > 1 else ""


def _n(n: int) -> str:
    return seeds_in_words([n]) + (", no interval" if n == 1 else "")


def _against_queue(table: pd.DataFrame, score: points.Score) -> list[str]:
    """Prototypes against the largest queue: the best ones, then the fewest that are on par."""
    prototypes, queues = table[table["method"] == "kmclr"], table[table["method"] == "nnclr"]
    if prototypes.empty or queues.empty:
        return []
    queue = reference_point(table)
    ratios = {row.point: paired_ratio(row.values, queue["values"]) for row in prototypes.itertuples()}
    if all(r.n == 0 for r in ratios.values()):
        return []
    best = prototypes.loc[prototypes["y"].idxmax()]
    ratio = ratios[best["point"]]
    share = _percent(*ratio[:3], 1, 100)
    values = f"{number(best['y'])} % against {number(queue['y'])} %"
    sentences = [
        f"{name_of(best)}{_chosen(prototypes)} reach {share} of the accuracy of {name_of(queue)}: {values} "
        f"({score.title.removesuffix(' (%)')}; {_n(ratio.n)}, paired)."
    ]
    enough = prototypes[[ratios[p].n > 0 and ratios[p].mean >= ON_PAR for p in prototypes["point"]]]
    if not len(enough):
        return [*sentences, f"No number of prototypes tried reaches {100 * ON_PAR:g} % of it in the mean."]
    fewest = enough.sort_values(["support_bytes", "vectors"]).iloc[0]
    if fewest["support_bytes"] < best["support_bytes"]:
        ratio = ratios[fewest["point"]]
        sentences.append(
            f"The smallest set with at least {100 * ON_PAR:g} % of it holds {name_of(fewest)}: "
            f"{_percent(*ratio[:3], 1, 100)} ({_n(ratio.n)}, paired)."
        )
    return sentences


def _against_none(table: pd.DataFrame, score: points.Score) -> list[str]:
    """What a support set adds: the best point of each arm over the arm without one."""
    bare = table[table["method"] == "none"]
    if bare.empty:
        return []
    bare = bare.loc[bare["y"].idxmax()]
    parts, counts = [], []
    for method, group in table[table["method"].isin(["kmclr", "nnclr"])].groupby("method"):
        best = group.loc[group["y"].idxmax()]
        gain = paired_difference(best["values"], bare["values"])
        if gain.n:
            what = "prototypes add" if method == "kmclr" else "a queue adds"
            parts.append(f"{what} at best {with_interval(gain.mean, gain.low, gain.high)} percentage points")
            counts.append(gain.n)
    value = _percent(bare["y"], bare["low"], bare["high"], 2)
    text = f"Without a support set the same heads reach {value}"
    return [f"{text}; {', '.join(parts)} ({seeds_in_words(counts)}, paired)." if parts else f"{text}."]


def _front_words(front: points.Front) -> str:
    on = front.points[front.points["on_front"]]
    named = []
    for row in on.itertuples():
        sure = f", {100 * row.p_front:.0f} %" if math.isfinite(row.p_front) else ""
        named.append(f"{row.label} ({cost_in_words(getattr(row, front.axis.column), front.axis)}{sure})")
    note = "" if on["p_front"].isna().all() else "; in brackets cost and share of resamples in which it stays there"
    return f"Front of means, {len(on)} of {len(front.points)} points{note}: {'; '.join(named)}."


def _of_search(front: points.Front) -> list[str]:
    """Without confirm stage: the front of single runs, with the warning that goes with it."""
    on = front.points[front.points["on_front"]].sort_values("y")
    best = on.iloc[-1]
    cost = cost_in_words(float(best[front.axis.column]), front.axis)
    return [
        f"Search only, so one run per point and no intervals. The best of {len(front.points)} finished trials is "
        f"{best['label']} with {number(best['y'])} % ({front.score.title.removesuffix(' (%)')}) at {cost}; it was "
        f"chosen for being the best, so its value is likely too high.",
        _front_words(front),
    ]

"""The verdict, the report's first sentence: yes, no, or that it cannot be told, and how many seeds would tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from analysis.report.naming import ON_PAR, name_of, values_of
from analysis.report.tables import is_given, reference_point
from analysis.results.front import Front
from analysis.results.intervals import CONFIDENCE, Values, compared, pooled_of
from analysis.results.points import with_support
from analysis.results.power import MOST, POWER, seeds_needed
from analysis.text import n_in_words, seeds_in_words
from study import schema


class Claim(NamedTuple):
    """What a verdict is on: that one of some points reaches a share of a reference."""

    what: str
    points: pd.DataFrame
    reference: pd.Series
    share: float
    tried: int
    """Among how many points the reference was chosen by its accuracy."""


def first_sentence(front: Front | None, table: pd.DataFrame, where: str = "") -> str:
    """The verdict of a study. table: its confirmed points; where: ` in this rehearsal`, ` so far`, or nothing."""
    if front is None:
        return f"It cannot be told{where}: no trial has finished."
    if front.score.stage == schema.SEARCH:
        return f"It cannot be told{where}: every point was run once ({n_in_words(1)}), and nothing was confirmed."
    claim = claim_of(table, front.objectives)
    if claim is None:
        return f"It cannot be told{where}: one point was confirmed, so there is nothing to compare."
    choices = len(claim.points) * claim.tried
    said = verdict(values_of(claim.points), claim.reference["values"], claim.share, choices, claim.what, where)
    return said or f"It cannot be told{where} whether {claim.what}: they have no seed in common."


def claim_of(table: pd.DataFrame, objectives: Mapping[str, str]) -> Claim | None:
    """What is asked of these confirmed points (by cost): the first that they allow.

    That prototypes are on par with the queue; that they add to no support set; that a smaller queue, or fewer
    prototypes, are on par with the largest; that a queue adds to no support set; that any point adds to the first.
    None of a single point.
    """
    costs = [name for name in objectives if name != schema.ACCURACY]
    prototypes, queues = with_support(table, "prototypes"), with_support(table, "queue")
    bare = table[table["method"] == "none"]
    on_par = f"reach {100 * ON_PAR:g} % of the accuracy of"
    if len(prototypes) and len(queues):
        reference, tried = reference_point(table), 1 if is_given(table) else len(queues)
        return Claim(f"prototypes {on_par} {name_of(reference, costs)}", prototypes, reference, ON_PAR, tried)
    if len(prototypes) and len(bare):
        return _adds("prototypes add to the accuracy without a support set", prototypes, bare)
    for group, what in ((queues, "smaller queues"), (prototypes, "fewer prototypes")):
        largest = group[group["vectors"] == group["vectors"].max()]
        smaller = group[group["vectors"] < group["vectors"].max()]
        if len(smaller):
            reference = largest.loc[largest["y"].idxmax()]
            return Claim(f"{what} {on_par} {name_of(reference, costs)}", smaller, reference, ON_PAR, len(largest))
    if len(queues) and len(bare):
        return _adds("a queue adds to the accuracy without a support set", queues, bare)
    if len(table) < 2:
        return None
    first = table.iloc[[0]]
    return _adds(f"another point adds to the accuracy of {first.iloc[0]['label']}", table.iloc[1:], first)


def _adds(what: str, points: pd.DataFrame, to: pd.DataFrame) -> Claim:
    return Claim(what, points, to.loc[to["y"].idxmax()], 1.0, len(to))


def verdict(
    samples: Mapping[str, Values], reference: Values, share: float, choices: int, what: str, where: str = ""
) -> str:
    """Whether any of the points reaches `share` of the reference; `what`: the question as a claim; `where`: of what
    the verdict holds, if not of the whole study.

    Yes or no if the paired intervals of the ratios, corrected for so many choices, leave no doubt: one of them lies
    above the share, or all below it. Else the seeds that would tell for the best point, by a paired t test of the log
    ratio against the share, its deviation pooled over the points, with `POWER`.
    Empty if no point has a seed in common with the reference.
    """
    ratios = {k: r for k, r in compared(samples, reference, choices=choices, ratio=True).items() if r.n}
    if not ratios:
        return ""
    comma = where and f",{where}"
    best = max(ratios.values(), key=lambda r: r.mean)
    seeds = seeds_in_words([r.n for r in ratios.values()])
    if any(r.low >= share for r in ratios.values()):
        return f"Yes{comma}: {what}, with {seeds}."
    if all(r.high < share for r in ratios.values()):
        return f"No{comma}: it is not so that {what}, with {seeds}."
    logs = [
        {s: math.log(v[s] / reference[s]) for s in set(v) & set(reference) if min(v[s], reference[s]) > 0}
        for v in samples.values()
    ]
    deviation, confidence = float(pooled_of(logs).deviation), 1 - (1 - CONFIDENCE) / max(choices, 1)
    m = seeds_needed(math.log(best.mean / share), deviation, confidence)
    would = f"about {m} seeds would tell" if m and m > best.n else f"more than {MOST:,} seeds would be needed"
    if not math.isfinite(deviation) or deviation == 0:
        would = "how much seeds scatter is not known"
    elif m and m <= best.n:
        would = f"more than {best.n} seeds would be needed"
    chance = f" with a probability of {100 * POWER:.0f} %" if "about" in would else ""
    return f"It cannot be told{where} whether {what} with {seeds}; {would}{chance}."

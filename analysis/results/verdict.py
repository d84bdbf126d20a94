"""Verdicts on the arms of a study: yes, no, or that it cannot be told, and how many seeds would tell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from analysis.results.arms import asked, in_order, reference_of, size_of, stores, words_of
from analysis.results.front import Front
from analysis.results.intervals import CONFIDENCE, Values, compared, pooled_of
from analysis.results.load import Results
from analysis.results.naming import ON_PAR, name_of, values_of
from analysis.results.power import MOST, POWER, seeds_needed
from analysis.text import n_in_words, seeds_in_words
from study import schema

YES, NO, OPEN, NOTHING = ("yes", "no", "open", "nothing")
"""Answers; nothing: no seed in common."""


class Claim(NamedTuple):
    """What a verdict is on: that one of some points reaches a share of a reference."""

    what: str
    points: pd.DataFrame
    reference: pd.Series
    share: float
    tried: int
    """Among how many points the reference was chosen by its accuracy."""

    @property
    def choices(self) -> int:
        """Comparisons among which the one that is told was chosen."""
        return len(self.points) * self.tried


class Judgement(NamedTuple):
    """What the seeds say of a claim."""

    answer: str
    counts: tuple[int, ...]
    """Seeds in common, of each point."""
    needed: int | None
    """OPEN: seeds that would tell with probability `POWER`; None: more than `MOST`, or not known."""
    would: str
    """OPEN: the same in words."""


# --- what is asked ---
def claims_of(table: pd.DataFrame, objectives: Mapping[str, str]) -> list[Claim]:
    """What is asked of these confirmed points (by cost), the most important first; empty of a single point.

    Of each arm that stores something, or is a user's own, against each after it and against those that store nothing:
    that it is on par with the reference of the former, and that it adds to the latter. Of an arm that is asked about
    alone also whether less of it is on par with its largest point, first if that is a baseline. Else that any point
    adds to the first.
    """
    costs = [name for name in objectives if name != schema.ACCURACY]
    methods = in_order(table["method"])
    arms = asked(methods)
    found = [
        _against(table, arm, other, costs)
        for i, arm in enumerate(arms)
        for other in [*arms[i + 1 :], *(m for m in methods if m not in arms)]
    ]
    for arm in arms if len(arms) == 1 else ():
        less = list(_less_of(table[table["method"] == arm], costs))
        found = [*less, *found] if less and less[0].reference["baseline"] else [*found, *less]
    if found or len(table) < 2:
        return found
    first = table.iloc[[0]]
    return [_adds(f"another point adds to the accuracy of {first.iloc[0]['label']}", table.iloc[1:], first)]


def _against(table: pd.DataFrame, arm: str, other: str, costs: Sequence[str]) -> Claim:
    points, others, words = table[table["method"] == arm], table[table["method"] == other], words_of(arm)
    if not stores(other):
        reference, _ = reference_of(others)
        base = "without a support set" if other == "none" else f"of {name_of(reference, costs)}"
        return _adds(f"{words.name} add{words.s} to the accuracy {base}", points, others)
    reference, tried = reference_of(others)
    reach = f"reach{'es' * bool(words.s)} {100 * ON_PAR:g} % of the accuracy of"
    return Claim(f"{words.name} {reach} {name_of(reference, costs)}", points, reference, ON_PAR, tried)


def _less_of(group: pd.DataFrame, costs: Sequence[str]) -> Iterator[Claim]:
    """That points below an arm's largest are on par with it, if there are any."""
    size = size_of(group)
    smaller = group[size < size.max()]
    if len(smaller):
        largest = group[size == size.max()]
        reference = largest.loc[largest["y"].idxmax()]
        fewer = words_of(str(reference["method"])).fewer
        what = f"{fewer} reach {100 * ON_PAR:g} % of the accuracy of {name_of(reference, costs)}"
        yield Claim(what, smaller, reference, ON_PAR, len(largest))


def _adds(what: str, points: pd.DataFrame, to: pd.DataFrame) -> Claim:
    return Claim(what, points, to.loc[to["y"].idxmax()], 1.0, len(to))


# --- what the seeds say ---
def judge(claim: Claim) -> Judgement:
    """Whether any of the points reaches the share of the reference.

    Yes or no if the paired intervals of the ratios, corrected for so many choices, leave no doubt: one of them lies
    above the share, or all below it. Else the seeds that would tell for the best point, by a paired t test of the log
    ratio against the share, its deviation pooled over the points, with `POWER`.
    """
    samples, reference, share = values_of(claim.points), claim.reference["values"], claim.share
    ratios = {k: r for k, r in compared(samples, reference, choices=claim.choices, ratio=True).items() if r.n}
    counts = tuple(r.n for r in ratios.values())
    if not ratios:
        return Judgement(NOTHING, (), None, "")
    if any(r.low >= share for r in ratios.values()):
        return Judgement(YES, counts, None, "")
    if all(r.high < share for r in ratios.values()):
        return Judgement(NO, counts, None, "")
    best = max(ratios.values(), key=lambda r: r.mean)
    deviation = float(pooled_of(_logs(samples.values(), reference)).deviation)
    confidence = 1 - (1 - CONFIDENCE) / max(claim.choices, 1)
    m = seeds_needed(math.log(best.mean / share), deviation, confidence)
    if not math.isfinite(deviation) or deviation == 0:
        return Judgement(OPEN, counts, None, "how much seeds scatter is not known")
    if m is None:
        return Judgement(OPEN, counts, None, f"more than {MOST:,} seeds would be needed")
    if m <= best.n:
        return Judgement(OPEN, counts, None, f"more than {best.n} seeds would be needed")
    chance = f"with a probability of {100 * POWER:.0f} %"
    return Judgement(OPEN, counts, m, f"about {m} seeds would tell {chance}")


def _logs(samples: Iterable[Values], reference: Values) -> list[dict[int, float]]:
    return [
        {s: math.log(v[s] / reference[s]) for s in set(v) & set(reference) if min(v[s], reference[s]) > 0}
        for v in samples
    ]


def in_words(claim: Claim, found: Judgement, where: str = "") -> str:
    """A sentence. where: of what the verdict holds, if not of the whole study: ` in this rehearsal`, ` so far`."""
    if found.answer == NOTHING:
        return f"It cannot be told{where} whether {claim.what}: they have no seed in common."
    comma, seeds = where and f",{where}", seeds_in_words(found.counts)
    if found.answer == YES:
        return f"Yes{comma}: {claim.what}, with {seeds}."
    if found.answer == NO:
        return f"No{comma}: it is not so that {claim.what}, with {seeds}."
    return f"It cannot be told{where} whether {claim.what} with {seeds}; {found.would}."


# --- of a study ---
def judged(front: Front) -> list[tuple[Claim, Judgement]]:
    """Each claim that a front of confirmed points allows, with what the seeds say of it."""
    return [(claim, judge(claim)) for claim in claims_of(front.points, front.objectives)]


def verdicts(front: Front | None, where: str = "") -> list[str]:
    """The verdicts of a study, the first of them its headline."""
    if front is None:
        return [f"It cannot be told{where}: no trial has finished."]
    if front.score.stage == schema.SEARCH:
        return [f"It cannot be told{where}: every point was run once ({n_in_words(1)}), and nothing was confirmed."]
    found = [in_words(claim, judgement, where) for claim, judgement in judged(front)]
    return found or [f"It cannot be told{where}: one point was confirmed, so there is nothing to compare."]


def limits(results: Results) -> str:
    """What the verdicts of a study are limited to."""
    so_far = " so far" * (results.running or results.manifest["status"] in ("interrupted", "failed"))
    return " in this rehearsal" * results.rehearsal + so_far

"""The answer of a study in sentences with numbers: what reaches how much of what, at which cost, how surely."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.report.history import paused
from analysis.report.tables import is_given, reference_point
from analysis.report.verdict import verdict
from analysis.results import notes, points
from analysis.results.front import AXES, Front, costs_in_words, front_of
from analysis.results.intervals import CONFIDENCE, PERCENT, Interval, Values, compared, intervals
from analysis.results.load import Results
from analysis.results.points import with_support
from analysis.text import in_sentence, joined, number, seeds_in_words, whole, with_interval
from study import schema

ON_PAR = 0.99
"""Share of the reference's accuracy that counts as `on par` when the cheapest such point is named."""


def answer(results: Results) -> list[str]:
    """Sentences, the most important first. Says so where nothing can be said."""
    sentences = [*_standing(results)]
    front = front_of(results)
    if front is None:
        return [*sentences, "No trial has finished, so there is no answer yet."]
    if front.score.stage == schema.SEARCH:
        first, last = _of_search(front)
        return [*sentences, first, last + notes.momentum_note([results])]
    table = points.confirmed(results, front.score.column)
    return [
        *sentences,
        *_verdict(table, results.objectives),
        *_against_queue(table, front.score, results.objectives),
        *_against_none(table),
        _front_words(front) + notes.momentum_note([results]),
    ]


def _standing(results: Results) -> list[str]:
    sentences = []
    if results.rehearsal:
        sentences.append("This is a rehearsal: its numbers show that the study runs and answer nothing.")
    if results.running:
        ended = len(results.trials)
        last = f"; last report {results.reports['time'].max()}" if len(results.reports) else ""
        waiting = paused(results, ", ")
        sentences.append(
            f"The study is still running ({ended} trial{'s' * (ended != 1)} ended{waiting}{last}); "
            "this is where it stands."
        )
    elif results.manifest["status"] in ("interrupted", "failed"):
        sentences.append(f"The study was {results.manifest['status']} before its end; this is where it stood.")
    return sentences


def name_of(row: pd.Series, costs: Sequence[str]) -> str:
    """`400 prototypes (410 kB)`, `the 98,304-queue (time per epoch 19 s)`, `no support set`."""
    vectors, cost = whole(row["vectors"]), _costs(row, costs)
    kind = schema.METHODS[row["method"]].support
    if not math.isfinite(row["vectors"]):
        return f"{row['label']} ({cost})"
    if kind == "prototypes":
        return f"{vectors} prototypes ({cost})"
    if kind == "queue":
        return f"the {vectors}-queue ({cost})"
    return "no support set" if kind == "none" else f"{row['label']} ({cost})"


def _costs(row: pd.Series, costs: Sequence[str]) -> str:
    """`410 kB`, `410 kB, time per epoch 19 s`: bytes of a support set stand alone, as its size."""
    parts = []
    for name in costs:
        title = "" if name == schema.SUPPORT_BYTES else f"{in_sentence(AXES[name].title)} "
        parts.append(title + costs_in_words(row, [name]))
    return ", ".join(parts)


def _percent(mean: float, low: float, high: float, digits: int, factor: float = 1.0) -> str:
    """`98.9 % [97.9, 99.8]`, or `98.9 %` without an interval."""
    text = with_interval(factor * mean, factor * low, factor * high, digits)
    return text.replace(" [", " % [") if "[" in text else f"{text} %"


def _chosen(group: pd.DataFrame) -> str:
    """Says that a best point was picked among several, which flatters it."""
    return f", the best of {len(group)} points," if len(group) > 1 else ""


def _seeds(found: Interval, choices: int) -> str:
    """`n = 3 seeds, paired, interval corrected for a choice among 6 (Bonferroni)`."""
    words = f"{seeds_in_words([found.n])}, paired"
    if not math.isfinite(found.low):
        return f"{words}, no interval"
    return words + (f", interval corrected for a choice among {choices} (Bonferroni)" if choices > 1 else "")


def _values(group: pd.DataFrame) -> dict[str, Values]:
    return dict(zip(group["point"], group["values"], strict=True))


def _verdict(table: pd.DataFrame, objectives: Mapping[str, str]) -> list[str]:
    """Whether prototypes reach the queue; without a queue, whether they add to no support set."""
    prototypes, bare = with_support(table, "prototypes"), table[table["method"] == "none"]
    queues = with_support(table, "queue")
    if prototypes.empty or (queues.empty and bare.empty):
        return []
    if len(queues):
        costs = [name for name in objectives if name != schema.ACCURACY]
        reference, share, tried = reference_point(table), ON_PAR, 1 if is_given(table) else len(queues)
        what = f"prototypes reach {100 * ON_PAR:g} % of the accuracy of {name_of(reference, costs)}"
    else:
        reference, share, tried = bare.loc[bare["y"].idxmax()], 1.0, len(bare)
        what = "prototypes add to the accuracy without a support set"
    said = verdict(_values(prototypes), reference["values"], share, len(prototypes) * tried, what)
    return [said] if said else []


def _against_queue(table: pd.DataFrame, score: points.Score, objectives: Mapping[str, str]) -> list[str]:
    """Prototypes against the largest queue: the best ones, then the cheapest that are on par."""
    prototypes = with_support(table, "prototypes")
    if prototypes.empty or with_support(table, "queue").empty:
        return []
    costs = [name for name in objectives if name != schema.ACCURACY]
    queue = reference_point(table)
    choices = len(prototypes) * (1 if is_given(table) else len(with_support(table, "queue")))
    others = _values(table[table["point"] != queue["point"]])  # all say how much such ratios scatter
    found = compared(others, queue["values"], choices=choices, ratio=True)
    ratios = {point: found[point] for point in prototypes["point"]}
    if all(r.n == 0 for r in ratios.values()):
        return []
    best = prototypes.loc[prototypes["y"].idxmax()]
    ratio = ratios[best["point"]]
    share = _percent(*ratio[:3], 1, 100)
    values = f"{number(best['y'])} % against {number(queue['y'])} %"
    first = (
        f"{name_of(best, costs)}{_chosen(prototypes)} reach {share} of the accuracy of {name_of(queue, costs)}: "
        f"{values} ({score.title.removesuffix(' (%)')}; {_seeds(ratio, choices)})."
    )
    enough = prototypes[[ratios[p].n > 0 and ratios[p].mean >= ON_PAR for p in prototypes["point"]]]
    if not len(enough):
        return [first, f"No number of prototypes tried reaches {100 * ON_PAR:g} % of it in the mean."]
    return [first, *_cheapest(enough, best, ratios, objectives, choices)]


def _cheapest(
    enough: pd.DataFrame,
    best: pd.Series,
    ratios: Mapping[str, Interval],
    objectives: Mapping[str, str],
    choices: int,
) -> list[str]:
    """For each cost the point on par that is best in it, where it is better than the most accurate one."""
    sentences, costs = [], [name for name in objectives if name != schema.ACCURACY]
    for name in costs:
        less = objectives[name] == "min"
        fewest = enough.sort_values([name, "vectors"], ascending=[less, True]).iloc[0]
        if not (fewest[name] < best[name] if less else fewest[name] > best[name]):
            continue
        ratio, share = ratios[fewest["point"]], f"at least {100 * ON_PAR:g} % of it in the mean"
        what = f"The {'lowest' if less else 'highest'} {in_sentence(AXES[name].title)} with {share} is that of"
        if name == schema.SUPPORT_BYTES:
            what = f"The smallest set with {share} holds"
        text = f"{what} {name_of(fewest, costs)}: {_percent(*ratio[:3], 1, 100)} ({_seeds(ratio, choices)})."
        sentences.append(text)
    return sentences


def _against_none(table: pd.DataFrame) -> list[str]:
    """What a support set adds: the best point of each arm over the (best) point without one."""
    without = table[table["method"] == "none"]
    if without.empty:
        return []
    bare = without.loc[without["y"].idxmax()]
    others, parts = _values(table[table["point"] != bare["point"]]), []
    for kind in (name for name, facts in schema.SUPPORT_KINDS.items() if facts.size is not None):
        group = with_support(table, kind)
        if group.empty:
            continue
        best, choices = group.loc[group["y"].idxmax()], len(group) * len(without)
        gain = compared(others, bare["values"], choices=choices)[best["point"]]
        if gain.n:
            what = {"prototypes": "prototypes add", "queue": "a queue adds"}.get(kind, f"{kind} adds")
            added = f"{what} at best {with_interval(gain.mean, gain.low, gain.high)} percentage points"
            parts.append(f"{added} ({_seeds(gain, choices)})")
    confidence = 1 - (1 - CONFIDENCE) / len(without)
    value = _percent(*intervals(_values(table), PERCENT, confidence=confidence)[bare["point"]][:3], 2)
    text = f"Without a support set the same heads reach {value}{_chosen(without).removesuffix(',')}"
    return [f"{text}; {'; '.join(parts)}." if parts else f"{text}."]


def _front_words(front: Front) -> str:
    costs = [name for name in front.objectives if name != schema.ACCURACY]
    on = front.points[front.points["on_front"]]
    named = []
    for row in on.to_dict("records"):
        sure = f", {100 * row['p_front']:.0f} %" if math.isfinite(row["p_front"]) else ""
        named.append(f"{row['label']} ({costs_in_words(row, costs)}{sure})")
    what = ["cost"] if len(costs) == 1 else [in_sentence(AXES[name].title) for name in costs]
    brackets = joined([*what, "share of draws of the means in which it stays there"])
    note = "" if on["p_front"].isna().all() else f"; in brackets {brackets}"
    return f"Front of means, {len(on)} of {len(front.points)} points{note}: {'; '.join(named)}."


def _of_search(front: Front) -> list[str]:
    """Without confirm stage: the front of single runs, with the warning that goes with it."""
    on = front.points[front.points["on_front"]].sort_values("y")
    best = on.iloc[-1]
    cost = costs_in_words(best, [name for name in front.objectives if name != schema.ACCURACY])
    return [
        f"Search only, so one run per point and no intervals. The best of {len(front.points)} finished trials is "
        f"{best['label']} with {number(best['y'])} % ({front.score.title.removesuffix(' (%)')}) at {cost}; it was "
        f"chosen for being the best, so its value is likely too high.",
        _front_words(front),
    ]

"""The answer of a study in sentences with numbers: what reaches how much of what, at which cost, how surely."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from analysis.report.history import paused
from analysis.report.kinds import among_kinds
from analysis.report.naming import ON_PAR, chosen, name_of, percent, seeds, values_of
from analysis.report.tables import is_given, reference_point
from analysis.report.verdict import first_sentence
from analysis.results import notes, points
from analysis.results.front import AXES, Front, costs_in_words, front_of
from analysis.results.intervals import CONFIDENCE, PERCENT, Interval, compared, intervals
from analysis.results.load import Results
from analysis.results.points import with_support
from analysis.text import in_sentence, joined, number, with_interval
from study import schema


def answer(results: Results) -> list[str]:
    """Sentences, the most important first: a verdict. Says so where nothing can be said."""
    front = front_of(results)
    repeated = front is not None and front.score.stage == schema.CONFIRM
    table = points.confirmed(results, front.score.column) if front is not None and repeated else pd.DataFrame()
    sentences = [first_sentence(front, table, _where(results)), *_standing(results)]
    if front is None:
        return sentences
    if not repeated:
        first, last = _of_search(front)
        return [*sentences, first, last + notes.momentum_note([results])]
    return [
        *sentences,
        *_against_queue(table, front.score, results.objectives),
        *_against_none(table),
        *among_kinds(front, table),
        _front_words(front) + notes.momentum_note([results]),
    ]


def _where(results: Results) -> str:
    """What a verdict is limited to."""
    so_far = " so far" * (results.running or results.manifest["status"] in ("interrupted", "failed"))
    return " in this rehearsal" * results.rehearsal + so_far


def _standing(results: Results) -> list[str]:
    sentences = []
    if results.rehearsal:
        sentences.append("This is a rehearsal: its numbers are of small data and answer nothing about the study's own.")
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


def _against_queue(table: pd.DataFrame, score: points.Score, objectives: Mapping[str, str]) -> list[str]:
    """Prototypes against the largest queue: the best ones, then the cheapest that are on par."""
    prototypes = with_support(table, "prototypes")
    if prototypes.empty or with_support(table, "queue").empty:
        return []
    costs = [name for name in objectives if name != schema.ACCURACY]
    queue = reference_point(table)
    choices = len(prototypes) * (1 if is_given(table) else len(with_support(table, "queue")))
    others = values_of(table[table["point"] != queue["point"]])  # all say how much such ratios scatter
    found = compared(others, queue["values"], choices=choices, ratio=True)
    ratios = {point: found[point] for point in prototypes["point"]}
    if all(r.n == 0 for r in ratios.values()):
        return []
    best = prototypes.loc[prototypes["y"].idxmax()]
    ratio = ratios[best["point"]]
    share = percent(*ratio[:3], 1, 100)
    values = f"{number(best['y'])} % against {number(queue['y'])} %"
    first = (
        f"{name_of(best, costs)}{chosen(prototypes)} reach {share} of the accuracy of {name_of(queue, costs)}: "
        f"{values} ({score.title.removesuffix(' (%)')}; {seeds(ratio, choices)})."
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
        text = f"{what} {name_of(fewest, costs)}: {percent(*ratio[:3], 1, 100)} ({seeds(ratio, choices)})."
        sentences.append(text)
    return sentences


def _against_none(table: pd.DataFrame) -> list[str]:
    """What a support set adds: the best point of each arm over the (best) point without one."""
    without = table[table["method"] == "none"]
    if without.empty:
        return []
    bare = without.loc[without["y"].idxmax()]
    others, parts = values_of(table[table["point"] != bare["point"]]), []
    for kind in (name for name, facts in schema.SUPPORT_KINDS.items() if facts.size is not None):
        group = with_support(table, kind)
        if group.empty:
            continue
        best, choices = group.loc[group["y"].idxmax()], len(group) * len(without)
        gain = compared(others, bare["values"], choices=choices)[best["point"]]
        if gain.n:
            what = {"prototypes": "prototypes add", "queue": "a queue adds"}.get(kind, f"{kind} adds")
            added = f"{what} at best {with_interval(gain.mean, gain.low, gain.high)} percentage points"
            parts.append(f"{added} ({seeds(gain, choices)})")
    confidence = 1 - (1 - CONFIDENCE) / len(without)
    value = percent(*intervals(values_of(table), PERCENT, confidence=confidence)[bare["point"]][:3], 2)
    text = f"Without a support set the same heads reach {value}{chosen(without).removesuffix(',')}"
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

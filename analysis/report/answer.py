"""The answer of a study in sentences with numbers: what reaches how much of what, at which cost, how surely."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from analysis.health.finding import FINE, UNKNOWN
from analysis.health.uncompared import uncompared
from analysis.report.history import paused
from analysis.report.within_arms import within_arms
from analysis.results import notes, points, wanted
from analysis.results.arms import asked, stores, words_of
from analysis.results.front import AXES, Front, costs_in_words, front_of
from analysis.results.intervals import CONFIDENCE, PERCENT, Interval, compared, intervals
from analysis.results.load import Results
from analysis.results.naming import ON_PAR, chosen, name_of, percent, seeds, values_of
from analysis.results.verdict import Claim, claims_of, limits, verdicts
from analysis.text import in_sentence, joined, number, with_interval
from study import schema


def answer(results: Results) -> list[str]:
    """Sentences, the most important first: a verdict. Says so where nothing can be said."""
    front = front_of(results)
    first, *more = verdicts(front, limits(results))
    region = wanted.sentences(results, front, limits(results))
    sentences = [*region, first, *_standing(results), *more, *left_out(results)]
    if front is None:
        return sentences
    if front.score.stage != schema.CONFIRM:
        best, on = _of_search(front)
        return [*sentences, best, on + notes.momentum_note([results])]
    return [
        *sentences,
        *_on_par(front.points, front.score, results.objectives),
        *_against_none(front.points),
        *within_arms(front, front.points),
        _front_words(front) + notes.momentum_note([results]),
    ]


def left_out(results: Results) -> list[str]:
    """Arms of the study that nothing is said of, why, and what would help; empty if there are none."""
    found = uncompared(results)
    return [] if found.verdict in (FINE, UNKNOWN) else [" ".join(found.said)]


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


def _on_par(table: pd.DataFrame, score: points.Score, objectives: Mapping[str, str]) -> list[str]:
    """Each arm against the others that store something: its best point, then the cheapest that are on par."""
    between = [claim for claim in claims_of(table, objectives) if claim.share != 1 and _is_between_arms(claim)]
    return [sentence for claim in between for sentence in _one_on_par(claim, table, score, objectives)]


def _is_between_arms(claim: Claim) -> bool:
    return claim.reference["method"] not in set(claim.points["method"])


def _one_on_par(claim: Claim, table: pd.DataFrame, score: points.Score, objectives: Mapping[str, str]) -> list[str]:
    costs, group, base = [n for n in objectives if n != schema.ACCURACY], claim.points, claim.reference
    others = values_of(table[table["point"] != base["point"]])  # all say how much such ratios scatter
    found = compared(others, base["values"], choices=claim.choices, ratio=True)
    ratios = {point: found[point] for point in group["point"]}
    if all(r.n == 0 for r in ratios.values()):
        return []
    best = group.loc[group["y"].idxmax()]
    ratio, prototypes = ratios[best["point"]], best["method"] == "kmclr"
    share = percent(*ratio[:3], 1, 100)
    values = f"{number(best['y'])} % against {number(base['y'])} %"
    first = (
        f"{name_of(best, costs)}{chosen(group)} reach{'es' * (not prototypes)} {share} of the accuracy of "
        f"{name_of(base, costs)}: {values} ({score.title.removesuffix(' (%)')}; {seeds(ratio, claim.choices)})."
    )
    enough = group[[ratios[p].n > 0 and ratios[p].mean >= ON_PAR for p in group["point"]]]
    if not len(enough):
        what = "number of prototypes" if prototypes else f"point of {words_of(str(best['method'])).name}"
        return [first, f"No {what} tried reaches {100 * ON_PAR:g} % of it in the mean."]
    return [first, *_cheapest(enough, best, ratios, objectives, claim.choices)]


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
            holds = fewest["method"] == "kmclr"
            what = f"The smallest set with {share} {'holds' if holds else 'is that of'}"
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
    for arm in filter(stores, asked(table["method"])):
        group, words = table[table["method"] == arm], words_of(arm)
        best, choices = group.loc[group["y"].idxmax()], len(group) * len(without)
        gain = compared(others, bare["values"], choices=choices)[best["point"]]
        if gain.n:
            added = with_interval(gain.mean, gain.low, gain.high)
            parts.append(f"{words.name} add{words.s} at best {added} percentage points ({seeds(gain, choices)})")
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

"""What a study says within one arm that stores something, whichever arm wins: its front, the fewest vectors, the line
to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.results.arms import asked, stores, words_of
from analysis.results.front import Front, costs_in_words, on_front
from analysis.results.intervals import compared
from analysis.results.naming import ON_PAR, name_of, percent, seeds, values_of
from analysis.text import joined, number
from study import schema


def within_arms(front: Front, table: pd.DataFrame) -> list[str]:
    """A sentence or two for each arm that stores something and of which at least two points were confirmed.

    table: the confirmed points. Nothing where all of them are of one arm, as that front is the study's.
    """
    sentences = []
    bare = table[table["method"] == "none"]
    for arm in filter(stores, asked(table["method"])):
        group, what = table[table["method"] == arm], words_of(arm).several
        if 1 < len(group) < len(table):
            sentences.append(_front_and_fewest(group, front.objectives, what))
            sentences += _line_to_beat(group, bare, what)
    return sentences


def _front_and_fewest(group: pd.DataFrame, objectives: dict[str, str], what: str) -> str:
    """The front within the arm, and its cheapest point on par with its best."""
    costs = [name for name in objectives if name != schema.ACCURACY]
    on = group[on_front(group, objectives)]
    named = "; ".join(
        f"{row['label']} ({number(row['y'])} %{_at(row, costs)})" for row in on.sort_values("y").to_dict("records")
    )
    text = f"Among {what} alone the front of means is {named}."
    if not costs:
        return text
    best = group.loc[group["y"].idxmax()]
    choices = len(group) * (len(group) - 1) // 2
    others = group[group["point"] != best["point"]]
    ratios = compared(values_of(others), best["values"], choices=choices, ratio=True)
    less = objectives[costs[0]] == "min"
    cheaper = others[others[costs[0]] < best[costs[0]]] if less else others[others[costs[0]] > best[costs[0]]]
    enough = cheaper[[ratios[p].n > 0 and ratios[p].mean >= ON_PAR for p in cheaper["point"]]]
    share = f"at least {100 * ON_PAR:g} % of the best one's accuracy in the mean"
    if not len(enough):
        return f"{text} None below {name_of(best, costs)} has {share}."
    fewest = enough.sort_values([costs[0], "vectors"], ascending=[less, True]).iloc[0]
    ratio = ratios[fewest["point"]]
    return (
        f"{text} The smallest with {share} is {name_of(fewest, costs)}: {percent(*ratio[:3], 1, 100)} "
        f"({seeds(ratio, choices)})."
    )


def _at(row: Mapping[str, Any], costs: Sequence[str]) -> str:
    return f" at {costs_in_words(row, costs)}" if costs else ""


def _line_to_beat(group: pd.DataFrame, bare: pd.DataFrame, what: str) -> list[str]:
    """Which points are above the (best) point without a support set, and which below; nothing if there is no such."""
    if bare.empty:
        return []
    line = bare.loc[bare["y"].idxmax()]
    choices = len(group) * len(bare)
    gains = compared(values_of(group), line["values"], choices=choices)
    shared = [gain for gain in gains.values() if gain.n]
    if not shared:
        return []
    sides = {
        "above it": [row.label for row in group.itertuples() if gains[row.point].low > 0],
        "below it": [row.label for row in group.itertuples() if gains[row.point].high < 0],
    }
    told = [f"{side}: {joined(labels)}" for side, labels in sides.items() if labels]
    count = sum(map(len, sides.values()))
    if count < len(group):
        told.append(f"{'none of them is' if not count else 'the others are not'} told apart from it")
    return [
        f"The line that {what} have to beat is no support set, {number(line['y'])} %; {'; '.join(told)} "
        f"({seeds(shared[0], choices)})."
    ]

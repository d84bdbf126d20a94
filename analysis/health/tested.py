"""Whether what the search chose on validation holds on test: the front, and tuning against the untuned baselines.

The points of a validation front have test values of their own. The optimistic front is the front of these, as if one
could choose by test; the pessimistic one is what is left where every choice goes wrong, the points that are better than
none of the others (Feurer et al. 2023, "Mind the gap: measuring generalization performance across multiple
objectives").
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.health.finding import ACT, FINE, UNKNOWN, WATCH, Finding, more_trials
from analysis.results.front import costs_in_words, hypervolume, on_front, reference_in_words, reference_of
from analysis.results.intervals import Interval, compared
from analysis.results.load import Results
from analysis.results.points import confirm_score, confirmed
from analysis.text import joined, seeds_in_words, with_interval
from study import schema
from study.schema import dominance


class Gap(NamedTuple):
    """A validation front on test."""

    points: pd.DataFrame
    """Those confirmed that are on the front of the search's validation values: `searched` (%), y (%, on test),
    optimistic and pessimistic (bool)."""
    validation: float
    optimistic: float
    pessimistic: float
    """Hypervolumes within one corner; higher is better."""
    corner: np.ndarray
    fell: float
    """Mean over the points of test minus validation of the confirm stage, percentage points; negative: it fell."""


def gap_of(results: Results) -> Gap | None:
    """None without test values of a confirmed point that the search has a value of."""
    table = _with_search(results)
    if table is None:
        return None
    front = table[on_front(table.assign(y=table["searched"]), results.objectives)].copy()
    rows = front.assign(**{schema.ACCURACY: front["y"]}).to_dict("records")
    costs_NM = np.array([dominance.to_costs(row, results.objectives) for row in rows])
    front["optimistic"] = dominance.on_front(costs_NM)
    front["pessimistic"] = dominance.on_front(-costs_NM)
    both = pd.concat([table, table.assign(y=table["searched"])])
    corner = reference_of(both, results.objectives)
    volumes = (
        hypervolume(front.assign(y=front["searched"]), results.objectives, corner),
        hypervolume(front[front["optimistic"]], results.objectives, corner),
        _worst_volume(front, results.objectives, corner),
    )
    fell = float((front["y"] - front["validated"]).mean())
    return Gap(front, *volumes, corner, fell)


def _worst_volume(front: pd.DataFrame, objectives: dominance.Objectives, corner: np.ndarray) -> float:
    """What the pessimistic front dominates: no choice among the points dominates less."""
    return hypervolume(front[front["pessimistic"]], objectives, corner)


def _with_search(results: Results) -> pd.DataFrame | None:
    """Confirmed points with `y` on test, `validated` (mean validation accuracy over the same seeds) and `searched`."""
    score = confirm_score(results)
    if score is None or score.column not in schema.TEST_METRICS:
        return None
    table = confirmed(results, score.column)
    validated = confirmed(results, schema.ACCURACY).set_index("point")["y"]
    search = results.observed.set_index("trial_id")[schema.ACCURACY]
    table = table.assign(validated=table["point"].map(validated), searched=table["point"].map(search))
    table = table.dropna(subset=["y", "searched", *results.costs]).reset_index(drop=True)
    return table if len(table) else None


def validation_and_test(results: Results) -> Finding:
    """The front that was chosen on validation, on test."""
    title = "Validation front against test front"
    found = gap_of(results)
    if found is None:
        return Finding("test", title, UNKNOWN, ("Nothing was confirmed on test, so the front is one of validation.",))
    lost = found.points[~found.points["optimistic"]]
    count = len(found.points)
    shares = [100 * volume / found.validation if found.validation > 0 else math.nan
              for volume in (found.optimistic, found.pessimistic)]  # fmt: skip
    volumes = (
        f"The {count} confirmed point{'s' * (count != 1)} of the validation front dominate"
        f"{'s' * (count == 1)} a hypervolume of {found.validation:.4g} with the search's own values; on test "
        f"{found.optimistic:.4g} ({shares[0]:.0f} %) if one could choose among them by test (optimistic) and "
        f"{found.pessimistic:.4g} ({shares[1]:.0f} %) if every choice went wrong (pessimistic); "
        f"{reference_in_words(found.corner, results.objectives)}."
    )
    moved = f"{found.fell:+.2f}".replace("-", "−")
    held = f"From validation to test, at the same seeds, their accuracy moved by {moved} percentage points in the mean."
    if lost.empty:
        kept = "All of them are still on the front on test." if count > 1 else "It alone is the front."
        return Finding("test", title, FINE, (kept, volumes, held))
    names = joined(list(lost["label"]))
    gone = f"{len(lost)} of the {count} are off the front on test, dominated by another of them: {names}."
    return Finding("test", title, WATCH, (gone, volumes, held))


# --- tuning ---
class Gain(NamedTuple):
    """A tuned point against a baseline, both those of their group that the search's validation value favours.

    The test values were not looked at when they were chosen, so the interval needs no correction for the choice."""

    of: str
    """A method, or empty for all of them."""
    tuned: pd.Series
    base: pd.Series
    gained: Interval
    """Tuned minus baseline on test, percentage points, paired by seed; corrected for the number of groups."""


def gains_of(results: Results) -> list[Gain]:
    """Over all methods, and within each that has both kinds of point; empty without test values of both."""
    table = _with_search(results)
    if table is None:
        return []
    groups = [("", table), *table.groupby("method", sort=False)]
    groups = [(str(name), group) for name, group in groups if group["baseline"].nunique() == 2]
    if len(groups) == 2 and len(groups[0][1]) == len(groups[1][1]):
        groups.pop()
    found = []
    for name, group in groups:
        best, base = (group.loc[group.loc[group["baseline"] == kind, "searched"].idxmax()] for kind in (False, True))
        gained = compared({"tuned": best["values"]}, base["values"], choices=len(groups))["tuned"]
        found.append(Gain(name, best, base, gained))
    return [gain for gain in found if gain.gained.n]


def tuning(results: Results) -> Finding:
    """Whether tuning ended better or worse on test than what was declared untuned."""
    title = "Tuned against untuned"
    found = gains_of(results)
    if not found:
        why = "There is no tuned point and no baseline that share a seed on test, so it cannot be told."
        return Finding("tuning", title, UNKNOWN, (why,))
    said = tuple(_gain_words(gain, results) for gain in found)
    if any(gain.gained.high < 0 and not _saves(gain, results) for gain in found):
        sets = more_trials(results)
        more = f"More trials may find better ones: --set search.trials={sets['search.trials']}."
        return Finding("tuning", title, ACT, (*said, more), sets)
    return Finding("tuning", title, FINE if found[0].gained.low > 0 else WATCH, said)


def _saves(gain: Gain, results: Results) -> bool:
    """Whether the tuned point is better in a cost."""
    tuned, base = gain.tuned, gain.base
    less = results.objectives
    return any(tuned[name] < base[name] if less[name] == "min" else tuned[name] > base[name] for name in results.costs)


def _gain_words(gain: Gain, results: Results) -> str:
    one = gain.gained
    by = with_interval(one.mean, one.low, one.high).replace("-", "−")
    best, base = (f"{row['label']} ({_costs(row, results)}{row['y']:.2f} %)" for row in (gain.tuned, gain.base))
    within = f"Within {gain.of}: t" if gain.of else "T"
    head = f"{within}uning ended {'worse' if one.mean < 0 else 'better'} than the untuned baseline"
    if one.high < 0 and _saves(gain, results):
        head += ", at less cost"
    if not (one.high < 0 or one.low > 0):
        side = "below" if one.mean < 0 else "above"
        head = f"{within}uning is not told apart from the untuned baseline, in the mean {side} it"
    return (
        f"{head}: {best} minus {base}, by {by} percentage points on test ({seeds_in_words([one.n])}, paired; both are "
        "what validation favours)."
    )


def _costs(row: pd.Series, results: Results) -> str:
    return f"{costs_in_words(row, results.costs)}, " if results.costs else ""

"""Trials that failed or collapsed, and what these have in common."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from analysis.health.finding import ACT, FINE, UNKNOWN, WATCH, Finding, many
from analysis.results.load import PARAM_PREFIX, Results
from analysis.text import joined, number
from study import schema
from study.schema import wording

LEVEL = 0.05
"""Probability below which something counts as shared, over all that was looked at (Bonferroni)."""
FLAT = 0.1
"""Embedding std (1: spread, 0: collapse) below which embeddings have collapsed."""
RANK = 2.0
"""Effective rank of features below which they lie on a line."""
USED = 0.1
"""Share of prototypes in use below which they have collapsed."""
GUESSES = 1.2
"""An accuracy below so many times that of guessing says that nothing was learnt."""


class Shared(NamedTuple):
    """A value, or a side, that some trials have more often than the others."""

    said: str
    probability: float
    """That chance alone would show as much (Fisher's exact test, or Mann-Whitney's), corrected for all looked at."""


def in_common(trials: pd.DataFrame, those: pd.Series) -> list[Shared]:
    """What `those` trials (bool) share against the others, the surest first; nothing that chance may give.

    Looked at are the method and every parameter: each value by Fisher's exact test, numbers of many values by
    Mann-Whitney's test. Trials to which a parameter does not apply are left out of it.
    """
    if not those.any() or those.all():
        return []
    looked = list[Shared]()
    for column in ["method", *(c for c in trials if str(c).startswith(PARAM_PREFIX) and c != f"{PARAM_PREFIX}method")]:
        known = trials[column].notna()
        values, mask = trials.loc[known, column], those[known].to_numpy(bool)
        if values.astype(str).nunique() < 2 or not mask.any() or mask.all():
            continue
        numbers = pd.to_numeric(values, errors="coerce")
        name = str(column).removeprefix(PARAM_PREFIX)
        if numbers.notna().all() and values.nunique() > 4 and values.map(type).ne(bool).all():
            looked.append(_side(name, numbers.to_numpy(float), mask))
        else:
            looked += [_value(name, value, (values == value).to_numpy(bool), mask) for value in values.unique()]
    sure = [one._replace(probability=min(1.0, one.probability * len(looked))) for one in looked]
    return sorted((one for one in sure if one.probability < LEVEL), key=lambda one: one.probability)


def _value(name: str, value: object, has: np.ndarray, those: np.ndarray) -> Shared:
    table = [[(has & those).sum(), (~has & those).sum()], [(has & ~those).sum(), (~has & ~those).sum()]]
    probability = float(stats.fisher_exact(table, alternative="greater").pvalue)
    shown = f"{value:.4g}" if isinstance(value, float) else str(value)
    inside, outside = f"{table[0][0]} of the {has.sum()}", f"{table[0][1]} of the {(~has).sum()} others"
    return Shared(f"{name} = {wording.shorten(shown)}: {inside} trials with it, {outside}", probability)


def _side(name: str, values: np.ndarray, those: np.ndarray) -> Shared:
    test = stats.mannwhitneyu(values[those], values[~those], alternative="two-sided")
    high = bool(np.median(values[those]) > np.median(values[~those]))
    end = values[those].min() if high else values[those].max()
    beyond = values >= end if high else values <= end
    side = f"{name} {'≥' if high else '≤'} {end:.4g}"
    return Shared(
        f"{side}: {(beyond & those).sum()} of the {beyond.sum()} trials there, none elsewhere", float(test.pvalue)
    )


def _common_words(trials: pd.DataFrame, those: pd.Series) -> str:
    found = in_common(trials, those)
    if not found:
        return "Nothing in their settings tells them from the others beyond chance."
    told = "; ".join(f"{one.said} (p = {one.probability:.2g})" for one in found[:3])
    return f"What they have in common: {told}."


# --- failures ---
def failing(results: Results) -> Finding:
    """Trials that ended by themselves before their budget."""
    title = "Failures"
    trials = results.trials
    if trials.empty:
        return Finding("failures", title, UNKNOWN, ("No trial has ended.",))
    those = trials["status"].isin(schema.UNSUCCESSFUL)
    if not those.any():
        return Finding("failures", title, FINE, (f"None of {many(len(trials))} has failed.",))
    bad = trials[those]
    kinds = joined([f"{count} {name.replace('_', ' ')}" for name, count in bad["status"].value_counts().items()])
    confirm = int((bad["stage"] == schema.CONFIRM).sum())
    where = f", {confirm} of them in the confirm stage" if confirm else ""
    said = [f"{len(bad)} of {many(len(trials))} did not come to their end: {kinds}{where}."]
    errors = bad["error"].dropna().map(lambda text: wording.shorten(str(text))).value_counts()
    if len(errors) and errors.iloc[0] > 1:
        said.append(f"{errors.iloc[0]} of them with the same error: {errors.index[0]}.")
    said.append(_common_words(trials, those))
    again = bad["status"].ne(schema.DIVERGED).any()
    verdict = ACT if again or len(bad) >= 0.1 * len(trials) else WATCH
    if again:
        said.append("Those that did not diverge may be trained again: --retry failed.")
    return Finding("failures", title, verdict, tuple(said))


def retriable(results: Results) -> bool:
    """Whether a trial ended by an error, for want of memory or of time: what may go well another time."""
    return bool(results.trials["status"].isin([s for s in schema.UNSUCCESSFUL if s != schema.DIVERGED]).any())


# --- collapse ---
def collapse(results: Results) -> Finding:
    """Trials whose embeddings, features or prototypes fell together, by their last report."""
    title = "Collapse"
    reports = results.reports
    if reports.empty:
        return Finding("collapse", title, UNKNOWN, ("No trial has reported.",))
    last = reports.loc[reports.groupby("trial_id")["epoch"].idxmax()].set_index("trial_id")
    signs = {
        f"embeddings of a std below {FLAT:g} (1 is spread)": last["embedding_std"] < FLAT,
        f"features of an effective rank below {RANK:g}": last["effective_rank"] < RANK,
        f"less than {100 * USED:.0f} % of the prototypes in use": last["prototypes_used"] < USED,
        **_guessing(results, last),
    }
    those = pd.concat(list(signs.values()), axis=1).any(axis=1)
    if not those.any():
        return Finding("collapse", title, FINE, (_least(last),))
    told = joined([f"{int(mask.sum())} with {name}" for name, mask in signs.items() if mask.any()])
    said = [f"{int(those.sum())} of {many(len(last))} have collapsed by their last report: {told}."]
    labels = last.loc[those, "label"].dropna().unique() if "label" in last else []
    if len(labels):
        more = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
        said.append(f"They are {', '.join(map(str, labels[:3]))}{more}.")
    ended = results.trials.set_index("trial_id")
    both = ended.index.intersection(last.index)
    said.append(_common_words(ended.loc[both].reset_index(), those.loc[both].reset_index(drop=True)))
    return Finding("collapse", title, ACT if those.mean() >= 0.1 else WATCH, tuple(said))


def _guessing(results: Results, last: pd.DataFrame) -> dict[str, pd.Series]:
    data = results.manifest["data"] if isinstance(results.manifest["data"], dict) else {}
    classes = data.get("classes")
    if not isinstance(classes, int) or classes < 2:
        return {}
    chance = 100 / classes
    name = f"an accuracy near that of guessing ({number(chance, 1)} %) after more than a third of the epochs"
    budget = results.trials.set_index("trial_id")["max_epochs"].astype(float).max() if len(results.trials) else np.nan
    return {name: (last[schema.ACCURACY] < GUESSES * chance) & (last["epoch"] > budget / 3)}


def _least(last: pd.DataFrame) -> str:
    """The nearest to a collapse."""
    parts = []
    for column, what in (("embedding_std", "embedding std"), ("effective_rank", "effective rank"),
                         ("prototypes_used", "share of prototypes in use")):  # fmt: skip
        if last[column].notna().any():
            parts.append(f"{what} {number(float(last[column].min()))}")
    lowest = f" Lowest by the last reports: {joined(parts)}." if parts else ""
    return f"None of {many(len(last))} has collapsed.{lowest}"

"""What one look at a study found: a verdict, sentences with numbers, and the settings that would help."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import NamedTuple

from analysis.results.load import Results
from study import schema

FINE, WATCH, ACT, UNKNOWN = VERDICTS = ("fine", "watch", "act", "cannot be told")
"""Nothing to do; worth knowing, or perhaps chance; a change would help; too little to say."""


class Finding(NamedTuple):
    """One topic."""

    name: str
    """`ranges`: names it in the page and in tests."""
    title: str
    verdict: str
    """One of VERDICTS."""
    said: tuple[str, ...]
    """Sentences, the most important first."""
    sets: Mapping[str, str] = {}
    """Dotted setting -> value, as `--set` takes them: what would help."""


MORE = 0.5
"""Trials that a search gets on top where its space or its scheduler changes, as a share of those it has."""
FEWEST_MORE = 4


def trials_of(results: Results) -> int:
    """Trials that the search may begin."""
    search = results.study.get("search")
    asked = search.get("trials") if isinstance(search, Mapping) else None
    return asked if isinstance(asked, int) else len(results.stage(schema.SEARCH))


def more_trials(results: Results) -> dict[str, str]:
    """The setting for a search of half as many trials more."""
    trials = trials_of(results)
    return {"search.trials": str(trials + max(FEWEST_MORE, math.ceil(MORE * trials)))}


WORTH = 10
"""Seeds up to which more are proposed: each trains every confirmed point once more."""


def seed_list(results: Results, count: int) -> dict[str, str]:
    """The confirm seeds and new ones up to so many; none that the search used. Empty if there are so many."""
    seeds = [int(s) for s in results.manifest["seeds"]["confirm"]]
    if len(seeds) >= count:
        return {}
    new = itertools.count(max(seeds, default=0) + 1)
    used = {results.manifest["seeds"]["trial"]}
    while len(seeds) < count:
        seeds += [s] if (s := next(new)) not in used else []
    return {"confirm.seeds": f"[{','.join(map(str, seeds))}]"}


def share(probability: float) -> str:
    """`42 %`, `below 1 %`, `above 99 %`."""
    if probability > 0.99:
        return "above 99 %"
    return "below 1 %" if probability < 0.01 else f"{100 * probability:.0f} %"


def many(count: int, what: str = "trial") -> str:
    """`1 trial`, `1,200 trials`."""
    return f"{count:,} {what}{'s' * (count != 1)}"

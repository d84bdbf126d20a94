"""What all numbers behind figures share: completed trials, the order of methods, and what is too little to draw."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from study import schema


class NotEnough(ValueError):
    """What is there does not carry the figure; the message says in one line what is missing."""


def completed(trials: pd.DataFrame, stage: str | None = None) -> pd.DataFrame:
    """Trials that ran their full budget, of one stage or of all."""
    chosen = trials[trials["status"] == schema.COMPLETED]
    return chosen if stage is None else chosen[chosen["stage"] == stage]


def main_stage(trials: pd.DataFrame) -> str:
    """The stage whose completed trials cover most methods; the confirm stage if both cover as many."""
    search, confirm = schema.SEARCH, schema.CONFIRM
    covered = {stage: completed(trials, stage)["method"].nunique() for stage in (search, confirm)}
    return confirm if covered[confirm] >= covered[search] and covered[confirm] else search


def ordered_methods(methods: Iterable[str]) -> list[str]:
    """Without repeats, in the schema's order."""
    there = set(methods)
    return [m for m in schema.METHODS if m in there]

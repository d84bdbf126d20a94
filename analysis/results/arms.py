"""The arms of a study: which of its methods are asked about, what each is called in a sentence, and its reference."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from analysis.results.load import Results
from study import schema


class Words(NamedTuple):
    """An arm in a sentence."""

    name: str
    s: str
    """Ends its verbs: `prototypes add`, `a queue adds`."""
    several: str
    """Points of it: `prototypes`, `queues`, `random_memory points`."""
    fewer: str
    """Those below its largest: `fewer prototypes`, `smaller queues`."""


_WORDS = {
    "kmclr": Words("prototypes", "", "prototypes", "fewer prototypes"),
    "nnclr": Words("a queue", "s", "queues", "smaller queues"),
}


def words_of(method: str) -> Words:
    """An arm without words of its own is called by the method's name, as in legends and labels."""
    return _WORDS.get(method) or Words(method, "s", f"{method} points", f"smaller sets of {method}")


def stores(method: str) -> bool:
    """Whether a method has a support set."""
    return bool(schema.METHODS[method].support != "none")


def in_order(methods: Iterable[str]) -> list[str]:
    """Distinct methods as a study asks about them: a user's own, then those of the house that store something, then
    the rest."""
    found, names = set(methods), list(schema.METHODS)
    return sorted(found, key=lambda m: (m in schema.HOUSE_METHODS, not stores(m), names.index(m)))


def asked(methods: Iterable[str]) -> list[str]:
    """Those of them that a verdict is about: all that store something, and a user's own; the others are what these
    have to beat."""
    return [m for m in in_order(methods) if stores(m) or m not in schema.HOUSE_METHODS]


def declared(results: Results) -> list[str]:
    """Methods that the study names (in its space, its baselines, or by itself), and any that a trial has."""
    study = results.study
    space, baselines = study.get("space"), study.get("baselines")
    named = space.get("method", []) if isinstance(space, dict) else []
    found = [*named] if isinstance(named, list | tuple) else []
    found += [point["method"] for point in baselines or () if isinstance(point, dict) and "method" in point]
    methods = {method for name in found if (method := known_as(name)) is not None}
    return in_order(methods | set(results.trials["method"].dropna()))


def known_as(name: object) -> str | None:
    """The method that a study calls so: by its name, or as the `module:Class` of its loss or its support set."""
    if name in schema.METHODS:
        return str(name)
    own = (m for m, facts in schema.METHODS.items() if name in (facts.loss, facts.support) and ":" in str(name))
    return next(own, None)


def reference_of(group: pd.DataFrame) -> tuple[pd.Series, int]:
    """Of an arm's confirmed points the one to compare with, and among how many it was chosen by its accuracy.

    Of an arm that stores something the largest point (a baseline if there is one); else the most accurate.
    """
    left = group
    if stores(str(group["method"].iloc[0])):
        left = left[left["baseline"]] if left["baseline"].any() else left
        size = size_of(left)
        left = left[size == size.max()] if size.notna().any() else left
    return left.loc[left["y"].idxmax()], len(left)


def size_of(group: pd.DataFrame) -> pd.Series:
    """How much each point of an arm stores: vectors, or bytes where those are not known."""
    return group["vectors"] if group["vectors"].notna().all() else group.get(schema.SUPPORT_BYTES, group["vectors"])

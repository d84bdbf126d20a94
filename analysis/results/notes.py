"""Sentences that belong beside a kind of number wherever it is shown: each is worded here alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import pandas as pd

from analysis.results import points
from analysis.results.intervals import Values, pooled_of
from analysis.results.load import PARAM_PREFIX, Results
from analysis.text import FEW, number, whole
from study import schema
from study.schema import CONFIRM, SUPPORT_BYTES, wording

MOMENTUM_SETTING = "momentum_encoder"
MOMENTUM_EXAMPLE_BYTES = 67_852_032
"""A momentum encoder with the default networks in float32: ResNet-18 and its projector of three layers of 2,048."""


# --- momentum encoders ---


def with_momentum(results: Results) -> pd.Series:
    """Of each trial (bool) whether it keeps a momentum encoder: its method always does, or its setting says so."""
    section = results.study.get("positives")
    of_all = bool(section.get(MOMENTUM_SETTING)) if isinstance(section, dict) else False
    trials = results.trials
    own = trials.get(PARAM_PREFIX + MOMENTUM_SETTING, pd.Series(index=trials.index, dtype=object))
    kinds = trials["method"].map({name: method.momentum for name, method in schema.METHODS.items()})
    said = own.where(own.notna(), of_all).astype(bool)
    return (kinds == "always") | ((kinds == "optional") & said)


def momentum_note(results: Sequence[Results], costs: Collection[str] | None = None) -> str:
    """For whatever shows bytes of support sets: that a momentum encoder, where a trial has one, is not among them.

    costs: what is shown; None: each study's own costs.
    """
    results = [one for one in results if SUPPORT_BYTES in (one.costs if costs is None else costs)]
    if not any(with_momentum(one).any() for one in results):
        return ""
    found = {m for one in results for m in one.trials.loc[with_momentum(one), "method"]}
    who = ", ".join(method for method in schema.METHODS if method in found)
    size = wording.bytes_in_words(MOMENTUM_EXAMPLE_BYTES)
    return (
        f" Bytes are of the support set alone: the momentum encoder of {who} points, a copy of encoder and projector "
        f"({size} with the default ResNet-18), counts as 0; method_bytes counts it."
    )


# --- earlier studies ---


def learned_words(results: Results) -> str:
    """`8 trials of k_sweep, 1 trial of pilot`; empty where nothing was learned."""
    origins = [] if results.learned.empty else results.learned["origin"].tolist()
    counts = {origin: origins.count(origin) for origin in dict.fromkeys(origins)}
    return ", ".join(f"{count} trial{'s' * (count != 1)} of {origin}" for origin, count in counts.items())


def learned_note(results: Results) -> str:
    """For whatever shows points of earlier studies: how many there are, and what they cost."""
    said = learned_words(results)
    return f" Learned from earlier studies, at no epoch of this one: {said}." if said else ""


# --- what the intervals are, and what is not in them ---


def sampling_note(results: Results, column: str, accuracies: Iterable[float]) -> str:
    """The standard error that comes from the number of images, which no bracket holds; empty if it is not known."""
    images = points.images_of(results, column)
    if images is None:
        return ""
    errors = sorted(number(points.sampling_error(a, images)) for a in accuracies)
    span = errors[0] if errors[0] == errors[-1] else f"{errors[0]} to {errors[-1]}"
    kind = "test" if column in schema.TEST_METRICS else "validation"
    return (
        f" Not in the brackets: the sampling error of the {whole(images)} {kind} images, ±{span} percentage points "
        "(one standard error), the same images for all points."
    )


def interval_words(samples: Sequence[Values], what: str = "95 % intervals") -> str:
    """What the brackets or bars of these means over seeds are, with their degrees of freedom, for a caption."""
    counts = [len(sample) for sample in samples if len(sample) > 1]
    if not counts:
        return "no intervals, as nothing is repeated"
    low, high = min(counts) - 1, max(counts) - 1
    own = f"{low}" if low == high else f"{low} to {high}"
    least = pooled_of(samples)
    return (
        f"{what}, Student's t ({own} degree{'s' * (high > 1)} of freedom), never narrower than with the "
        f"deviation pooled over the points ({int(least.freedom)})"
    )


def interval_rule(results: Results) -> str:
    """Which interval a report states, with its degrees of freedom: once, in its methods."""
    score = points.confirm_score(results)
    if score is None:
        return "Nothing was repeated over seeds, so there are no intervals over seeds."
    groups = [points.by_seed(g, score.column) for _, g in points.finished(results, CONFIRM).groupby("point")]
    least = pooled_of(groups)
    freedom = f"{int(least.freedom)} degrees of freedom" if least.freedom else "no point is repeated"
    low, high = min(map(len, groups)), max(map(len, groups))
    own = f"{low - 1}" if low == high else f"{low - 1} to {high - 1}"
    return (
        f"One rule for all (95 %): Student's t of a point's own seeds (n − 1 degrees of freedom, here {own}), never "
        f"narrower than with the deviation pooled over the {len(groups)} points of the confirm stage ({freedom}). "
        "Pooling alone would be narrower, but points of unequal deviation and seeds that move all points together are "
        "then covered far too rarely; with the points' own seeds alone, equal values would have no width. Comparisons "
        "are paired by seed; where the best of several is told, the interval is corrected for the choice (Bonferroni). "
        "Probabilities come from draws of the same model, which weight whole seeds. The hypervolume's lower end "
        "weights each seed's accuracies by the other seeds', as means that choose their own front flatter it. Fewer "
        f"than {FEW} seeds are marked: with two, an interval is mostly its factor of 12.7. Coverage is shown by "
        "benchmarks.coverage."
    )

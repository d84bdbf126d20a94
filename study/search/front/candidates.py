"""Points that a search might try: drawn from a define-by-run space, read back from a trial, or moved a little."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

Space = Callable[[Any], Any]
"""Suggests every parameter that applies, by `suggest_*` of what it is given, and returns the point."""


class Candidate(NamedTuple):
    """A point with what was suggested for it."""

    params: dict[str, Any]
    distributions: dict[str, BaseDistribution]
    point: Any
    """As the space returns it."""


class _UnknownError(Exception):
    """A parameter that has no value here."""


class _Suggesting:
    """Stands in for a trial: `value_of(name, distribution)` answers, and what was asked is kept."""

    def __init__(self, value_of: Callable[[str, BaseDistribution], Any]) -> None:
        self._value_of = value_of
        self.params: dict[str, Any] = {}
        self.distributions: dict[str, BaseDistribution] = {}

    def _suggest(self, name: str, distribution: BaseDistribution) -> Any:
        if name not in self.params:
            self.distributions[name] = distribution
            self.params[name] = self._value_of(name, distribution)
        return self.params[name]

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self._suggest(name, _choices(tuple(choices)))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        return int(self._suggest(name, _whole(low, high, step, log)))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        return float(self._suggest(name, _number(low, high, step, log)))


@functools.lru_cache(maxsize=1000)
def _number(low: float, high: float, step: float | None, log: bool) -> FloatDistribution:
    return FloatDistribution(low, high, log=log, step=step)


@functools.lru_cache(maxsize=1000)
def _whole(low: int, high: int, step: int, log: bool) -> IntDistribution:
    return IntDistribution(low, high, log=log, step=step)


@functools.lru_cache(maxsize=1000, typed=True)
def _choices(choices: tuple[Any, ...]) -> CategoricalDistribution:
    return CategoricalDistribution(choices)


def _candidate(space: Space, value_of: Callable[[str, BaseDistribution], Any]) -> Candidate:
    asked = _Suggesting(value_of)
    point = space(asked)
    return Candidate(asked.params, asked.distributions, point)


def at_share(distribution: Any, share: float) -> Any:
    """The number at a share (0-1) of a range, on its scale and its steps."""
    low, high, step = distribution.low, distribution.high, distribution.step
    value = low * (high / low) ** share if distribution.log else low + (high - low) * share
    if step is not None and not distribution.log:
        value = low + round((value - low) / step) * step
    value = min(max(value, low), high)
    return round(value) if type(distribution) is IntDistribution else float(value)


def share_of(distribution: Any, value: float) -> float:
    """Where a number lies in its range, 0 to 1 (beyond for one outside), on its scale."""
    low, high = distribution.low, distribution.high
    if low == high:
        return 0.5
    if distribution.log:
        return math.log(value / low) / math.log(high / low)
    return float((value - low) / (high - low))


def _random(generator: np.random.Generator, distribution: BaseDistribution) -> Any:
    if type(distribution) is CategoricalDistribution:
        return distribution.choices[int(generator.integers(len(distribution.choices)))]
    return at_share(distribution, float(generator.random()))


def random_candidates(space: Space, generator: np.random.Generator, count: int) -> list[Candidate]:
    """Drawn uniformly, on a log scale where the range has one."""
    return [_candidate(space, lambda name, distribution: _random(generator, distribution)) for _ in range(count)]


def again(space: Space, params: Mapping[str, Any]) -> Candidate | None:
    """The candidate of a trial's parameters; None if the space has others, or a choice that there is not."""

    def value_of(name: str, distribution: BaseDistribution) -> Any:
        if name not in params:
            raise _UnknownError(name)
        if type(distribution) is CategoricalDistribution and params[name] not in distribution.choices:
            raise _UnknownError(name)
        return params[name]

    try:
        return _candidate(space, value_of)
    except _UnknownError:
        return None


def mutated(space: Space, generator: np.random.Generator, parent: Candidate, step: float) -> Candidate:
    """A neighbour: each parameter changes with chance 1/2, a number by `step` (SD, as a share of its range), a choice
    to any. One that did not apply to the parent is drawn at random."""

    def value_of(name: str, distribution: BaseDistribution) -> Any:
        if name not in parent.params:
            return _random(generator, distribution)
        value, kept = parent.params[name], generator.random() < 0.5
        if type(distribution) is CategoricalDistribution:
            kept = kept or generator.random() > 2 * step
            return value if kept and value in distribution.choices else _random(generator, distribution)
        share = share_of(distribution, value)
        if kept:
            return value if 0 <= share <= 1 else at_share(distribution, min(max(share, 0.0), 1.0))
        return at_share(distribution, min(max(share + step * float(generator.standard_normal()), 0.0), 1.0))

    return _candidate(space, value_of)

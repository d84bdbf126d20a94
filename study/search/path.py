"""From one point of a search space to another, one parameter at a time: an ablation path.

Fawcett and Hoos 2016, "Analysing differences between algorithm configurations through ablation"; with a model in place
of trainings to choose the order: Biedenkapp et al. 2017, "Efficient parameter importance analysis via ablation with
surrogates".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from study.settings import space
from study.settings.config import StudyConfig
from trainables.settings.edge import ConfigError

Point = Mapping[str, Any]


class Change(NamedTuple):
    """Of one parameter; None where it does not apply."""

    name: str
    before: Any
    after: Any


class Step(NamedTuple):
    """A point of a path, and how it differs from the one before it: what was switched first, then what came or went
    with it. The path's first point has no changes."""

    params: dict[str, Any]
    changes: tuple[Change, ...] = ()


def walk(study: StudyConfig, start: Point, target: Point, best: Callable[[Sequence[Point]], int]) -> list[Step]:
    """The path, its ends included; `best` says which of several next points is to be taken.

    A parameter that applies only after a switch (of the method, say) comes with it, at the value of the study's own
    sections, and moves to the target's value in a step of its own. Points that cannot be run are left out; if none is
    left, the path goes to the target at once.
    """
    path = [Step(dict(start))]
    while path[-1].params != dict(target):
        options = [step for step in moves(study, path[-1].params, target) if _possible(study, step.params)]
        if not options:
            options = [Step(dict(target), changes(path[-1].params, target))]
        path.append(options[best([step.params for step in options])])
    return path


def moves(study: StudyConfig, point: Point, target: Point) -> list[Step]:
    """Every point that has one parameter more at the target's value, in the order of the parameters."""
    names = [name for name in point if name in target and point[name] != target[name]]
    return [Step(new := switched(study, point, name, target[name]), changes(point, new, name)) for name in names]


def switched(study: StudyConfig, point: Point, name: str, value: Any) -> dict[str, Any]:
    """The point with another value of one parameter, and the parameters that apply then."""

    def value_of(other: str) -> Any:
        if other == name:
            return value
        return point[other] if other in point else space.base_value(study, other)

    return space.fill(study, value_of)


def changes(before: Point, after: Point, first: str | None = None) -> tuple[Change, ...]:
    """Of every parameter that differs, `first` first."""
    names = [name for name in dict.fromkeys([*before, *after]) if before.get(name) != after.get(name)]
    names.sort(key=lambda name: name != first)
    return tuple(Change(name, before.get(name), after.get(name)) for name in names)


def _possible(study: StudyConfig, point: Point) -> bool:
    try:
        space.to_run(study, point, seed=study.seed)
    except ConfigError:
        return False
    return True

"""What a search space and its baselines must satisfy, found out before anything starts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

from study.settings.config import RangeSpec, StudyConfig
from study.settings.space import (
    PARAMETERS,
    Parameter,
    applies,
    base_value,
    baseline_points,
    complete_point,
    fill,
    label,
    methods_of,
    to_run,
)
from trainables.settings.edge import ConfigError, did_you_mean

MAX_CORNERS = 3000


def check(study: StudyConfig, source: str) -> None:
    """Refuse a space or baselines that cannot be meant. Raises ConfigError, one line per problem."""
    for kind in ((_unknown, _ill_typed), (_without_effect, _bad_baselines), (_impossible,)):
        problems = [f"{source}: {problem}" for find in kind for problem in find(study)]
        if problems:
            raise ConfigError("\n".join(problems))


def _unknown(study: StudyConfig) -> Iterator[str]:
    if not study.space:
        yield "space is empty: name at least one parameter to search, for example k: {low: 25, high: 2000, log: true}"
    for name in study.space:
        if name not in PARAMETERS:
            yield f"space.{name} is not a known parameter{did_you_mean(name, PARAMETERS)}"


def _ill_typed(study: StudyConfig) -> Iterator[str]:
    for name, spec in study.space.items():
        if isinstance(spec, RangeSpec):
            if name in PARAMETERS:
                yield from _bad_range(PARAMETERS[name], spec)
            continue
        if not spec:
            yield f"space.{name} has no choices; give at least one"
        for value in spec:
            if not isinstance(value, str | int | float):
                yield f"space.{name}: a choice must be a single value, got {value!r}"
        if len(set(map(repr, spec))) < len(spec):
            yield f"space.{name} gives a choice twice: {list(spec)}"


def _bad_range(parameter: Parameter, spec: RangeSpec) -> Iterator[str]:
    name, numbers = parameter.name, (spec.low, spec.high, spec.step or 1)
    if parameter.kind == "choice":
        yield f"space.{name} is not a number: give a list of choices instead of a range"
    elif parameter.kind == "int" and any(v != int(v) for v in numbers):
        yield f"space.{name} is a whole number: low ({spec.low:g}), high ({spec.high:g}) and step must be too"
    elif spec.step is not None:
        steps = (spec.high - spec.low) / spec.step
        if abs(steps - round(steps)) > 1e-6:
            reached = spec.low + math.floor(steps) * spec.step
            yield f"space.{name}: high ({spec.high:g}) is not low plus whole steps; the last one reaches {reached:g}"


def _without_effect(study: StudyConfig) -> Iterator[str]:
    arms = methods_of(study)
    for name in study.space:
        parameter = PARAMETERS[name]
        if not set(arms) & set(parameter.methods):
            yield (
                f"space.{name} has no effect: it applies to {', '.join(parameter.methods)}, "
                f"and the study's methods are {', '.join(map(str, arms))}"
            )
        for other, allowed in parameter.requires.items():
            spec = study.space.get(other, (base_value(study, other),))
            if isinstance(spec, tuple) and not set(spec) & set(allowed):
                yield f"space.{name} has no effect: it needs {other} {' or '.join(map(str, allowed))}"


def _bad_baselines(study: StudyConfig) -> Iterator[str]:
    for index, partial in enumerate(study.baselines):
        place = f"baselines[{index}]"
        unknown = [name for name in partial if name not in PARAMETERS]
        for name in unknown:
            yield f"{place}.{name} is not a known parameter{did_you_mean(name, PARAMETERS)}"
        if unknown:
            continue
        if "method" not in partial and len(methods_of(study)) > 1:
            yield f"{place} must name its method, one of {', '.join(map(str, methods_of(study)))}"
            continue
        point = complete_point(study, partial)
        for name in partial:
            if not applies(study, name, point):
                yield f"{place}.{name} does not apply to {label(partial)}"
            elif name not in study.space and not (name == "method" and partial[name] == study.method):
                yield f"{place}.{name} is not in space, so it would have no effect; add it to space or take it out"
        for name in point:
            spec = study.space.get(name)
            if isinstance(spec, tuple) and point[name] not in spec:
                origin = "is" if name in partial else "is not given, and the study's own value is"
                yield f"{place}.{name} {origin} {point[name]!r}; space allows {', '.join(map(str, spec))}"


def _impossible(study: StudyConfig) -> Iterator[str]:
    """Validate the baselines and the corners of the space as runs."""
    seen: set[str] = set()
    for point in (*baseline_points(study), *_corners(study)):
        try:
            to_run(study, point, seed=study.seed)
        except ConfigError as error:
            for line in str(error).splitlines():
                message = line.split(": ", 1)[1]
                if message not in seen:
                    seen.add(message)
                    yield f"space allows {label(point)}, but {message}"


def _corners(study: StudyConfig) -> Iterator[dict[str, Any]]:
    """Points at the ends of all ranges and with all choices; if they are very many, every fair share of them."""
    names = [name for name in PARAMETERS if name in study.space]
    ends = [_ends(name, study.space[name]) for name in names]
    every = max(1, math.prod(map(len, ends)) // MAX_CORNERS)
    for values in itertools.islice(itertools.product(*ends), 0, None, every | 1):
        yield fill(study, dict(zip(names, values, strict=True)).__getitem__)


def _ends(name: str, spec: RangeSpec | tuple[Any, ...]) -> list[Any]:
    if isinstance(spec, tuple):
        return list(spec)
    return [int(v) if PARAMETERS[name].kind == "int" else v for v in (spec.low, spec.high)]

"""What a study must satisfy beyond the types of its settings, found out before anything starts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from study import schema
from study.settings.baselines import named_baseline
from study.settings.config import RangeSpec, StudyConfig
from study.settings.space import (
    PARAMETERS,
    Parameter,
    applies,
    base_value,
    baseline_points,
    complete_point,
    fill,
    grid_points,
    label,
    methods_of,
    to_run,
    too_large_grid,
)
from trainables.settings.edge import ConfigError, did_you_mean, show
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.metrics_and_objectives import MEASURES
from trainables.vocabulary.parts import SCHEDULERS
from trainables.vocabulary.registry import shown_name
from trainables.wording import close_to, shorten

MAX_CORNERS = 3000
"""Most combinations of a space's ends and choices that are tried as runs, about."""
MAX_CHOICES = 1000
"""Of one parameter."""


def check(study: StudyConfig, source: str) -> None:
    """Refuse a study that cannot be meant. Raises ConfigError, one line per problem."""
    values = (_unknown, _ill_typed, _unknown_values)
    stages = (
        _bad_device,
        _too_many_gpus,
        _bad_objectives,
        _bad_wanted,
        _never_stopped,
        _too_few_trials,
        _bad_seeds,
        _bad_ablation,
    )
    for finders in (values, (_without_effect, _bad_baselines), (_impossible,), stages):
        problems = [f"{source}: {problem}" for find in finders for problem in find(study)]
        if problems:
            raise ConfigError("\n".join(problems))


def _unknown(study: StudyConfig) -> Iterator[str]:
    if not study.space:
        yield "space is empty: name at least one parameter to search, for example k: {low: 25, high: 2000, log: true}"
    yield from unknown_parameters(study.space)


def unknown_parameters(space: Iterable[str]) -> Iterator[str]:
    """A line for each name that is no parameter of a search space."""
    for name in space:
        if name not in PARAMETERS:
            yield f"space.{shorten(name)} is not a known parameter{did_you_mean(name, PARAMETERS)}"


def _unknown_values(study: StudyConfig) -> Iterator[str]:
    """Choices of the space, and values of baselines, that their setting does not have."""
    for name, spec in study.space.items():
        for value in spec if isinstance(spec, tuple) else ():
            yield from _unknown_value(f"space.{name}", name, value)
    for index, partial in enumerate(study.baselines):
        for name, value in partial.items():
            yield from _unknown_value(f"baselines[{index}].{name}", name, value)


def _unknown_value(place: str, name: str, value: Any) -> Iterator[str]:
    allowed = PARAMETERS[name].values if name in PARAMETERS else ()
    if allowed and value not in allowed:
        shown = " or ".join(", ".join(map(repr, allowed)).rsplit(", ", 1))
        yield f"{place} is {show(value)}; allowed: {shown}{close_to(value, allowed)}"


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
                yield f"space.{name}: a choice must be a single value, got {shorten(repr(value))}"
        if len(spec) > MAX_CHOICES:
            yield f"space.{name} has {len(spec):,} choices; at most {MAX_CHOICES:,}, or give a range"
        if len(set(map(repr, spec))) < len(spec):
            yield f"space.{name} gives a choice twice: {shorten(str(list(spec)))}"


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
            yield f"{place}.{shorten(name)} is not a known parameter{did_you_mean(name, PARAMETERS)}"
        if unknown:
            continue
        if "method" not in partial and len(methods_of(study)) > 1:
            yield f"{place} must name its method, one of {', '.join(map(str, methods_of(study)))}"
            continue
        point = complete_point(study, partial)
        for name in partial:
            if not applies(study, name, point):
                yield f"{place}.{name} does not apply to {shorten(label(partial))}"
            elif name not in study.space and not (name == "method" and partial[name] == study.method):
                yield f"{place}.{name} is not in space, so it would have no effect; add it to space or take it out"
        for name in point:
            spec = study.space.get(name)
            if isinstance(spec, tuple) and point[name] not in spec:
                origin = "is" if name in partial else "is not given, and the study's own value is"
                allowed = shorten(", ".join(map(str, spec)))
                meant = close_to(point[name], map(str, spec))
                yield f"{place}.{name} {origin} {shorten(repr(point[name]))}; space allows {allowed}{meant}"


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
                    yield f"space allows {shorten(label(point))}, but {message}"


def _corners(study: StudyConfig) -> Iterator[dict[str, Any]]:
    """Points at the ends of all ranges and with all choices; if they are very many, every fair share of them."""
    names = [name for name in PARAMETERS if name in study.space]
    ends = [_ends(name, study.space[name]) for name in names]
    total = math.prod(map(len, ends))
    for number in range(0, total, max(1, total // MAX_CORNERS) | 1):
        yield fill(study, dict(zip(names, _combination(number, ends), strict=True)).__getitem__)


def _combination(number: int, ends: Sequence[Sequence[Any]]) -> list[Any]:
    """What `itertools.product` of the ends gives at this place, without what comes before it."""
    values = []
    for choices in reversed(ends):
        number, place = divmod(number, len(choices))
        values.append(choices[place])
    return values[::-1]


def _ends(name: str, spec: RangeSpec | tuple[Any, ...]) -> list[Any]:
    if isinstance(spec, tuple):
        return list(spec)
    return [int(v) if PARAMETERS[name].kind == "int" else v for v in (spec.low, spec.high)]


# --- stages ---
def _bad_device(study: StudyConfig) -> Iterator[str]:
    """A trial sees only the GPUs that Ray gives it, numbered from 0, so a study cannot name one by its number."""
    device = study.device
    if device in ("auto", "cpu", "cuda", "cuda:0"):
        return
    if re.fullmatch(r"cuda:\d+", device):
        yield (
            f"device: '{device}' cannot be chosen in a study, whose trials each see the GPU that Ray gives them as "
            f"cuda:0; write device: cuda (CUDA_VISIBLE_DEVICES={device[5:]} keeps a study on that GPU of this machine)"
        )
    else:
        meant = close_to(device, ("auto", "cpu", "cuda"))
        yield f"device: {shorten(repr(device))} is not a device of a study; use auto, cpu or cuda{meant}"


def _too_many_gpus(study: StudyConfig) -> Iterator[str]:
    """A trial trains on one GPU, so a second one that it holds would idle."""
    gpu = study.resources.gpu
    if gpu is not None and gpu > 1:
        yield (
            f"resources.gpu is {gpu:g}, but a trial trains on one GPU alone; write gpu: 1 (several GPUs then train "
            f"several trials at once), or a fraction that packs trials on a GPU"
        )


def _bad_objectives(study: StudyConfig) -> Iterator[str]:
    known = all(name in schema.OBJECTIVES for name in study.objectives)
    if known and next(iter(study.objectives.items()), None) != (schema.ACCURACY, "max"):
        yield "objectives must begin with 'accuracy: max'; further ones may be support_bytes: min, ..."
    for name, sense in study.objectives.items():
        if name not in schema.OBJECTIVES:
            names = [*schema.OBJECTIVES, *MEASURES.installed()]
            yield f"objectives.{shorten(name)} is no objective{did_you_mean(name, names)}"
        elif (part := measured_by(name)) not in (None, MEASURES.loaded.get(str(study.measure.name))):
            yield f"objectives.{name} is measured by {part.__module__}:{part.__name__}; name it under measure.name"
        elif name != schema.ACCURACY and sense != (meant := schema.OBJECTIVES[name].sense):
            better = "more" if meant == "max" else "less"
            yield f"objectives.{name} is {sense}, but {better} of it is better; write {name}: {meant}"


def _bad_wanted(study: StudyConfig) -> Iterator[str]:
    for name, spec in study.wanted.items():
        if name not in study.objectives:
            yield f"wanted.{shorten(name)} is no objective of this study{did_you_mean(name, study.objectives)}"
            continue
        right, other = ("min", "max") if study.objectives[name] == "max" else ("max", "min")
        if getattr(spec, other) is not None:
            better = "more" if right == "min" else "less"
            yield f"wanted.{name}.{other} would leave out better points: {better} of it is better; write {right}"
        elif (bound := getattr(spec, right)) is None:
            yield f"wanted.{name} has no bound: give it {right}"
        elif schema.OBJECTIVES[name].unit == "%" and bound > 100:
            yield f"wanted.{name}.{right} is {bound:g}, more than 100 %"


def measured_by(name: str) -> Any:
    """The class of the user's own that measures this objective; None for one of the house."""
    return next((part for part in MEASURES.loaded.values() if shown_name(part) == name), None)


def _never_stopped(study: StudyConfig) -> Iterator[str]:
    house = study.scheduler.name in SCHEDULERS.house and study.scheduler.name != "none"
    if house and study.scheduler.grace_period >= study.train.epochs:
        yield (
            f"scheduler.grace_period ({study.scheduler.grace_period}) must be below train.epochs "
            f"({study.train.epochs}): no trial would ever be stopped; use scheduler.name: none if that is meant"
        )


def _too_few_trials(study: StudyConfig) -> Iterator[str]:
    trials = study.search.trials
    if len(study.baselines) > trials:
        yield (
            f"search.trials ({trials}) is below the number of baselines ({len(study.baselines)}), "
            f"which are always measured"
        )
    if study.search.sampler != "grid":
        return
    if (problem := too_large_grid(study)) is not None:
        yield problem
    elif (points := len(grid_points(study))) > trials:
        yield (
            f"search.trials ({trials}) is below the {points} points of the grid: raise it, or lower "
            f"`grid` of a range or the choices in space"
        )


def _bad_seeds(study: StudyConfig) -> Iterator[str]:
    if study.confirm.enabled:
        yield from _bad_list(study, "confirm.seeds", study.confirm.seeds)


def _bad_ablation(study: StudyConfig) -> Iterator[str]:
    if study.ablate.seeds is not None:
        yield from _bad_list(study, "ablate.seeds", study.ablate.seeds)
    if study.ablate.start is not None:
        try:
            named_baseline(study, study.ablate.start)
        except UserError as error:
            yield str(error)


def _bad_list(study: StudyConfig, name: str, seeds: Sequence[int]) -> Iterator[str]:
    if not seeds or len(set(seeds)) < len(seeds):
        yield f"{name} must be different numbers, at least one, got {shorten(str(list(seeds)))}"
    elif study.seed in seeds:
        yield (
            f"{name} {shorten(str(list(seeds)))} holds the seed of the search ({study.seed}), whose luck chose "
            f"the points: confirm with other seeds"
        )

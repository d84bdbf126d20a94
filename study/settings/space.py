"""The search space: which parameters there are, to which methods they apply, and how a point becomes a run.

A parameter of the space is a short name for one dotted setting of `trainables.settings.config.RunConfig`. A parameter
that does not apply to a trial's method (k to nnclr, queue_size to kmclr) or to its other choices (half_life without
prototype_update: ema) is not part of that trial's point.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

import numpy as np

from study import schema
from study.settings.config import RangeSpec, StudyConfig
from trainables.settings import edge
from trainables.settings.config import RunConfig
from trainables.settings.needs import NEEDS
from trainables.vocabulary.parts import OF_RUNS
from trainables.vocabulary.registry import Live

MAX_GRID = 100_000
Kind = Literal["int", "float", "choice"]


@dataclass(frozen=True)
class Parameter:
    """One name a space may use."""

    name: str
    path: str
    kind: Kind
    values: tuple[str, ...]
    """The words that it may be; () for numbers and truth values."""
    methods: tuple[str, ...]
    """Those with which it can have an effect."""
    needs: tuple[Mapping[str, tuple[Any, ...]], ...]
    """Alternatives, one of which must hold at a point: values of `method` and other parameters."""

    @property
    def requires(self) -> Mapping[str, tuple[Any, ...]]:
        """Values of other parameters without which it never has an effect."""
        only = self.needs[0] if len(self.needs) == 1 else {}
        return {name: values for name, values in only.items() if name != "method"}


def _settings() -> dict[str, str]:
    """name -> setting of a run, those of support sets and of parts of one's own included."""
    return {**schema.searchable(), **{path: path for path in _own_options()}}


def _own_options() -> dict[str, Any]:
    """Options of loaded parts of one's own: dotted setting -> type."""
    models = [
        (place.options, model)
        for place in OF_RUNS
        for name in place.registry.loaded
        if (model := place.registry.options_of(name)) is not None
    ]
    return {f"{at}.{name}": field.annotation for at, model in models for name, field in model.model_fields.items()}


def _type(path: str) -> Any:
    """The type of a setting."""
    if path in (own := _own_options()):
        return own[path]
    *sections, name = path.split(".")
    model: Any = RunConfig
    for section in sections:
        model = model.model_fields[section].annotation
    return model.model_fields[name].annotation


def _parameter(name: str, path: str) -> Parameter:
    """Where a parameter applies is what `trainables.settings.needs` says of its setting."""
    names = {setting: other for other, setting in _settings().items()}
    needs = tuple({names[setting]: values for setting, values in row.items()} for row in NEEDS.get(path, ({},)))
    kinds: dict[Any, Kind] = {int: "int", float: "float"}
    kind = kinds.get(_type(path), "choice")  # what is no number is a choice
    words = get_args(_type(path)) if get_origin(_type(path)) is Literal else ()
    words = tuple(schema.METHODS) if name == "method" else words
    return Parameter(name, path, kind, words, tuple(m for m in schema.METHODS if _acts(path, m)), needs)


def _acts(path: str, method: str) -> bool:
    """Whether a setting, and each that it needs, can have an effect with a method."""
    return any(
        method in needs.get("method", (method,)) and all(_acts(other, method) for other in needs if other != "method")
        for needs in NEEDS.get(path, ({},))
    )


PARAMETERS = Live(lambda: {name: _parameter(name, setting) for name, setting in _settings().items()})
"""name -> parameter; a parameter comes after those that decide whether it applies."""


def base_value(study: StudyConfig, name: str) -> Any:
    """What the study's own sections give for a parameter."""
    value: Any = study
    for part in PARAMETERS[name].path.split("."):
        value = value.get(part) if isinstance(value, dict) else getattr(value, part)
    return value


def methods_of(study: StudyConfig) -> tuple[str, ...]:
    """The arms: choices of `space.method`, or the study's one method."""
    choices = study.space.get("method")
    return tuple(choices) if isinstance(choices, tuple) else (study.method,)


def confirms_per_method(study: StudyConfig) -> bool:
    """Whether a new study confirms each method's own front."""
    asked = study.confirm.per_method
    return len(methods_of(study)) > 1 if asked is None else asked


def applies(study: StudyConfig, name: str, params: Mapping[str, Any]) -> bool:
    """Whether a parameter has an effect at a (possibly incomplete) point."""
    parameter = PARAMETERS[name]

    def holds(needs: Mapping[str, tuple[Any, ...]]) -> bool:
        return all(params.get(other, base_value(study, other)) in allowed for other, allowed in needs.items())

    return params.get("method", study.method) in parameter.methods and any(map(holds, parameter.needs))


def fill(study: StudyConfig, value_of: Callable[[str], Any]) -> dict[str, Any]:
    """A complete point: every parameter of the space that applies, in the registry's order, as `value_of(name)`."""
    params: dict[str, Any] = {}
    if "method" not in study.space:
        params["method"] = study.method
    for name in PARAMETERS:
        if name in study.space and applies(study, name, params):
            params[name] = value_of(name)
    return params


class DefineByRun:
    """Optuna's define-by-run space of a study, picklable: trial -> flat point. Fixed values are not suggested."""

    def __init__(self, study: StudyConfig) -> None:
        self.study = study

    def __call__(self, trial: Any) -> dict[str, Any]:
        """`trial` is an optuna.trial.Trial (or anything with its suggest_* methods)."""
        return fill(self.study, lambda name: self._suggest(trial, name))

    def _suggest(self, trial: Any, name: str) -> Any:
        spec = self.study.space[name]
        if isinstance(spec, tuple):
            return trial.suggest_categorical(name, list(spec))
        if PARAMETERS[name].kind == "int":
            step = {} if spec.step is None else {"step": int(spec.step)}
            return trial.suggest_int(name, int(spec.low), int(spec.high), log=spec.log, **step)
        return trial.suggest_float(name, spec.low, spec.high, log=spec.log, step=spec.step)


def define(study: StudyConfig) -> DefineByRun:
    """The study's define-by-run space."""
    return DefineByRun(study)


def complete_point(study: StudyConfig, partial: Mapping[str, Any]) -> dict[str, Any]:
    """A declared point with what it leaves out taken from the study's own sections."""
    params = fill(study, lambda name: partial.get(name, base_value(study, name)))
    extra = {name: value for name, value in partial.items() if name not in params}
    return {**params, **extra}


def baseline_points(study: StudyConfig) -> list[dict[str, Any]]:
    """The declared baselines as complete points, in their order, without repeats."""
    points: list[dict[str, Any]] = []
    for partial in study.baselines:
        point = complete_point(study, partial)
        if point not in points:
            points.append(point)
    return points


def random_point(study: StudyConfig, generator: np.random.Generator) -> dict[str, Any]:
    """A point drawn uniformly (log-uniformly where the range says so)."""

    def draw(name: str) -> Any:
        spec = study.space[name]
        if isinstance(spec, tuple):
            return spec[int(generator.integers(len(spec)))]
        low, high = (np.log(spec.low), np.log(spec.high)) if spec.log else (spec.low, spec.high)
        value = float(generator.uniform(low, high))
        return typed(name, spec, float(np.exp(value)) if spec.log else value)

    return fill(study, draw)


def typed(name: str, spec: RangeSpec, value: float) -> Any:
    """The value of the range that is nearest to this one."""
    if spec.step is not None:
        value = spec.low + round((value - spec.low) / spec.step) * spec.step
    value = min(max(value, spec.low), spec.high)
    return round(value) if PARAMETERS[name].kind == "int" else value


def largest_points(study: StudyConfig) -> list[dict[str, Any]]:
    """Of each method the point with all numbers at their largest; other choices are the study's own, else the first."""

    def largest(method: str, name: str) -> Any:
        spec = study.space[name]
        if name == "method":
            return method
        if isinstance(spec, RangeSpec):
            return typed(name, spec, spec.high)
        own = base_value(study, name)
        return max(spec) if PARAMETERS[name].kind != "choice" else own if own in spec else spec[0]

    return [fill(study, functools.partial(largest, method)) for method in methods_of(study)]


def levels(name: str, spec: RangeSpec | tuple[Any, ...]) -> list[Any]:
    """Values a grid takes from one parameter: the choices, or `grid` points of the range, ends included."""
    if isinstance(spec, tuple):
        return list(spec)
    spaced = np.geomspace if spec.log else np.linspace
    return list(dict.fromkeys(typed(name, spec, float(v)) for v in spaced(spec.low, spec.high, spec.grid)))


def too_large_grid(study: StudyConfig) -> str | None:
    """What is wrong with a grid of more than MAX_GRID combinations of levels; None if nothing is."""
    combinations = math.prod(len(levels(name, spec)) for name, spec in study.space.items())
    if combinations <= MAX_GRID:
        return None
    return (
        f"the grid of {study.name} has {combinations:,} combinations; at most {MAX_GRID:,}: lower `grid` of a range or "
        f"the choices in space"
    )


def grid_points(study: StudyConfig) -> list[dict[str, Any]]:
    """Every combination of the grid's levels that differs in a parameter that applies, the first varying slowest.

    Raises ConfigError for more than MAX_GRID.
    """
    if (problem := too_large_grid(study)) is not None:
        raise edge.ConfigError(problem)
    axes = [(name, levels(name, study.space[name])) for name in PARAMETERS if name in study.space]
    points: list[dict[str, Any]] = [{} if "method" in study.space else {"method": study.method}]
    for name, values in axes:
        found = []
        for point in points:
            found += [{**point, name: value} for value in values] if applies(study, name, point) else [point]
        points = found
    return points


def to_run(study: StudyConfig, params: Mapping[str, Any], *, seed: int, epochs: int | None = None) -> RunConfig:
    """The run of a point: the study's shared settings, the point's values, a seed and a budget in epochs.

    A shorter budget than the warm-up shortens the warm-up. Raises ConfigError if the combination is impossible, or a
    parameter is none.
    """
    if unknown := [name for name in params if name not in PARAMETERS]:
        said = f"{schema.wording.shorten(unknown[0])} is no parameter; known: {', '.join(PARAMETERS)}"
        raise edge.ConfigError(f"{study.name}: {said}")
    shared = {name: getattr(study, name) for name in RunConfig.model_fields}
    settings = StudyConfig.model_dump(study, mode="json", include=set(shared))
    changes = {PARAMETERS[name].path: value for name, value in params.items()}
    changes["seed"] = seed
    if epochs is not None:
        changes["train.epochs"] = epochs
        changes["optimizer.warmup_epochs"] = min(study.optimizer.warmup_epochs, max(0.0, (epochs - 1) / 2))
    if epochs == study.train.epochs:
        changes.pop("optimizer.warmup_epochs")
    settings = edge.merge(settings, edge.unflatten(changes.items()))
    return edge.validate(RunConfig, settings, f"{study.name}, {label(params)}")


_SHORT = {"temperature": "t", "forget_every": "f", "queue_size": "queue", "learning_rate": "lr", "batch_size": "batch"}


def label(params: Mapping[str, Any]) -> str:
    """What a person reads: `kmclr k=400 t=0.2 f=3`; options alike in their last word have their section's before it."""
    parts = [str(params["method"])] if "method" in params else []
    short = [_short(name) for name in params]
    for name, value in params.items():
        if name != "method":
            shown = _short(name) if short.count(_short(name)) == 1 else name.replace(".options.", ".")
            parts.append(f"{shown}={value:.3g}" if isinstance(value, float) else f"{shown}={value}")
    return " ".join(parts)


def _short(name: str) -> str:
    """`t`, and of an option of a part of one's own its last word."""
    return _SHORT.get(name, name.rpartition(".")[2])

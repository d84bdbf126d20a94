"""The kinds of part that one may write oneself, and the settings that name one. Standard library only."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from trainables.vocabulary.errors import UserError
from trainables.vocabulary.methods_and_support_sets import (
    LOSSES,
    METHODS,
    SUPPORT_KINDS,
    SUPPORT_SETS,
    Method,
    SupportKind,
)
from trainables.vocabulary.metrics_and_objectives import MEASURES, REPORT_METRICS, Metric
from trainables.vocabulary.registry import Registry, shown_name

ENCODERS = Registry("encoder", "kmclr_study.encoders", ("forward",), house=("resnet18", "small_conv"))
"""Name -> what makes it of image channels and settings; of the house in `trainables.model.networks`."""
SAMPLERS = Registry(
    "sampler",
    "kmclr_study.samplers",
    ("infer_relative_search_space", "sample_relative", "sample_independent", "before_trial", "after_trial"),
    house=("tpe", "front", "nsga2", "random", "grid", "qmc"),
)
"""Name -> a class of Optuna samplers, made of a `study.search.optuna_storage.SamplerSpec`."""


def _enrol_scheduler(name: str, part: Any) -> None:
    has = [hook for hook in ("decide", "next_action") if hasattr(part, hook)]
    if len(has) != 1:
        raise UserError(
            f"{name} has {'both' if has else 'neither'} decide (whether a trial goes on) {'and' if has else 'nor'} "
            f"next_action (which trial goes on); it needs one of them (docs/extending.md)"
        )


SCHEDULERS = Registry(
    "scheduler",
    "kmclr_study.schedulers",
    enrol=_enrol_scheduler,
    house=("pareto_asha", "asha", "hyperband", "promote", "none"),
)
"""Name -> a class of rules that stop trials or let them pause, made of a `study.search.rules.SchedulerSpec`."""
TRACKERS = Registry("tracker", "kmclr_study.trackers", ("start", "report", "end"))
"""Name -> a class of sinks, made of a `study.listeners.own_tracker.TrackerSpec`."""


def _enrol_figure(name: str, part: Any) -> None:
    try:
        inspect.signature(part).bind([], None)
    except (TypeError, ValueError):
        raise UserError(f"{name} is no figure: it must take (results, style) (docs/extending.md)") from None


FIGURES = Registry("figure", "kmclr_study.figures", enrol=_enrol_figure)
"""Name -> function of results and a style, as `analysis.report.own_figures` calls it."""


def _enrol_source(name: str, part: Any) -> None:
    """Data are known by the name they show, to readers and to tables of published values."""
    if shown_name(part) in SOURCES.house:
        raise UserError(f"there is a data source of the name {shown_name(part)!r} already: give yours another `name`")


SOURCES = Registry(
    "data source",
    "kmclr_study.data_sources",
    ("files", "count", "class_names", "items", "settings", "check", "missing", "prepare", "notes"),
    _enrol_source,
    house=("digits", "cifar10", "cifar100", "parquet", "image_folder"),
)
"""Name -> class; of the house in `trainables.data.sources`."""
AUGMENTATIONS = Registry("augmentation", "kmclr_study.augmentations", ("views",), house=("two_views",))
"""Name -> class, made of a `trainables.augment.own_views.ViewSpec`."""


class Place(NamedTuple):
    """Where a file names a part; its options stand beside it, under `options`."""

    section: str
    name: str
    registry: Registry

    @property
    def setting(self) -> str:
        """Dotted."""
        return f"{self.section}.{self.name}"

    @property
    def options(self) -> str:
        """Dotted; also begins the names of the options in a search space."""
        return f"{self.section}.options"


SUPPORT_SET = Place("support", "name", SUPPORT_SETS)
LOSS = Place("loss", "name", LOSSES)
ENCODER = Place("encoder", "name", ENCODERS)
DATA = Place("data", "name", SOURCES)
AUGMENTATION = Place("augment", "name", AUGMENTATIONS)
MEASURE = Place("measure", "name", MEASURES)
OF_RUNS = (SUPPORT_SET, LOSS, ENCODER, DATA, AUGMENTATION, MEASURE)
"""Parts of a run, whose options may be searched; in the order in which they are loaded: a method may draw from a
support set of one's own."""
SAMPLER = Place("search", "sampler", SAMPLERS)
SCHEDULER = Place("scheduler", "name", SCHEDULERS)
TRACKER = Place("tracking", "tracker", TRACKERS)
PLACES = (*OF_RUNS, SAMPLER, SCHEDULER, TRACKER)


def described(names: Iterable[str]) -> dict[str, Any]:
    """What a results folder says of parts of one's own, of these names, so that it can be read without their code."""
    names = set(names)
    methods = {m: facts._asdict() for m, facts in METHODS.items() if names & {facts.loss, facts.support}}
    kinds = {k: {"size": SUPPORT_KINDS[k].size} for k in SUPPORT_KINDS if k in names}
    shown = [shown_name(MEASURES[name]) for name in sorted(names & MEASURES.loaded.keys())]
    facts = {name: REPORT_METRICS[name]._asdict() for name in shown}
    measured = {
        name: {field: value for field, value in one.items() if value is not None} for name, one in facts.items()
    }
    return {"methods": methods, "support_sets": kinds, **({"metrics": measured} if measured else {})}


def learn(own: Mapping[str, Any]) -> None:
    """Know what `described` has said; what is known by that name already stays."""
    for name, facts in own.get("support_sets", {}).items():
        if name not in SUPPORT_KINDS:
            SUPPORT_KINDS.add(name, SupportKind(facts["size"]))
    for name, facts in own.get("methods", {}).items():
        if name not in METHODS and facts["support"] in SUPPORT_KINDS:
            METHODS.add(name, Method(**{field: facts[field] for field in Method._fields}))
    for name, facts in own.get("metrics", {}).items():
        if name not in REPORT_METRICS:
            REPORT_METRICS.add(name, Metric(**{field: facts[field] for field in Metric._fields if field in facts}))

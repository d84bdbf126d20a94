"""The kinds of part that one may write oneself, and the settings that name one. Standard library only."""

from __future__ import annotations

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
OF_RUNS = (SUPPORT_SET, LOSS, ENCODER, DATA, AUGMENTATION)
"""Parts of a run, whose options may be searched; in the order in which they are loaded: a method may draw from a
support set of one's own."""
SAMPLER = Place("search", "sampler", SAMPLERS)
PLACES = (*OF_RUNS, SAMPLER)


def described(names: Iterable[str]) -> dict[str, Any]:
    """What a results folder says of parts of one's own, of these names, so that it can be read without their code."""
    names = set(names)
    methods = {m: facts._asdict() for m, facts in METHODS.items() if names & {facts.loss, facts.support}}
    kinds = {k: {"size": SUPPORT_KINDS[k].size} for k in SUPPORT_KINDS if k in names}
    return {"methods": methods, "support_sets": kinds}


def learn(own: Mapping[str, Any]) -> None:
    """Know what `described` has said; what is known by that name already stays."""
    for name, facts in own.get("support_sets", {}).items():
        if name not in SUPPORT_KINDS:
            SUPPORT_KINDS.add(name, SupportKind(facts["size"]))
    for name, facts in own.get("methods", {}).items():
        if name not in METHODS and facts["support"] in SUPPORT_KINDS:
            METHODS.add(name, Method(**{field: facts[field] for field in Method._fields}))

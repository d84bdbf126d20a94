"""Where a setting acts: which other settings it needs, the method first of all.

Rows about the method follow from the tables of `trainables/vocabulary/methods_and_support_sets.py`. A study's space
takes from here to which trials a parameter applies, and a run's file to which of its settings nothing will listen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trainables.vocabulary.methods_and_support_sets import LOSSES, METHODS, SUPPORT_KINDS, Method
from trainables.vocabulary.registry import Live

Needs = dict[str, tuple[Any, ...]]
"""Setting -> the values of which it must have one; all of them together."""


def _methods(fits: Callable[[Method], bool]) -> Needs:
    return {"method": tuple(name for name, method in METHODS.items() if fits(method))}


def _of_support_sets() -> dict[str, tuple[Needs, ...]]:
    """Rows of the settings that belong to one kind of support set."""
    rows: dict[str, tuple[Needs, ...]] = {}
    for kind, facts in SUPPORT_KINDS.items():
        needs = _methods(lambda method, kind=kind: method.support == kind)
        for setting in facts.settings.values():
            also = {f"support.{other}": values for other, values in facts.needs.get(setting, {}).items()}
            name = f"support.{setting}"
            rows[name] = (*rows.get(name, ()), needs | also)
    return rows


def _of_own_methods() -> dict[str, tuple[Needs, ...]]:
    """Rows of the options of methods of one's own."""
    rows: dict[str, tuple[Needs, ...]] = {}
    for name in LOSSES.loaded:
        for option in getattr(LOSSES.options_of(name), "model_fields", {}):
            needs = _methods(lambda method, name=name: method.loss == name)
            rows[f"loss.options.{option}"] = (*rows.get(f"loss.options.{option}", ()), needs)
    return rows


_CIFAR: Needs = {"data.name": ("cifar10", "cifar100")}
_PARQUET: Needs = {"data.name": ("parquet",)}
_FILES: Needs = {"data.name": ("parquet", "image_folder")}


def _of_runs() -> dict[str, tuple[Needs, ...]]:
    draws = _methods(lambda method: method.support != "none")
    moving_average = _methods(lambda method: method.momentum == "optional")
    return {
        "data.download": (_CIFAR,),
        "data.test_share": (_FILES,),
        "data.image_column": (_PARQUET,),
        "data.label_column": (_PARQUET,),
        **_of_support_sets(),
        **_of_own_methods(),
        "positives.kind": (draws,),
        "positives.mix": (draws,),
        "positives.momentum_encoder": (moving_average,),
        "positives.top_k": (draws | {"positives.kind": ("topk", "soft")},),
        "positives.soft_temperature": (draws | {"positives.kind": ("soft",)},),
        "positives.momentum": (
            _methods(lambda method: method.momentum == "always"),
            {"positives.momentum_encoder": (True,)},
        ),
        "loss.temperature": (_methods(lambda method: method.loss != "cosine"),),
        "loss.symmetric": (_methods(lambda method: method.loss != "nt_xent"),),
        "heads.predictor_hidden": (_methods(lambda method: method.predictor),),
        "optimizer.lars_eta": ({"optimizer.name": ("lars",)},),
        "optimizer.lars_clip": ({"optimizer.name": ("lars",)},),
    }


NEEDS = Live(_of_runs)
"""Settings that act in some runs only: setting -> the alternatives, each of what other settings must be."""


def acts(name: str, settings: Mapping[str, Any]) -> bool:
    """Whether a setting has an effect in a run of these settings (dotted)."""
    alternatives = NEEDS.get(name)
    return alternatives is None or any(
        all(settings.get(other) in values for other, values in needs.items()) for needs in alternatives
    )


def in_words(alternatives: tuple[Needs, ...]) -> str:
    """`method=kmclr and support.update=ema`; several alternatives with `or`; empty for none."""
    return " or ".join(map(_all_of, alternatives))


def _all_of(needs: Needs) -> str:
    return " and ".join(f"{name}={' or '.join(str(v).lower() for v in values)}" for name, values in needs.items())

"""Parts of one's own by name: found, imported where that is allowed, checked, and registered. Without pydantic.

An entry point is imported because it was installed, a `module:Class` where the user said `--allow-code`. Nothing else
in the house imports code by a name.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainables.settings.yaml_text import show
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.registry import Registry, shown_name
from trainables.wording import did_you_mean, shorten

COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def look_in(*folders: Path) -> None:
    """Modules are looked for in these folders too, after all others: by this process and by those it starts."""
    new = [text for text in dict.fromkeys(map(str, folders)) if text not in sys.path]
    sys.path += new
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*([before] if before else []), *map(str, folders)])


def load(registry: Registry, name: str, setting: str, *, allow_code: bool) -> Any:
    """The part of this name, imported and registered if it is not of the house; None for those of the house that
    their room registers. `setting`: where the name stands. Raises UserError."""
    own, shown = ":" in name, shorten(name)
    if own and not allow_code:
        raise UserError(
            f"{setting} is {shown}: code of your own is imported only where you say so; add --allow-code, "
            f"or install it as an entry point of {registry.group}"
        )
    if name in registry or name in registry.house:
        return registry.get(name)
    target = name if own else registry.installed().get(name)
    if target is None:
        raise UserError(f"{setting} is {show(name)}, no {registry.kind}{did_you_mean(name, registry.known())}")
    part = _imported(target, setting)
    _check(registry, part, f"{setting}: {shown}")
    try:
        registry.enrol(name, part)
    except UserError as error:
        raise UserError(f"{setting}: {error}") from None
    return part


def _imported(target: str, setting: str) -> Any:
    """`module:attribute`, imported."""
    module_name, _, attribute = target.partition(":")
    if not MODULE.fullmatch(module_name) or not attribute.isidentifier():
        raise UserError(f"{setting} is {show(target)}; code is named as package.module:Class")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise UserError(
            f"{setting} is {shorten(target)}, but there is no module {error.name}; install it, or put its folder on "
            f"PYTHONPATH"
        ) from None
    if not hasattr(module, attribute):
        there = [name for name in vars(module) if not name.startswith("_")]
        raise UserError(f"{setting}: {module_name} has no {attribute}{did_you_mean(attribute, there)}")
    return getattr(module, attribute)


def _check(registry: Registry, part: Any, place: str) -> None:
    for problem in _problems(registry, part):
        raise UserError(f"{place} {problem}")


def _problems(registry: Registry, part: Any) -> Iterator[str]:
    if not callable(part):
        yield f"is no class or function; name that of a {registry.kind}, not {show(repr(part))}"
        return
    if missing := [want for want in registry.wants if _lacks(part, want)]:
        yield f"is no {registry.kind}: it has no {', '.join(missing)} (docs/extending.md says what each must do)"
    options = getattr(part, "Options", None)
    if options is not None and not hasattr(options, "model_validate_json"):
        yield "has Options that are no pydantic model; derive them from trainables.settings.fields.Section"
    colour = getattr(part, "colour", None)
    if colour is not None and not (isinstance(colour, str) and COLOUR.fullmatch(colour)):
        yield f"has the colour {show(colour)}; write it as #rrggbb"
    if not NAME.fullmatch(shown_name(part)):
        yield f"has the name {show(shown_name(part))}; use at most 40 letters, digits, '-' and '_', a letter first"


def _lacks(part: Any, name: str) -> bool:
    found = getattr(part, name, None)
    found = getattr(found, "fget", found)
    return not hasattr(part, name) or any(
        getattr(found, mark, False) for mark in ("to_fill_in", "__isabstractmethod__")
    )

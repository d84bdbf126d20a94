"""Parts of one's own that settings name: found, imported where that is allowed, checked, and registered.

An entry point is imported because it was installed, a `module:Class` where the user said `--allow-code`. Nothing else
in the house imports code by a name that a file holds.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trainables.settings.edge import did_you_mean, merge, show
from trainables.settings.yaml_text import ConfigError
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.methods_and_support_sets import LOSSES, METHODS, SUPPORT_SETS
from trainables.vocabulary.parts import PLACES, Place
from trainables.vocabulary.registry import Registry, shown_name
from trainables.wording import shorten

COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def resolved(settings: Mapping[str, Any], source: str, *, allow_code: bool) -> dict[str, Any]:
    """The settings of a file with their own parts loaded, and methods of one's own under the names they show.

    source: begins every message. Raises ConfigError for a name that nothing has, code that is not allowed or not
    found, and a part of the wrong shape. What the code itself raises keeps its traceback.
    """
    try:
        settings = _with_own_method(settings, allow_code)
        load_named(settings, allow_code=allow_code)
        return _with_own_support_set(settings)
    except UserError as error:
        raise ConfigError(f"{source}: {error}") from None


def load_named(settings: Mapping[str, Any], *, allow_code: bool) -> None:
    """Load every part of one's own that settings name. Raises UserError as `load` does."""
    for place, name in _named(settings):
        load(place.registry, name, place.setting, allow_code=allow_code)


def load_recorded(settings: Mapping[str, Any], *, allow_code: bool) -> None:
    """Load the parts of one's own that a checkpoint's settings name. A results folder imports nothing by itself: not
    even installed parts are, unless `allow_code`. Names that nothing has are left to whoever validates the settings.

    Raises UserError for a part that is not loaded and may not be, and as `load` does.
    """
    for place, name in _named(settings):
        kind = place.registry
        if name in kind.loaded or (":" not in name and (name in kind.house or name not in kind.installed())):
            continue
        if not allow_code:
            raise UserError(
                f"{place.setting} of the run is {shorten(name)}, code of your own, which a checkpoint does not bring "
                f"along; add --allow-code to import it"
            )
        load(kind, name, f"{place.setting} of the run", allow_code=True)


def _named(settings: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """The names that settings give to parts, the house's too."""
    for place in PLACES:
        section = settings.get(place.section)
        name = section.get(place.name) if isinstance(section, Mapping) else None
        if isinstance(name, str):
            yield place, name


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
        yield f"is no class; name the class of a {registry.kind}, not {show(repr(part))}"
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


# --- methods ---
def _with_own_method(settings: Mapping[str, Any], allow_code: bool) -> dict[str, Any]:
    """`method: module:Class`, alone, in `space` and in `baselines`, as the name it shows and `loss.name`."""
    named: dict[str, str] = {}

    def shown(value: Any, setting: str) -> Any:
        if not isinstance(value, str) or value in METHODS or not (":" in value or value in LOSSES.installed()):
            return value
        named[value] = shown_name(load(LOSSES, value, setting, allow_code=allow_code))
        return named[value]

    changed = _with_methods(settings, shown)
    if len(named) > 1:
        raise UserError(f"a study has one method of your own, not {len(named)}: {', '.join(named)}")
    return merge(changed, {"loss": {"name": next(iter(named))}} if named else {})


def _with_methods(settings: Mapping[str, Any], changed: Any) -> dict[str, Any]:
    """The settings with every method that they name replaced by `changed(method, dotted name)`."""
    found = dict(settings)
    if "method" in found:
        found["method"] = changed(found["method"], "method")
    space = found.get("space")
    if isinstance(space, Mapping) and isinstance(space.get("method"), list):
        found["space"] = {**space, "method": [changed(value, "space.method") for value in space["method"]]}
    baselines = found.get("baselines")
    if isinstance(baselines, list):
        found["baselines"] = [
            {**one, "method": changed(one["method"], f"baselines[{at}].method")}
            if isinstance(one, Mapping) and "method" in one
            else one
            for at, one in enumerate(baselines)
        ]
    return found


def _with_own_support_set(settings: dict[str, Any]) -> dict[str, Any]:
    """A support set of one's own is a method of its own, with the heads and the loss of nnclr: `support.name` alone, or
    with a method that draws from a support set, means that one."""
    section = settings.get("support")
    name = section.get("name") if isinstance(section, Mapping) else None
    part = SUPPORT_SETS.loaded.get(str(name))
    if part is None:
        if isinstance(name, str):
            methods = [m for m, method in METHODS.items() if method.support == name]
            raise UserError(f"support.name is for support sets of your own; {name} is that of method: {methods[0]}")
        return settings
    arm = shown_name(part)

    def meant(value: Any, setting: str) -> Any:
        return arm if value == name else value

    settings = _with_methods(settings, meant)
    arms = _arms(settings)
    if any(method in METHODS and METHODS[method].support == name for method in arms):
        return settings
    if "method" in (settings.get("space") or {}):
        raise UserError(f"support.name ({name}) has no effect: no method of space.method is {arm}; add it there")
    if METHODS.get(arms[0]) is not None and METHODS[arms[0]].support == "none" and "method" in settings:
        raise UserError(
            f"support.name ({name}) has no effect: method {arms[0]} has no support set; write method: {arm}"
        )
    return {**settings, "method": arm}


def _arms(settings: Mapping[str, Any]) -> list[Any]:
    space = settings.get("space")
    choices = space.get("method") if isinstance(space, Mapping) else None
    return list(choices) if isinstance(choices, list) else [settings.get("method", "kmclr")]


def options(place: Place, section: Any) -> Any:
    """The options of the part of one's own that a section names, as its class's `Options`; None if it has none."""
    model = place.registry.options_of(getattr(section, place.name))
    return None if model is None else model.model_validate_json(json.dumps(section.options), strict=True)


def names_in(settings: Mapping[str, Any]) -> dict[str, str]:
    """The parts of one's own that settings name: setting -> name."""
    found = {}
    for place in PLACES:
        name = (settings.get(place.section) or {}).get(place.name)
        if name in place.registry.loaded:
            found[place.setting] = name
    return found

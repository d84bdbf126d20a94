"""Parts of one's own that settings name: loaded (`trainables.settings.own_import`), and their options."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from trainables.settings.edge import merge
from trainables.settings.own_import import load
from trainables.settings.yaml_text import ConfigError
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.methods_and_support_sets import LOSSES, METHODS, SUPPORT_SETS
from trainables.vocabulary.metrics_and_objectives import MEASURES
from trainables.vocabulary.parts import FIGURES, PLACES, Place
from trainables.vocabulary.registry import shown_name
from trainables.wording import shorten


def resolved(settings: Mapping[str, Any], source: str, *, allow_code: bool) -> dict[str, Any]:
    """The settings of a file with their own parts loaded, and methods of one's own under the names they show.

    source: begins every message. Raises ConfigError for a name that nothing has, code that is not allowed or not
    found, and a part of the wrong shape. What the code itself raises keeps its traceback.
    """
    try:
        settings = _with_own_objective(_with_own_method(settings, allow_code), allow_code)
        load_named(settings, allow_code=allow_code)
        return _with_own_support_set(settings)
    except UserError as error:
        raise ConfigError(f"{source}: {error}") from None


def load_named(settings: Mapping[str, Any], *, allow_code: bool) -> None:
    """Load every part of one's own that settings name. Raises UserError as `load` does."""
    for place, name in _named(settings):
        load(place.registry, name, place.setting, allow_code=allow_code)
    for setting, name in figures_in(settings):
        load(FIGURES, name, setting, allow_code=allow_code)


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


def figures_in(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The figures of one's own that settings name: setting and name."""
    section = settings.get("report")
    names = section.get("figures") if isinstance(section, Mapping) else None
    given = enumerate(names) if isinstance(names, list | tuple) else ()
    return [(f"report.figures[{at}]", name) for at, name in given if isinstance(name, str)]


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


def _with_own_objective(settings: Mapping[str, Any], allow_code: bool) -> dict[str, Any]:
    """`objectives: {module:Class: min}` as the name it shows and `measure.name`."""
    given = settings.get("objectives")
    if not isinstance(given, Mapping):
        return dict(settings)
    installed = MEASURES.installed()
    own = [name for name in given if isinstance(name, str) and (":" in name or name in installed)]
    named = {name: shown_name(load(MEASURES, name, "objectives", allow_code=allow_code)) for name in own}
    if len(named) > 1:
        raise UserError(f"a study has one measure of your own, not {len(named)}: {', '.join(named)}")
    changed = {**settings, "objectives": {named.get(name, name): sense for name, sense in given.items()}}
    section = settings.get("measure")
    before = section.get("name") if isinstance(section, Mapping) else None
    if before is not None and own and before not in own:
        raise UserError(f"a study has one measure of your own, not two: {before}, {own[0]}")
    return merge(changed, {"measure": {"name": own[0]}} if own else {})


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
    return found | dict(figures_in(settings))

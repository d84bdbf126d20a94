"""The YAML edge: files and overrides in, validated frozen models out, and one clear line for everything that is wrong.

Strict on purpose: unknown keys, text where a number belongs, `true` for a number and 1.5 for an integer are refused.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from trainables.settings.yaml_text import ConfigError, parse, read_file, show
from trainables.vocabulary.parts import PLACES
from trainables.wording import close_to, did_you_mean, printable, shorten

__all__ = ["ConfigError", "Override", "did_you_mean", "flatten", "merge", "parse", "parse_overrides", "read_file"]
__all__ += ["show", "unflatten", "validate"]

Model = TypeVar("Model", bound=BaseModel)
Override = tuple[str, Any]
EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "model_type": "a mapping (key: value)",
    "dict_type": "a mapping (key: value)",
    "tuple_type": "a list",
}
"""What a value of pydantic's error types should have been."""


def parse_overrides(overrides: Sequence[str], model: type[BaseModel]) -> list[Override]:
    """`a.b=c` strings as (dotted path, value); the value is read as YAML, except where the model takes any text."""
    pairs = []
    for text in map(_as_utf8, overrides):
        dotted, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not all(dotted.split(".")):
            raise ConfigError(f"--set {shorten(text)}: expected a.dotted.name=value, for example train.epochs=20")
        pairs.append(
            (dotted, _override_value(value, str in _inside(model, dotted.split(".")), f"--set {shorten(text)}"))
        )
    return pairs


def _as_utf8(text: str) -> str:
    """What was typed, whatever the locale made of its bytes."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        shown = shorten(printable(text))
        raise ConfigError(
            f"--set {shown}: is not UTF-8 text; give such a folder another name, or a link to it"
        ) from None


def _override_value(text: str, free: bool, source: str) -> Any:
    try:
        value = parse(text, source)
    except ConfigError:
        if free:
            return text
        raise
    return text if free and not isinstance(value, str | None) else value


def unflatten(dotted: Iterable[Override]) -> dict[str, Any]:
    """Nested dict of dotted names; later ones win."""
    nested: dict[str, Any] = {}
    for name, value in dotted:
        *parents, last = name.split(".")
        inner = nested
        for parent in parents:
            if not isinstance(inner.get(parent), dict):
                inner[parent] = {}
            inner = inner[parent]
        inner[last] = value
    return nested


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted names of a nested mapping's leaves; an empty mapping is a leaf."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        name = f"{prefix}{key}"
        flat.update(flatten(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value})
    return flat


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`: mappings are merged key by key, everything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def validate(model: type[Model], data: Mapping[str, Any], source: str, overrides: Sequence[Override] = ()) -> Model:
    """The model of `data`. ConfigError with one line per problem, naming the file or the override it came from."""
    try:
        text = json.dumps(data, default=str)
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        lines = [_line(model, problem, source, overrides, data) for problem in error.errors()]
    raise ConfigError("\n".join(dict.fromkeys(lines)))


def _line(
    model: type[BaseModel],
    problem: Mapping[str, Any],
    source: str,
    overrides: Sequence[Override],
    data: Mapping[str, Any],
) -> str:
    where = [part for part in problem["loc"] if part not in ("range", "choices")]
    dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).removeprefix(".")
    origin = source
    for name, value in overrides:
        if dotted == name or dotted.startswith((f"{name}.", f"{name}[")) or (name.startswith(f"{dotted}.") and dotted):
            origin = f"--set {shorten(name)}={show(value)}"
    model, where = _own(model, problem["loc"], data) or (model, where)
    return f"{origin}: {_message(model, problem, where, shorten(dotted))}"


def _own(
    model: type[BaseModel], where: Sequence[Any], data: Mapping[str, Any]
) -> tuple[type[BaseModel], list[Any]] | None:
    """The model of the options inside which a place lies, and the place in them; None for a setting of the house."""
    for place in PLACES:
        at = place.options.split(".")
        if list(where[: len(at)]) == at and len(where) > len(at):
            options = place.registry.options_of(data[place.section].get(place.name))
            return (options, list(where[len(at) :])) if options is not None else None
    return None


def _message(model: type[BaseModel], problem: Mapping[str, Any], where: Sequence[Any], dotted: str) -> str:
    kind, got, context = problem["type"], problem.get("input"), problem.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{dotted} is not a known setting{_unknown(model, where)}"
    if kind == "missing":
        return f"{dotted} is missing; every file must give it"
    if kind in ("literal_error", "enum"):
        return f"{dotted} is {show(got)}; allowed: {context.get('expected')}{_close(got, context)}"
    if kind == "value_error":
        message = str(context.get("error", problem["msg"]))
        return f"{dotted}: {message}" if dotted else message
    if kind == "string_pattern_mismatch":
        return f"{dotted} is {show(got)}; use letters, digits, '.', '_' and '-' only, starting with a letter or digit"
    if kind in EXPECTED:
        text = " (text)" if isinstance(got, str) and kind != "string_type" else ""
        kinds = _inside(model, where)
        other = "a list of choices or " if kind == "model_type" and len(kinds) > len(_models(kinds)) else ""
        return f"{dotted} must be {other}{EXPECTED[kind]}, got {show(got)}{text}"
    message = re.sub("^(Input|String|Tuple) should ", "must ", problem["msg"])
    return f"{dotted} {message[:1].lower()}{message[1:]}, got {show(got)}"


def _close(got: Any, context: Mapping[str, Any]) -> str:
    return close_to(got, re.findall(r"'([^']*)'", str(context.get("expected", ""))))


def _inside(model: type[BaseModel], where: Sequence[Any]) -> list[Any]:
    """What a value at this place may be: classes and annotations, unions taken apart; [] if there is no such place."""
    kinds: list[Any] = [model]
    for part in where:
        kinds = [kind for annotation in kinds for kind in _alternatives(_member(annotation, part))]
    return kinds


def _member(annotation: Any, part: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(part)
        return None if field is None else field.annotation
    return get_args(annotation)[1] if get_origin(annotation) is dict else None


def _alternatives(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [kind for member in get_args(annotation) for kind in _alternatives(member)]
    return [] if annotation is None else [annotation]


def _models(kinds: Iterable[Any]) -> list[type[BaseModel]]:
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]


def _settings(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Dotted names of all settings and groups of settings."""
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        for group in _models(_alternatives(field.annotation))[:1]:
            yield from _settings(group, f"{prefix}{name}.")


def _unknown(model: type[BaseModel], where: Sequence[Any]) -> str:
    """The hint for a setting that does not exist: a sibling like it, else a setting of its name in another place."""
    name, siblings = str(where[-1]), [n for m in _models(_inside(model, where[:-1])) for n in m.model_fields]
    text = did_you_mean(name, siblings)
    paths = {path.rpartition(".")[2]: path for path in reversed(list(_settings(model)))}
    if text.startswith(";") or not (close := close_to(name, paths)):
        return text
    return close.replace(meant := close.split("'")[1], paths[meant]) + text.removeprefix(".")

"""The YAML edge: files and overrides in, validated frozen models out, and one clear line for everything that is wrong.

Strict on purpose: duplicate keys, unknown keys, a string where a number belongs, `true` for a number and 1.5 for an
integer are refused. Numbers follow YAML 1.2, so `1e-5` is a number.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)
Override = tuple[str, Any]


class ConfigError(ValueError):
    """A configuration that cannot be used; the message has one line per problem."""


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses duplicate keys and reads numbers as YAML 1.2 does."""


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"the key '{key}' is given twice", key_node.start_mark)
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":float", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?$|^[-+]?[0-9]+[eE][-+]?[0-9]+$|^[-+]?\.inf$|^\.nan$"),
    list("-+0123456789."),
)


def parse(text: str, source: str) -> Any:
    """The value of a YAML text; ConfigError naming `source` and the line."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{source}, line {mark.line + 1}" if mark else source
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{where}: not valid YAML: {problem}") from None


def read_file(path: str | Path) -> dict[str, Any]:
    """The mapping of a YAML file. ConfigError for a missing, empty or malformed file or one that is no mapping."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file{_nearby(path)}") from None
    except (IsADirectoryError, PermissionError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a text file ({type(error).__name__}); give a YAML file") from None
    content = parse(text, str(path))
    if content is None:
        raise ConfigError(f"{path}: the file is empty; see configs/ for examples")
    if not isinstance(content, dict):
        kind = "list" if isinstance(content, list) else type(content).__name__
        raise ConfigError(f"{path}: the top level must be a mapping of settings (key: value), got a {kind}")
    return content


def _nearby(path: Path) -> str:
    folder = path.parent if path.parent.is_dir() else Path("configs")
    names = sorted(p.name for p in folder.glob("*.yaml")) if folder.is_dir() else []
    close = difflib.get_close_matches(path.name, names, 1, 0.5)
    return f"; did you mean {folder / close[0]}?" if close else f"; {folder} has: {', '.join(names) or 'no YAML files'}"


def parse_overrides(overrides: Sequence[str]) -> list[Override]:
    """`a.b=c` strings as (dotted path, value); the value is read as YAML."""
    pairs = []
    for text in overrides:
        dotted, equals, value = text.partition("=")
        if not equals or not dotted.strip() or "" in dotted.split("."):
            raise ConfigError(f"--set {text}: expected a.dotted.name=value, for example train.epochs=20")
        pairs.append((dotted.strip(), parse(value, f"--set {text}")))
    return pairs


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


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'? Known: ...` (the first part only if something is close)."""
    known = sorted(known)
    close = difflib.get_close_matches(str(name), known, 1, 0.6)
    return (f"; did you mean '{close[0]}'?" if close else ".") + f" Known: {', '.join(known)}"


def validate(model: type[Model], data: Mapping[str, Any], source: str, overrides: Sequence[Override] = ()) -> Model:
    """The model of `data`. ConfigError with one line per problem, naming the file or the override it came from."""
    try:
        text = json.dumps(data, default=str)
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        lines = [_line(model, problem, source, overrides) for problem in error.errors()]
    raise ConfigError("\n".join(dict.fromkeys(lines)))


def _line(model: type[BaseModel], problem: Mapping[str, Any], source: str, overrides: Sequence[Override]) -> str:
    where = [part for part in problem["loc"] if part not in ("range", "choices")]
    dotted = ".".join(str(part) for part in where)
    origin = source
    for name, value in overrides:
        if dotted == name or dotted.startswith(f"{name}.") or (name.startswith(f"{dotted}.") and dotted):
            origin = f"--set {name}={_show(value)}"
    return f"{origin}: {_message(model, problem, where, dotted)}"


def _message(model: type[BaseModel], problem: Mapping[str, Any], where: Sequence[Any], dotted: str) -> str:
    kind, got, context = problem["type"], problem.get("input"), problem.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{dotted} is not a known setting{did_you_mean(str(where[-1]), _fields(model, where[:-1]))}"
    if kind == "missing":
        return f"{dotted} is missing; every file must give it"
    if kind in ("literal_error", "enum"):
        return f"{dotted} is {_show(got)}; allowed: {context.get('expected')}{_close(got, context)}"
    if kind == "value_error":
        message = str(context.get("error", problem["msg"]))
        return f"{dotted}: {message}" if dotted else message
    if kind == "string_pattern_mismatch":
        return f"{dotted} is {_show(got)}; use letters, digits, '.', '_' and '-' only, starting with a letter or digit"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"{dotted} must be a mapping (key: value), got {_show(got)}"
    message = problem["msg"].replace("Input should be", "must be").replace("a valid integer", "an integer")
    return f"{dotted} {message[:1].lower()}{message[1:]}, got {_show(got)}"


def _close(got: Any, context: Mapping[str, Any]) -> str:
    choices = re.findall(r"'([^']*)'", str(context.get("expected", "")))
    close = difflib.get_close_matches(str(got), choices, 1, 0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def _show(value: Any) -> str:
    return json.dumps(value, default=str) if not isinstance(value, str) else f"'{value}'"


def _fields(model: type[BaseModel], where: Sequence[Any]) -> list[str]:
    """Names a mapping at this place may have."""
    current: Any = model
    for part in where:
        if isinstance(current, type) and issubclass(current, BaseModel):
            if part not in current.model_fields:
                return []
            current = current.model_fields[part].annotation
    found = _model_in(current)
    return list(found.model_fields) if found else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The first model class inside an annotation such as dict[str, Annotated[A | B, ...]]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner)) is not None), None)

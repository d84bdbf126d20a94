"""The YAML edge of a configuration: checking against a model, merging, dotted overrides; one clear line per problem.

Values are checked by pydantic in strict mode: no text becomes a number, no 1.5 an integer, no `true` a 1.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from trainables import yaml_paths as paths
from trainables.yaml_read import ConfigError, did_you_mean, got, parse, read, unknown

__all__ = ["ConfigError", "Locate", "Override", "check", "did_you_mean", "flatten", "got", "locate_overrides", "merge"]
__all__ += ["named", "nest", "parse", "parse_overrides", "put", "read", "unknown", "unknown_path"]

Model = TypeVar("Model", bound=BaseModel)
Locate = Callable[[paths.Path], str]
"""Path of a value -> how a message names it, file included: `configs/k_sweep.yaml: train.epochs`."""

EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "model_type": "a group of settings (`name: value` lines)",
    "dict_type": "a mapping (`name: value` lines)",
    "tuple_type": "a list",
    "list_type": "a list",
}
BOUNDS = {
    "greater_than": "greater than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
}


def check(model: type[Model], data: Mapping[str, Any], locate: Locate) -> Model:
    """The validated model. Raises ConfigError with one line per problem."""
    try:
        return model.model_validate_json(json.dumps(data, default=str), strict=True)
    except ValidationError as error:
        lines = [_line(e, model, data, locate) for e in error.errors(include_url=False)]
    raise ConfigError("\n".join(dict.fromkeys(lines)))


def named(source: str) -> Locate:
    """Messages name the source, then the dotted path."""
    return lambda path: f"{source}: {paths.dotted(path)}" if path else source


def _line(error: Mapping[str, Any], model: type[BaseModel], data: Any, locate: Locate) -> str:
    """One pydantic error as a line: where, what is allowed, what was got."""
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    path = paths.real_path(error["loc"], data, kind)
    where = locate(path)
    if kind == "extra_forbidden":
        return where.removesuffix(paths.dotted(path)) + unknown_path(model, path)
    if kind == "missing":
        return f"{where} is missing"
    if kind == "value_error":
        return f"{where}: {context['error']}"
    if kind in BOUNDS:
        return f"{where} must be {BOUNDS[kind].format(**context)}, got {got(value)}"
    if kind == "literal_error":
        choices = [str(choice) for choice in paths.choices_at(model, path)]
        hint = did_you_mean(value, choices).rstrip(".") if isinstance(value, str) else ""
        return f"{where}: expected {' or '.join(choices)}, got {got(value)}{hint}"
    if kind in EXPECTED:
        return f"{where}: expected {EXPECTED[kind]}, got {got(value)}{_remark(kind, value)}"
    if kind == "string_pattern_mismatch":
        return f"{where}: {got(value)} must match {context['pattern']}"
    return f"{where}: {error['msg'][0].lower()}{error['msg'][1:]}, got {got(value)}"


def _remark(kind: str, value: Any) -> str:
    if kind in ("int_type", "float_type", "bool_type") and isinstance(value, str):
        return " (text)"
    if kind == "int_type" and isinstance(value, float) and value.is_integer():
        return f" (write {int(value)})"
    return ""


def unknown_path(model: type[BaseModel], path: paths.Path) -> str:
    """The message for a path that does not exist in the model; another section's setting of that name is suggested."""
    name = str(path[-1])
    siblings = list(paths.names_at(model, path[:-1]))
    text = unknown(paths.dotted(path), name, siblings)
    if "did you mean" in text:
        return text
    elsewhere = [p for p in paths.leaves(model) if p.rpartition(".")[2] == name]
    return text.replace(". Known", f"; did you mean '{elsewhere[0]}'? Known", 1) if elsewhere else text


# --- merging and overrides ---
def merge(base: Mapping[str, Any], over: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """`over` on top of `base`: groups of settings are merged, everything else (lists, ranges, maps) is replaced."""
    merged = dict(base)
    for key, value in over.items():
        section = paths.section_at(model, (key,))
        if section is not None and isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value, section)
        else:
            merged[key] = value
    return merged


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """{'a.b': 1} as {'a': {'b': 1}}."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        put(nested, tuple(key.split(".")), value)
    return nested


def put(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set data[a][b]... = value in place; what is not a mapping on the way is replaced by one."""
    *parents, last = path
    for key in parents:
        data[key] = dict(data[key]) if isinstance(data.get(key), dict) else {}
        data = data[key]
    data[last] = value


class Override:
    """One `--set a.b=c`: `path` ('a', 'b'), `value`, and `text` for messages."""

    def __init__(self, text: str, model: type[BaseModel]) -> None:
        name, equals, raw = text.partition("=")
        self.text = f"--set {text}"
        self.path = tuple(part.strip() for part in name.split("."))
        if not equals or not all(self.path):
            raise ConfigError(f"{self.text}: expected PATH=VALUE, for example --set train.epochs=20")
        bad = next((i for i in range(1, len(self.path) + 1) if not paths.exists(model, self.path[:i])), None)
        if bad is not None:
            raise ConfigError(f"{self.text}: {unknown_path(model, self.path[:bad])}")
        self.value = self._typed(raw.strip(), paths.accepts_text(model, self.path))

    def _typed(self, raw: str, text_wanted: bool) -> Any:
        """The value as YAML; where the setting is a text, `2024` and `a: b` are texts too."""
        try:
            value = parse(raw, self.text)
        except ConfigError:
            if text_wanted:
                return raw
            raise
        return raw if text_wanted and not isinstance(value, str | None) else value


def parse_overrides(texts: Sequence[str], model: type[BaseModel]) -> list[Override]:
    """Overrides in order. Raises ConfigError for a path that the model does not have."""
    return [Override(text, model) for text in texts]


def locate_overrides(overrides: Sequence[Override], otherwise: Locate) -> Locate:
    """Problems with a value that an override gave are said of the override."""

    def locate(path: paths.Path) -> str:
        for override in reversed(overrides):
            if path and path[: len(override.path)] == override.path:
                return f"{override.text}: {paths.dotted(path)}"
        return otherwise(path)

    return locate


def flatten(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """('a.b', 1) pairs of {'a': {'b': 1}}; empty mappings and lists are values."""
    for key, value in nested.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value

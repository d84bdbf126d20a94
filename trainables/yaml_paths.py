"""Finding one's way in a pydantic model by path: which settings exist, where, and what they accept."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

Path = tuple[str | int, ...]


def dotted(path: Path) -> str:
    """('confirm', 'seeds', 1) as `confirm.seeds[1]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _members(annotation: Any) -> Iterator[Any]:
    """The alternatives of an annotation, without Annotated and unions."""
    if get_origin(annotation) is Annotated:
        yield from _members(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _inside(annotation: Any, part: str | int) -> list[Any]:
    """Annotations of the value at `part` of a value annotated so; [] if there can be none."""
    found = []
    for member in _members(annotation):
        if _is_model(member) and part in member.model_fields:
            found.append(member.model_fields[part].annotation)
        elif get_origin(member) is dict:
            found.append(get_args(member)[1])
        elif get_origin(member) in (tuple, list) and isinstance(part, int):
            found.append(get_args(member)[0])
        elif member is Any:
            found.append(Any)
    return found


def annotations_at(model: type[BaseModel], path: Path) -> list[Any]:
    """The alternatives that a value at this path may be; [] if the model has no such path."""
    found: list[Any] = [model]
    for part in path:
        found = [inner for annotation in found for inner in _inside(annotation, part)]
    return [member for annotation in found for member in _members(annotation)]


def exists(model: type[BaseModel], path: Path) -> bool:
    """True if the model has a value there (any key of a mapping counts)."""
    return bool(annotations_at(model, path))


def section_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model of the group of settings at this path, None if it is not one."""
    found = annotations_at(model, path)
    return found[0] if len(found) == 1 and _is_model(found[0]) else None


def names_at(model: type[BaseModel], path: Path) -> list[str]:
    """Names of the settings inside a path."""
    return [name for kind in annotations_at(model, path) if _is_model(kind) for name in kind.model_fields]


def choices_at(model: type[BaseModel], path: Path) -> list[Any]:
    """The values of a Literal at this path."""
    return [value for kind in annotations_at(model, path) if get_origin(kind) is Literal for value in get_args(kind)]


def accepts_text(model: type[BaseModel], path: Path) -> bool:
    """True if a setting takes free text."""
    return str in annotations_at(model, path)


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Dotted names of all settings that are not groups."""
    for name, field in model.model_fields.items():
        kinds = list(_members(field.annotation))
        if len(kinds) == 1 and _is_model(kinds[0]):
            yield from leaves(kinds[0], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def real_path(loc: Path, data: Any, kind: str) -> Path:
    """A pydantic error's location without names of union branches: only what is in the data, or is missing there."""
    path: list[str | int] = []
    for i, part in enumerate(loc):
        if _holds(data, part):
            data = data[part]
        elif kind != "missing" or i < len(loc) - 1:
            continue
        path.append(part)
    return tuple(path)


def _holds(data: Any, part: str | int) -> bool:
    if isinstance(data, list):
        return isinstance(part, int) and part < len(data)
    return isinstance(data, Mapping) and part in data

"""What a JSON object of ours must look like: its fields and their kinds, so that a reader may take them for granted.

Standard library only. A `Kind` says in words what is wrong with a value; fields that an object has beyond those that
are declared are let through, since a later version may write more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trainables.files import DamagedFile
from trainables.wording import shorten

LARGEST = 2**63
"""Whole numbers lie below, so that every table can hold them."""


@dataclass(frozen=True)
class Kind:
    """A single value: what it must be, in words, and whether a value is that."""

    words: str
    holds: Callable[[Any], bool]

    def problem(self, value: Any, name: str) -> str | None:
        """What is wrong with the field `name`; None if nothing is."""
        return None if self.holds(value) else f"{name} must be {self.words}, got {shown(value)}"


@dataclass(frozen=True)
class Each:
    """A list, or an object of any keys, whose values are all of one kind."""

    kind: Any
    container: type = list

    def problem(self, value: Any, name: str) -> str | None:
        if not isinstance(value, self.container):
            words = "a list" if self.container is list else "an object"
            return f"{name} must be {words}, got {shown(value)}"
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return next((found for key, one in pairs if (found := self.kind.problem(one, f"{name}.{key}"))), None)


@dataclass(frozen=True)
class Shape:
    """An object with these fields; `maybe`: those that it may lack."""

    fields: Mapping[str, Any]
    maybe: Mapping[str, Any]

    def problem(self, value: Any, name: str = "") -> str | None:
        if not isinstance(value, dict):
            return f"{name or 'it'} must be an object, got {shown(value)}"
        inside = f"{name}." if name else ""
        for field, kind in self.fields.items():
            if field not in value:
                return f"field {inside + field!r} is missing"
            if found := kind.problem(value[field], inside + field):
                return found
        given = ((field, kind) for field, kind in self.maybe.items() if field in value)
        return next((found for field, kind in given if (found := kind.problem(value[field], inside + field))), None)

    def check(self, value: Any, place: str) -> dict[str, Any]:
        """The object itself. Raises DamagedFile that names `place`, the field and what it must be."""
        if found := self.problem(value):
            raise DamagedFile(f"{place}: {found}")
        return value


def shape(fields: Mapping[str, Any], maybe: Mapping[str, Any] | None = None) -> Shape:
    """An object with these fields, and perhaps those of `maybe`."""
    return Shape(fields, maybe or {})


def shown(value: Any) -> str:
    """A value as a message shows it."""
    return shorten(ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST**16


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST


def _is_instant(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


TEXT = Kind("text", lambda value: isinstance(value, str))
TRUTH = Kind("true or false", lambda value: isinstance(value, bool))
WHOLE = Kind("a whole number", _is_whole)
"""0 or more."""
NUMBER = Kind("a number", _is_number)
"""Finite: JSON has neither NaN nor infinities, though Python reads them."""
INSTANT = Kind("a time as in ISO 8601, with its zone", _is_instant)
COLOUR = Kind("a colour #rrggbb", lambda value: isinstance(value, str) and bool(re.fullmatch("#[0-9A-Fa-f]{6}", value)))
VALUE = Kind("a single value", lambda value: isinstance(value, str | bool) or _is_number(value))


def maybe(kind: Kind) -> Kind:
    """The kind, or null."""
    return Kind(f"{kind.words} or null", lambda value: value is None or kind.holds(value))


@dataclass(frozen=True)
class OneOf:
    """One of these words, which may grow in number."""

    allowed: Collection[str]

    def problem(self, value: Any, name: str) -> str | None:
        if isinstance(value, str) and value in self.allowed:
            return None
        return f"{name} must be one of {', '.join(self.allowed)}, got {shown(value)}"


def one_of(allowed: Collection[str]) -> OneOf:
    """One of these words."""
    return OneOf(allowed)


def mapping(kind: Any) -> Each:
    """An object of any keys, with values of a kind."""
    return Each(kind, dict)

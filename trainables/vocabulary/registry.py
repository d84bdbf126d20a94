"""Where parts of one kind are found by name: those of the house, installed ones, and a user's own.

Standard library only. A part of one's own is named as an entry point of the kind's group, or as `module:Class`; it is
imported by `trainables.settings.own_import` alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from typing import Any, TypeVar

from trainables.vocabulary.errors import UserError

Hook = TypeVar("Hook", bound=Callable[..., Any])
_growth = [0]


def to_fill_in(hook: Hook) -> Hook:
    """Marks a method of a base class that a part of one's own must write itself."""
    hook.to_fill_in = True  # type: ignore[attr-defined]
    return hook


def shown_name(part: Any) -> str:
    """How a part is called in tables and figures: its `name`, or its class's in snake_case."""
    name = getattr(part, "name", None)
    if isinstance(name, str):
        return name
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", part.__name__).lower()


class Registry(Mapping[str, Any]):
    """Parts of one kind by name, those of the house first; it grows by parts that are loaded or described."""

    def __init__(
        self,
        kind: str,
        group: str = "",
        wants: Iterable[str] = (),
        enrol: Callable[[str, Any], None] | None = None,
        house: Iterable[str] = (),
    ) -> None:
        """kind: what a message calls a part. group: of entry points. wants: attributes that a part must have.
        enrol: called with name and part when one is loaded; adds what follows from it to other tables.
        house: names of the house whose parts another room adds when it is imported."""
        self.kind, self.group, self.wants, self._enrol, self.house = kind, group, tuple(wants), enrol, tuple(house)
        self.loaded: dict[str, Any] = {}
        """Parts of users' own, by the name that the settings give them."""
        self._parts: dict[str, Any] = {}

    __eq__ = object.__eq__  # one is not another because both are empty
    __hash__ = object.__hash__

    def __getitem__(self, name: str) -> Any:
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, name: str, part: Any) -> Any:
        """Register a part; the part itself. Raises UserError if another one has the name."""
        if self._parts.setdefault(name, part) != part:
            raise UserError(f"there is a {self.kind} of the name {name!r} already: give yours another `name`")
        _growth[0] += 1
        return part

    def enrol(self, name: str, part: Any) -> None:
        """Register a part of one's own, and what follows from it. Raises UserError for one that cannot be."""
        if self._enrol is not None:
            self._enrol(name, part)
        self.loaded[name] = self.add(name, part)

    def installed(self) -> dict[str, str]:
        """Entry points of the group: name -> `module:Class`; none of them is imported."""
        return {entry.name: entry.value for entry in metadata.entry_points(group=self.group)} if self.group else {}

    def known(self) -> list[str]:
        """Names that the settings may use: of the house, installed, and loaded."""
        return list(dict.fromkeys([*self.house, *self._parts, *self.installed()]))

    def forget(self, name: str) -> None:
        """Take out a part."""
        self._parts.pop(name, None)
        self.loaded.pop(name, None)
        _growth[0] += 1

    def options_of(self, name: str | None) -> Any:
        """The pydantic model of the options of a part of one's own; None if it has none."""
        return getattr(self.loaded.get(str(name)), "Options", None)


class Live(Mapping[str, Any]):
    """A table that follows from registries, made again when one of them has changed."""

    def __init__(self, make: Callable[[], Mapping[str, Any]]) -> None:
        self._make, self._made, self._at = make, {}, -1

    def _now(self) -> Mapping[str, Any]:
        if self._at != _growth[0]:
            self._made, self._at = self._make(), _growth[0]
        return self._made

    def __getitem__(self, name: str) -> Any:
        return self._now()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

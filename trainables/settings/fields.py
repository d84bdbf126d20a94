"""What settings are made of: groups whose docstrings describe them, bounds, and units.

The text under a setting is its description wherever settings are shown: `run_study.py --settings`, the page
docs/configuration.md and the JSON Schemas that editors read.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from trainables import files
from trainables.vocabulary.registry import Registry

WIDEST, MOST = 2**16, 10**6
"""Bounds of what nobody means: features of a layer; epochs, batches, neighbours, trials."""


class Section(BaseModel):
    """A frozen group of settings; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True)


@dataclass(frozen=True)
class Unit:
    """The unit of a number, as metadata of its type; shown beside it and kept in the JSON Schema as `unit`."""

    name: str

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(core) | {"unit": self.name}


@dataclass(frozen=True)
class Named:
    """The name of a part: one of the house, or one of one's own that was loaded (`trainables.settings.own_code`)."""

    registry: Registry
    house: tuple[str, ...] = ()
    """What the JSON Schema lists."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._known, handler(source))

    def _known(self, name: str | None) -> str | None:
        if name is None or name in self.registry or name in self.house:
            return name
        known = list(dict.fromkeys([*self.house, *self.registry]))
        expected = " or ".join(", ".join(map(repr, known)).rsplit(", ", 1))
        raise PydanticCustomError("literal_error", "must be {expected}", {"expected": expected})

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        choices = [{"enum": list(self.house), "type": "string"}] if self.house else []
        return {"anyOf": [*choices, {"type": "string", "pattern": OWN_CODE}]}


OWN_CODE = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
"""`package.module:Class`."""


@dataclass(frozen=True)
class _OptionsOf:
    """Checks the options of a part of one's own by its class, and fills in its defaults; others have none."""

    registry: Registry
    name: str

    def __call__(self, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if self.name not in info.data:
            return given  # the name is refused itself
        model = self.registry.options_of(info.data[self.name])
        if model is not None:
            return model.model_validate_json(json.dumps(given), strict=True).model_dump(mode="json")
        if given:
            raise ValueError(
                f"{self.name} names no {self.registry.kind} of your own that has options; got {', '.join(given)}"
            )
        return given


def checked_by(registry: Registry, name: str = "name") -> AfterValidator:
    """What checks a setting `options` that stands behind the setting `name` of its section."""
    return AfterValidator(_OptionsOf(registry, name))


def options_of(registry: Registry, name: str = "name") -> Any:
    """The type of such a setting."""
    return Annotated[dict[str, Any], checked_by(registry, name)]


def _possible_path(text: str) -> str:
    files.user_path(text)
    return text


Folder = Annotated[str, AfterValidator(_possible_path)]
"""A path, kept as it was written: `~` means the home of who uses it, on the machine where it is used."""
UNITS = {"": 1, "%": 1, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
UNITS |= {"s": 1, "min": 60, "h": 3600}
AMOUNT = r"(\d+(?:\.\d*)?(?:e[+-]?\d+)?) ?([a-zA-Z%]*)"


FITTING = {"B": ("B", "kB", "MB", "GB", "KiB", "MiB", "GiB"), "s": ("s", "min", "h"), "%": ("%",)}
"""Unit of a measure -> those that an amount of it may carry."""


def check_unit(amount: Any, unit: str) -> None:
    """Raises ValueError for a text whose unit is none of this measure's."""
    found = re.fullmatch(AMOUNT, amount.strip()) if isinstance(amount, str) else None
    fitting = FITTING.get(unit, ())
    if found is not None and found[2] and found[2].casefold() not in [one.casefold() for one in fitting]:
        units = ", ".join(fitting)
        raise ValueError(f"{amount.strip()[:40]!r} has another unit; use {units if fitting else 'a plain number'}")


def _amount(value: Any) -> Any:
    """A number, or a text of one with a unit, in bytes, seconds or %."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(AMOUNT, value.strip())
    units = {name.casefold(): factor for name, factor in UNITS.items()}
    if found is None or found[2].casefold() not in units:
        raise ValueError(f"must be a number with or without a unit ({', '.join(filter(None, UNITS))}), as 1MB or 55")
    return float(found[1]) * units[found[2].casefold()]


Amount = Annotated[
    float,
    BeforeValidator(_amount, json_schema_input_type=float | str),
    Field(ge=0, allow_inf_nan=False),
]
"""A number that may carry a unit."""
Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""Generators seed themselves with 32 bits, so a seed beyond would repeat another's run."""
Epochs = Annotated[int, Unit("epochs")]
Images = Annotated[int, Unit("images")]
Features = Annotated[int, Field(ge=2, le=WIDEST), Unit("features")]
Trials = Annotated[int, Unit("trials")]
Probability = Annotated[float, Field(ge=0, le=1), Unit("probability")]
Share = Annotated[float, Field(ge=0, le=1), Unit("share")]
Ratio = Annotated[float, Unit("ratio")]
"""A number without a unit."""

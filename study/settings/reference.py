"""Every setting with its values, unit, default, where it acts and what it means, as the models say it.

One source, three ways to read it: the JSON Schemas in configs/schema/ (editors), the page docs/configuration.md, and
`run_study.py --settings`. `study.settings.shown` writes all three.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from study import schema
from study.settings.config import StudyConfig
from study.settings.space import PARAMETERS
from trainables.settings.config import RunConfig
from trainables.settings.needs import NEEDS, Needs, in_words

OWN = "one of your own"
_STOPS = ("pareto_asha", "asha", "hyperband", "promote")
STUDY_NEEDS: dict[str, tuple[Needs, ...]] = {
    "search.startup_trials": ({"search.sampler": ("tpe", "front")},),
    "search.seed": ({"search.sampler": ("tpe", "front", "nsga2", "random", "qmc", OWN)},),
    "scheduler.grace_period": ({"scheduler.name": _STOPS},),
    "scheduler.reduction_factor": ({"scheduler.name": _STOPS},),
    "scheduler.max_paused": ({"scheduler.name": ("promote", OWN)},),
    "scheduler.keep_front": ({"scheduler.name": ("pareto_asha",)},),
    "space.NAME.grid": ({"search.sampler": ("grid",)},),
}
"""Settings of studies that act in some of them only, as `trainables.settings.needs` has it of runs."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Plain(GenerateJsonSchema):
    """No titles (the keys in other letters), and no defaults of whole sections (their settings have theirs)."""

    def field_title_should_be_set(self, schema: CoreSchema) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        inner = super().default_schema(schema)
        return {"$ref": inner["$ref"]} if "$ref" in inner else inner


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema (2020-12) of a file of runs (RunConfig) or of studies (StudyConfig), for editors.

    It knows names, types, bounds and choices. What depends on two settings at once is checked when the file is loaded.
    """
    made = model.model_json_schema(schema_generator=_Plain)
    for definition in made["$defs"].values():
        definition.pop("title", None)
    del made["title"]
    if model is StudyConfig:
        _know_the_space(made)
    for setting in _walk(made):
        if acts := _acts(setting.name):
            setting.facts["description"] += f" Acts with {acts}."
    return {"$schema": DIALECT, **made}


def _know_the_space(made: dict[str, Any]) -> None:
    """The names that a space, baselines and objectives may use, and what a rehearsal may change."""
    properties, definitions = made["properties"], made["$defs"]
    spec = properties["space"].pop("additionalProperties")
    definitions["PartialRange"] = {k: v for k, v in definitions["RangeSpec"].items() if k != "required"}
    partial = {"oneOf": [{"$ref": "#/$defs/PartialRange"}, {"type": "array"}, {"type": "null"}]}
    names = {name: f"{parameter.path}." for name, parameter in PARAMETERS.items()}
    closed = {"type": "object", "additionalProperties": False}
    properties["space"] |= closed | {"properties": {n: {"description": d} | spec for n, d in names.items()}}
    properties["baselines"]["items"] = closed | {"properties": {n: {"description": d} for n, d in names.items()}}
    senses = {name: {"const": m.sense, "description": m.meaning} for name, m in schema.OBJECTIVES.items()}
    properties["objectives"] |= closed | {"properties": senses}
    bound = properties["wanted"].pop("additionalProperties")
    properties["wanted"] |= closed | {"properties": dict.fromkeys(schema.OBJECTIVES, bound)}
    rehearsed = {name: facts for name, facts in properties.items() if name not in ("name", "rehearsal")}
    rehearsed["space"] = closed | {"properties": {n: {"description": d} | partial for n, d in names.items()}}
    properties["rehearsal"] |= closed | {"properties": rehearsed}


class Setting(NamedTuple):
    """A setting, or a section of them, in a JSON Schema."""

    name: str
    """Dotted; `space.NAME` stands for a parameter's range."""
    facts: dict[str, Any]
    """Its JSON Schema."""
    section: bool

    @property
    def values(self) -> str:
        """`whole number, 1 to 100, or null`."""
        return _values(self.facts)

    @property
    def default(self) -> str:
        """As it is written in YAML; empty if the file must give it."""
        return "" if "default" not in self.facts else in_yaml(self.facts["default"])

    @property
    def unit(self) -> str:
        """Of a number; `ratio`, `share` and `probability` are numbers without one; else, and for seeds, empty."""
        parts = [self.facts, *self.facts.get("anyOf", ()), self.facts.get("items", {})]
        return next((part["unit"] for part in parts if "unit" in part), "")

    @property
    def acts(self) -> str:
        """`method=kmclr and support.update=ema`; empty if it always does."""
        return _acts(self.name)

    @property
    def in_space(self) -> str:
        """Its name in a search space; empty if it cannot be searched."""
        return next((name for name, parameter in PARAMETERS.items() if parameter.path == self.name), "")


def settings() -> list[Setting]:
    """All settings of studies, of which runs have those of their own sections, in the order of the models."""
    made = StudyConfig.model_json_schema(schema_generator=_Plain)
    return list(_walk(made))


def of_runs(name: str) -> bool:
    """Whether a run's file has the setting too."""
    return name.split(".")[0] in RunConfig.model_fields


def _walk(made: Mapping[str, Any]) -> Iterator[Setting]:
    """Sections before what is in them; the top level's own settings first."""

    def inside(properties: Mapping[str, Any], prefix: str) -> Iterator[Setting]:
        for name, facts in sorted(properties.items(), key=lambda item: "$ref" in item[1]):
            if "$ref" in facts:
                section = made["$defs"][facts["$ref"].rpartition("/")[2]]
                yield Setting(f"{prefix}{name}", section, True)
                yield from inside(section["properties"], f"{prefix}{name}.")
            else:
                yield Setting(f"{prefix}{name}", facts, False)

    yield from inside(made["properties"], "")
    if "RangeSpec" in made["$defs"]:
        yield Setting("space.NAME", made["$defs"]["RangeSpec"], True)
        yield from inside(made["$defs"]["RangeSpec"]["properties"], "space.NAME.")


def _acts(name: str) -> str:
    return in_words(NEEDS.get(name, ()) or STUDY_NEEDS.get(name, ()))


def in_yaml(value: Any) -> str:
    """A default as a file would give it: `true`, `null`, `[1, 2, 3]`."""
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(in_yaml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {in_yaml(inner)}' for name, inner in value.items())}}}"
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'


_KINDS = {"integer": "whole number", "number": "number", "string": "text", "object": "mapping", "null": "null"}


def _values(facts: Mapping[str, Any]) -> str:
    if "anyOf" in facts:
        return ", or ".join(map(_values, facts["anyOf"]))
    if "enum" in facts or "const" in facts:
        return ", ".join(map(in_yaml, facts.get("enum", [facts.get("const")])))
    kind = facts.get("type")
    if kind == "boolean":
        return "true, false"
    if kind == "array":
        inner = _values(facts.get("items", {}))
        return f"list, each {inner}" if inner else "list"
    return ", ".join(filter(None, (_KINDS.get(str(kind), ""), _bounds(facts))))


def _bounds(facts: Mapping[str, Any]) -> str:
    """`1 to 100`, `above 0, at most 10`, `at least 0`."""
    low, high = facts.get("minimum"), facts.get("maximum")
    above, below = facts.get("exclusiveMinimum"), facts.get("exclusiveMaximum")
    low = None if above == low else low
    high = None if below == high else high
    if low is not None and high is not None:
        return f"{low:,} to {high:,}"
    words = ((low, "at least"), (above, "above"), (high, "at most"), (below, "below"))
    return ", ".join(f"{word} {bound:,}" for bound, word in words if bound is not None)

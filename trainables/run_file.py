"""A YAML file of one run as a RunConfig: defaults < preset < file < overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from trainables import yaml_edge
from trainables.config import RunConfig
from trainables.presets import PRESETS


def on_preset(data: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """The data on top of the preset that it names; an unknown preset is left for the check to refuse."""
    name = data.get("preset", "strong")
    preset = PRESETS.get(name, {}) if isinstance(name, str) else {}
    return yaml_edge.merge(yaml_edge.nest(preset), data, model)


def load_run(path: str | Path, overrides: Sequence[str] = (), device: str | None = None) -> RunConfig:
    """The run that a file describes. `overrides`: dotted `a.b=c`, typed by the schema; `device` overrides device.

    Raises yaml_edge.ConfigError (a ValueError) with one line per problem, each naming file and setting.
    """
    data = yaml_edge.read(path)
    if "space" in data:
        raise yaml_edge.ConfigError(
            f"{path}: this is a study (it has a search space): run it with `python run_study.py {path}`"
        )
    changes = yaml_edge.parse_overrides(overrides, RunConfig)
    for change in changes:
        yaml_edge.put(data, change.path, change.value)
    if device is not None:
        data["device"] = device
    locate = yaml_edge.locate_overrides(changes, yaml_edge.named(str(path)))
    return yaml_edge.check(RunConfig, on_preset(data, RunConfig), locate)

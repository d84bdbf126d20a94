"""A YAML file of one run -> RunConfig: defaults < preset < file < overrides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainables import yaml_edge
from trainables.config import RunConfig
from trainables.presets import PRESETS


def with_preset(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings on top of the preset they name (an unknown one is left for validation to refuse)."""
    name = settings.get("preset", "strong")
    differences = PRESETS.get(name, {}) if isinstance(name, str) else {}
    return yaml_edge.merge(yaml_edge.unflatten(differences.items()), settings)


def load_run(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """The run of a file, with `a.b=c` overrides. ConfigError (a ValueError) says what is wrong and where."""
    pairs = yaml_edge.parse_overrides(overrides, RunConfig)
    content = yaml_edge.read_file(path)
    if "space" in content:
        raise yaml_edge.ConfigError(
            f"{path}: this is a study (it has a search space): run it with `python run_study.py {path}`"
        )
    settings = yaml_edge.merge(content, yaml_edge.unflatten(pairs))
    return yaml_edge.validate(RunConfig, with_preset(settings), str(path), pairs)

"""A YAML file of one run -> RunConfig: defaults < preset < file < overrides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainables.settings import edge, own_code
from trainables.settings.config import RunConfig
from trainables.settings.needs import NEEDS, acts, in_words
from trainables.settings.presets import PRESETS


def with_preset(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings on top of the preset they name (an unknown one is left for validation to refuse)."""
    name = settings.get("preset", "strong")
    differences = PRESETS.get(name, {}) if isinstance(name, str) else {}
    return edge.merge(edge.unflatten(differences.items()), settings)


def load_run(path: str | Path, overrides: Sequence[str] = (), *, allow_code: bool = False) -> RunConfig:
    """The run of a file, with `a.b=c` overrides. ConfigError says what is wrong and where.

    allow_code: whether code that it names as `module:Class` may be imported.
    """
    pairs = edge.parse_overrides(overrides, RunConfig)
    content = edge.read_file(path)
    if "space" in content:
        raise edge.ConfigError(
            f"{path}: this is a study (it has a search space): run it with `python run_study.py {path}`"
        )
    settings = own_code.resolved(edge.merge(content, edge.unflatten(pairs)), str(path), allow_code=allow_code)
    return edge.validate(RunConfig, with_preset(settings), str(path), pairs)


def without_effect(path: str | Path, overrides: Sequence[str], run: RunConfig) -> list[str]:
    """One line for each setting that the file or an override gives although it changes nothing in this run."""
    values = edge.flatten(run.model_dump(mode="json"))
    given = edge.flatten(edge.read_file(path)).keys() | dict(edge.parse_overrides(overrides, RunConfig))
    lines = []
    for name, alternatives in NEEDS.items():
        if name in given and not acts(name, values):
            lines.append(f"{name} has no effect in this run: it needs {in_words(alternatives)}")
    return lines

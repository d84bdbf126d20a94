"""A study file -> a validated study: defaults < preset < file < its rehearsal section (if asked for) < overrides."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from study import schema
from study.settings import checks
from study.settings.config import StudyConfig
from trainables.files import DamagedFile
from trainables.settings import edge, own_code
from trainables.settings.changes import Change, differences
from trainables.settings.config import RunConfig
from trainables.settings.edge import ConfigError
from trainables.settings.run_file import with_preset

REHEARSAL_SUFFIX = "-rehearsal"


@dataclass(frozen=True)
class Loaded:
    """A study ready to be planned and run."""

    study: StudyConfig
    path: Path
    rehearsal: bool
    changes: tuple[Change, ...] = ()
    """What the rehearsal section and --set changed against the study as the file means it."""
    overrides: tuple[str, ...] = field(default=())

    @property
    def name_on_disk(self) -> str:
        """Name of the results folder."""
        return self.study.name + (REHEARSAL_SUFFIX if self.rehearsal else "")


def load_study(
    path: str | Path,
    *,
    rehearse: bool = False,
    overrides: Sequence[str] = (),
    device: str | None = None,
    allow_code: bool = False,
) -> Loaded:
    """Read and check a study file. ConfigError (a ValueError), one line per problem, before anything starts.

    rehearse: apply the file's `rehearsal:` section. overrides: `a.b=c` strings on top of everything. device: as if
    `--set device=...`. allow_code: whether code that it names as `module:Class` may be imported. The rehearsal section
    is checked even when it is not used.
    """
    path = Path(path)
    pairs = edge.parse_overrides(overrides, StudyConfig)
    content = _read(path)
    section = _rehearsal(content, [(name, value) for name, value in pairs if name.split(".")[0] == "rehearsal"], path)
    pairs = [pair for pair in pairs if pair[0].split(".")[0] != "rehearsal"]
    if rehearse and not section:
        raise ConfigError(f"{path}: has no rehearsal: section, so --rehearse does not know what to change; add one")
    if device is not None:
        pairs.append(("device", device))
    study = plain = _build(content, (), path, allow_code)
    over = {} if _is_rehearsed(path) else section
    if section:
        rehearsed = _build(_over(content, over), (), path, allow_code, "rehearsal")
        study = rehearsed if rehearse else plain
    if pairs:
        base = _over(content, over) if rehearse else content
        study = _build(_over(base, edge.unflatten(pairs)), pairs, path, allow_code)
    changes = _changes(plain, study)
    study = study.model_copy(update={"rehearsal": section})
    return Loaded(study, path, rehearse, changes, tuple(overrides))


def _read(path: Path) -> dict[str, Any]:
    """A study file, or the `study.yaml` of a results folder (which carries its schema version)."""
    content = edge.read_file(path)
    version = content.pop("schema", schema.SCHEMA_VERSION)
    if version != schema.SCHEMA_VERSION:
        raise ConfigError(f"{path}: schema is {edge.show(version)}; this version reads schema {schema.SCHEMA_VERSION}")
    if "space" not in content and set(content) & set(RunConfig.model_fields):
        raise ConfigError(
            f"{path}: has no space:, so it is no study; one run is trained by `python -m trainables.pretrain {path}`"
        )
    return content


def _is_rehearsed(path: Path) -> bool:
    """Whether this is the `study.yaml` of a rehearsal's folder: its section has been applied, and --set after it."""
    if path.name != schema.STUDY_FILE or not (path.parent / schema.MANIFEST_FILE).is_file():
        return False
    with contextlib.suppress(DamagedFile):
        return bool(schema.read_manifest(path.parent)["rehearsal"])
    return False


def _rehearsal(content: dict[str, Any], pairs: Sequence[edge.Override], path: Path) -> dict[str, Any]:
    """The file's rehearsal section, taken out of the content, with overrides of it."""
    section = edge.merge(content, edge.unflatten(pairs)).get("rehearsal")
    content.pop("rehearsal", None)
    if section is None:
        return {}
    if not isinstance(section, dict):
        raise ConfigError(f"{path}: rehearsal must be a mapping of what --rehearse changes, got {edge.show(section)}")
    for name in ("name", "rehearsal"):
        if name in section:
            raise ConfigError(f"{path}: rehearsal may not change '{name}'; take it out of the section")
    return section


def _over(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`; in `space`, a parameter set to null is taken out."""
    merged = edge.merge(base, over)
    if isinstance(merged.get("space"), dict):
        merged["space"] = {name: spec for name, spec in merged["space"].items() if spec is not None}
    return merged


def _build(
    content: dict[str, Any], pairs: Sequence[edge.Override], path: Path, allow_code: bool, part: str = ""
) -> StudyConfig:
    source = f"{path} ({part})" if part else str(path)
    content = own_code.resolved(content, source, allow_code=allow_code)
    if isinstance(content.get("space"), dict) and (unknown := list(checks.unknown_parameters(content["space"]))):
        raise ConfigError("\n".join(f"{source}: {problem}" for problem in unknown))
    study = edge.validate(StudyConfig, with_preset(content), source, pairs)
    checks.check(study, source)
    return study


def _changes(before: StudyConfig, after: StudyConfig) -> tuple[Change, ...]:
    """Settings that differ, sorted by name."""
    old, new = (study.model_dump(mode="json", exclude={"rehearsal"}) for study in (before, after))
    return tuple(sorted(differences(old, new)))

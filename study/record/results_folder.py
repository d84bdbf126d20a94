"""Opening a results folder: a new one, or one to go on with. Refuses what would mix or overwrite studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from study import schema
from study.record import machine, manifest
from study.settings.config import StudyConfig
from trainables.files import PARTIAL
from trainables.settings.changes import Change


def _scrap(path: Path) -> bool:
    """Whether a study that was killed while its folder was being made may have left it; nothing of value."""
    return path.name in (schema.LOCK_FILE, schema.STUDY_FILE) or path.suffix == PARTIAL


def begun(folder: Path) -> bool:
    """True if the folder holds a study that can be resumed."""
    return (folder / schema.MANIFEST_FILE).exists() and (folder / schema.STUDY_FILE).exists()


def check_target(folder: Path, resume: bool, stage: str | None) -> bool:
    """True if the folder is to be continued, False if it is new. Raises UserError with the way out otherwise."""
    schema.check_entries(folder)
    exists = folder.exists() and not all(map(_scrap, folder.iterdir()))
    if resume and not begun(folder):
        raise schema.UserError(f"{folder}: nothing to resume here; start the study without --resume, or check --out")
    later = stage in (schema.CONFIRM, schema.ABLATE)
    if later and not begun(folder):
        raise schema.UserError(
            f"{folder}: --stage {stage} needs a finished search stage here; run --stage search first"
        )
    if resume or later:
        return True
    if exists:
        raise schema.UserError(
            f"{folder}: exists already; continue it with --resume, choose another --out, or remove the folder"
        )
    return False


def create(folder: Path, study: StudyConfig, record: dict[str, Any]) -> dict[str, Any]:
    """Write study.yaml and the manifest of a new study; returns the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest.save_study(folder, study)
    manifest.save(folder, record)
    return record


def reopen(
    folder: Path, study: StudyConfig, source: str, data: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Change]]:
    """The manifest of a study to go on with, and how the study differs from the folder's.

    Raises UserError if it differs so that its trials are none of it any more, or if its data have changed. Writes
    nothing, as `study.yaml` has to follow the manifest that notes the changes.
    """
    changes = manifest.check_changes(folder, study, source, confirming=_confirming(folder))
    record = schema.read_manifest(folder)
    was, now_ = record["data"].get("fingerprint"), data.get("fingerprint")
    if was != now_:
        raise schema.UserError(
            f"{source}: the data set has changed since {folder} was begun (fingerprint {was} -> {now_}); "
            f"restore the data, or start the study elsewhere (another name or --out)"
        )
    if schema.read_study(folder).get("device") != study.device:
        record["device"] = machine.resolve_device(study.device, machine.hardware())
    return record, changes


def _confirming(folder: Path) -> bool:
    """Whether a trial of a stage after the search is on record, whatever else is damaged there."""
    signs = [f'"stage": "{stage}"'.encode() for stage in (schema.CONFIRM, schema.ABLATE)]
    paths = [path for name in (schema.REPORTS_FILE, schema.TRIALS_FILE) if (path := folder / name).exists()]
    return any(sign in content for content in (path.read_bytes() for path in paths) for sign in signs)


def hours_used(record: Mapping[str, Any], reports: Sequence[Mapping[str, Any]]) -> float:
    """Hours of all ended sessions; one that was killed ends with the last of the reports."""
    last = max((line["time"] for line in reports), default=None)
    total = 0.0
    for session in record["sessions"]:
        end = session["ended"] or last
        if end and end > session["started"]:
            total += _seconds_between(session["started"], end)
    return total / 3600


def _seconds_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()

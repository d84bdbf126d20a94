"""The results folder of an earlier study, read as far as another study may learn from it: finished, interrupted or
still running."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from study import schema
from trainables import files
from trainables.files import DamagedFile
from trainables.lines import read_json_lines

SETTING = "search.learn_from"
Line = Mapping[str, Any]


class Earlier(NamedTuple):
    """What it holds."""

    folder: str
    """As the study that learns names it."""
    manifest: dict[str, Any]
    settings: dict[str, Any]
    """Its `study.yaml`."""
    ends: list[Line]
    """The last end of each trial, stages in order, then numbers."""
    reports: dict[str, list[Line]]
    """Trial -> its reports by epoch."""
    fingerprint: str
    """Of its settings, reports and ends."""

    @property
    def unfinished(self) -> int:
        """Trials of its search that have reported and have not ended."""
        ended = {end["trial_id"] for end in self.ends}
        rows = (lines[0] for name, lines in self.reports.items() if name not in ended)
        return sum(line["stage"] == schema.SEARCH for line in rows)


def check(folders: Sequence[str], own: Path) -> None:
    """UserError, of one line, if one of the folders is no results folder, is named twice, or is the study's `own`."""
    seen: set[Path] = set()
    for name in folders:
        path = files.user_path(name, SETTING)
        if not path.is_dir():
            what = "not there" if not path.exists() else "not a folder"
            raise schema.UserError(f"{SETTING}: {name}: {what}; give results folders of earlier studies")
        for file in (schema.MANIFEST_FILE, schema.STUDY_FILE):
            if not (path / file).is_file():
                raise schema.UserError(f"{SETTING}: {name}: has no {file}, so it is not the results folder of a study")
        if path.resolve() == own.resolve():
            raise schema.UserError(f"{SETTING}: {name}: is the folder of this study itself; take it out")
        if path.resolve() in seen:
            raise schema.UserError(f"{SETTING}: {name}: is named twice; take one of them out")
        seen.add(path.resolve())


def fingerprint_of(folder: str) -> str | None:
    """Of the files that are learned from; None if the folder is not there, or cannot be read."""
    path, found = files.user_path(folder, SETTING), hashlib.sha256()
    try:
        for name in (schema.STUDY_FILE, schema.TRIALS_FILE, schema.REPORTS_FILE):
            found.update((path / name).read_bytes() if name == schema.STUDY_FILE or (path / name).exists() else b"")
    except OSError:
        return None
    return found.hexdigest()[:16]


def read(folder: str) -> Earlier:
    """Read a folder. Raises UserError that names it, and the file and line if it is damaged."""
    path = files.user_path(folder, SETTING)
    try:
        schema.check_entries(path)
        mark = fingerprint_of(folder)
        manifest, settings = schema.read_manifest(path), schema.read_study(path)
        rows = _lines(path, schema.TRIALS_FILE)  # first: a study that runs writes a trial's reports before its end
        reports, draws = _lines(path, schema.REPORTS_FILE), _lines(path, schema.DRAWS_FILE)
        last = {end["trial_id"]: end for end in rows}
        ends = sorted(last.values(), key=lambda end: (schema.STAGES.index(end["stage"]), end["number"]))
        schema.check_of_one_study(path, draws, reports, ends)
    except DamagedFile as error:
        raise schema.UserError(f"{SETTING}: {str(error).splitlines()[0]}") from None
    if mark is None:
        raise schema.UserError(f"{SETTING}: {folder}: cannot be read")
    by_trial: dict[str, list[Line]] = {}
    for line in sorted(reports, key=lambda line: int(line["epoch"])):
        by_trial.setdefault(line["trial_id"], []).append(line)
    return Earlier(folder, manifest, settings, ends, by_trial, mark)


def _lines(path: Path, name: str) -> list[Line]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a line that is being written now
        rows = read_json_lines(path / name)
    return [schema.checked_fields(line, name, f"{path / name}:{number}") for number, line in rows]

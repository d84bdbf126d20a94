"""All studies below a folder: where they lie, how each stands, how old it is and what it takes on disk."""

from __future__ import annotations

import json
import os
import socket
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from analysis.results.load import Results, load
from study import schema
from study.schema import UserError, files, wording

BLOCK_BYTES = 512
"""Unit of `st_blocks`, whatever the file system's own."""
SIGNS = (schema.MANIFEST_FILE, schema.DRAWS_FILE, schema.TRIALS_FILE, schema.REPORTS_FILE)
"""What lies beside study.yaml in a results folder; one of them will do, as another may be lost."""
RUNNING, KILLED, UNREADABLE = "running", "killed", "unreadable"


@dataclass(frozen=True)
class Entry:
    """One study of a shelf. name: its folder, from the shelf on. results: None if it cannot be read, and then why."""

    name: str
    folder: Path
    results: Results | None
    problem: str

    @property
    def state(self) -> str:
        """As the manifest says; `killed` where it says `running` and the process is gone from this machine."""
        if self.results is None:
            return UNREADABLE
        said = str(self.results.manifest["status"])
        return KILLED if said == RUNNING and owner_is_gone(self.folder) else said


def studies(top: Path) -> list[Entry]:
    """Every study in this folder and below, itself included, by name; one that cannot be read says why.

    A torn last line of a study that runs is no matter. Raises UserError for what is not a folder.
    """
    if not top.is_dir():
        raise UserError(f"{top}: not a folder; give one that holds results of studies, for example results")
    return sorted((_entry(top, folder) for folder in _folders(top)), key=lambda entry: entry.name)


def _folders(top: Path) -> Iterator[Path]:
    """Results folders; nothing below one is looked at, and no link is followed."""
    for place, inside, names in os.walk(top):
        if schema.STUDY_FILE in names and any(sign in names for sign in SIGNS):
            inside.clear()
            yield Path(place)


def _entry(top: Path, folder: Path) -> Entry:
    name = wording.printable(str(folder.relative_to(top)) if folder != top else folder.resolve().name)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*dropped a torn last line")
            return Entry(name, folder, load(folder), "")
    except (UserError, OSError) as error:
        lines = str(error).splitlines()
        return Entry(name, folder, None, lines[0] if lines else type(error).__name__)


def owner_is_gone(folder: Path) -> bool:
    """Whether the process that the folder's lock names ran on this machine and is no more."""
    try:
        owner = json.loads((folder / schema.LOCK_FILE).read_text(encoding="utf-8"))
        if owner["host"] != socket.gethostname():
            return False
        return bool(abs(psutil.Process(owner["pid"]).create_time() - owner["born"]) >= 2)
    except psutil.NoSuchProcess:
        return True
    except (OSError, KeyError, TypeError, psutil.Error, *files.TOO_MUCH):
        return False


def last_sign(results: Results) -> datetime:
    """When something was written last: a report, a trial's end, or the study's own end or start. UTC."""
    said = [results.manifest["started"], results.manifest["ended"]]
    said += [results.reports["time"].max()] if len(results.reports) else []
    said += [results.trials["ended"].max()] if len(results.trials) else []
    return max(datetime.fromisoformat(text) for text in said if isinstance(text, str)).astimezone(UTC)


def bytes_on_disk(folder: Path) -> int:
    """What all files below take, links not followed; files that vanish meanwhile count as 0."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_blocks * BLOCK_BYTES
            except OSError:
                continue
    return total

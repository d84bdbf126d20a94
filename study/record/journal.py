"""Our own record of a study: `draws.jsonl`, `reports.jsonl` and `trials.jsonl`, append-only, fsynced line by line.

The journal is the truth of a study: what it does not hold did not happen, and every other state file (Tune's snapshots,
the Optuna storage, the scheduler's rungs) is rebuilt from it or checked against it on resume.

A line is written once: a draw before its trial starts, a report by (trial_id, epoch), a trial's end by trial_id. An
`interrupted` end is not final: the trial goes on after a resume and a later line with the same trial_id replaces it
(readers take the last).
"""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from study import schema
from trainables.files import read_json_lines


class JournalWriteError(OSError):
    """A line could not be written (disk full, folder gone): the study has to stop."""


def now() -> str:
    """UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def plain(value: Any) -> Any:
    """JSON-friendly copy: numpy scalars become Python's, NaN and infinities become None."""
    if hasattr(value, "item") and callable(value.item):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def _stamped(line: Mapping[str, Any]) -> dict[str, Any]:
    """The line as plain values, with the schema version first."""
    return {"schema": schema.SCHEMA_VERSION, **{k: v for k, v in plain(line).items() if k != "schema"}}


class Journal:
    """Appends to the files of a results folder and knows what they hold. One process at a time (see `lock`).

    Raises DamagedFile, naming file and line, for a file that it cannot have written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.draws = self._read(schema.DRAWS_FILE)
        self.reports: list[dict[str, Any]] = []
        self.last_epoch: dict[str, int] = {}
        self._seen: set[tuple[str, int]] = set()
        self.ends: dict[str, dict[str, Any]] = {}
        """The last end of each trial, in the order in which they were written."""
        for line in self._read(schema.REPORTS_FILE):
            self._remember_report(line)
        for line in self._read(schema.TRIALS_FILE):
            self._remember_end(line)
        names = (schema.DRAWS_FILE, schema.REPORTS_FILE, schema.TRIALS_FILE)
        self._files = {name: (self.folder / name).open("ab", buffering=0) for name in names}

    def _read(self, name: str) -> list[dict[str, Any]]:
        """A file's lines; a torn last one is cut off, so that the next line starts clean."""
        rows = read_json_lines(self.folder / name, repair=True)
        return [schema.checked_fields(line, name, f"{self.folder / name}:{number}") for number, line in rows]

    def _remember_report(self, line: dict[str, Any]) -> None:
        trial_id, epoch = line["trial_id"], int(line["epoch"])
        self.reports.append(line)
        self._seen.add((trial_id, epoch))
        self.last_epoch[trial_id] = max(epoch, self.last_epoch.get(trial_id, 0))

    def _remember_end(self, line: dict[str, Any]) -> None:
        self.ends.pop(line["trial_id"], None)
        self.ends[line["trial_id"]] = line

    def _write(self, name: str, line: Mapping[str, Any]) -> None:
        file = self._files[name]
        data = (json.dumps(plain(line), allow_nan=False) + "\n").encode()
        start = os.fstat(file.fileno()).st_size
        try:
            written = file.write(data)
            if written != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError as error:
            self._cut(file, start)
            raise JournalWriteError(error.errno, error.strerror or str(error), str(self.folder / name)) from error

    @staticmethod
    def _cut(file: Any, size: int) -> None:
        """Leave no half line behind where that is possible; a torn line is dropped on resume otherwise."""
        try:
            os.ftruncate(file.fileno(), size)
        except OSError:
            return

    def append_draw(self, line: Mapping[str, Any]) -> dict[str, Any]:
        """Write one draw of the search; returns the line as a reader will find it."""
        record = _stamped(line)
        assert set(record) == set(schema.DRAW_FIELDS), sorted(set(record) ^ set(schema.DRAW_FIELDS))
        self._write(schema.DRAWS_FILE, record)
        self.draws.append(record)
        return record

    def append_report(self, line: Mapping[str, Any]) -> bool:
        """Write one epoch's line. False (and nothing written) if this trial and epoch are already there."""
        key = (line["trial_id"], int(line["epoch"]))
        if key in self._seen:
            return False
        record = _stamped(line)
        self._write(schema.REPORTS_FILE, record)
        self._remember_report(record)
        return True

    def append_end(self, line: Mapping[str, Any]) -> bool:
        """Write a trial's end. False if a final (not `interrupted`) end is already there."""
        if self.ended(line["trial_id"]):
            return False
        missing = [f for f in schema.TRIAL_FIELDS if f not in line and f != "schema"]
        assert not missing, f"trial end without {missing}"
        assert line["status"] in schema.STATUSES, line["status"]
        record = _stamped(line)
        self._write(schema.TRIALS_FILE, record)
        self._remember_end(record)
        return True

    def append_picture(self, trial_id: str, line: Mapping[str, Any]) -> None:
        """Write one epoch's picture to projections/<trial_id>.jsonl; of an epoch that comes again the last counts."""
        folder = self.folder / schema.PROJECTIONS_DIR
        name = f"{schema.PROJECTIONS_DIR}/{trial_id}.jsonl"
        if name not in self._files:
            folder.mkdir(exist_ok=True)
            self._read(name)
            self._files[name] = (self.folder / name).open("ab", buffering=0)
        self._write(name, _stamped({"trial_id": trial_id, **line}))

    def ended(self, trial_id: str) -> bool:
        """True once the trial has a final end."""
        return trial_id in self.ends and self.ends[trial_id]["status"] != schema.INTERRUPTED

    def reports_of(self, trial_id: str) -> list[dict[str, Any]]:
        """The trial's lines in the order they were written."""
        return [line for line in self.reports if line["trial_id"] == trial_id]

    def ends_in_order(self, stage: str) -> list[dict[str, Any]]:
        """Final ends of a stage in the order in which they were written."""
        return [e for e in self.ends.values() if e["stage"] == stage and e["status"] != schema.INTERRUPTED]

    def final_ends(self, stage: str) -> list[dict[str, Any]]:
        """Final ends of a stage by trial number."""
        return sorted(self.ends_in_order(stage), key=lambda e: e["number"])

    def close(self) -> None:
        """Close the files; closing twice is fine."""
        for file in self._files.values():
            file.close()


def metrics_of(result: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The named metrics that a result holds, as plain values."""
    return {name: plain(result[name]) for name in names if name in result}

"""Our own record of a study: `draws.jsonl`, `reports.jsonl` and `trials.jsonl` (where trials pause `turns.jsonl` too),
append-only, fsynced line by line; what was learned of earlier studies, `learned.jsonl`, is written whole.

Lines carry numbers and checks (`trainables.lines`); only what a damaged file has lost is ever put between others.

The journal is the truth of a study: what it does not hold did not happen, and every other state file (Tune's snapshots,
the Optuna storage, the scheduler's rungs) is rebuilt from it or checked against it on resume.

A line is written once: a draw before its trial starts, a report by (trial_id, epoch), a trial's end by trial_id. An
`interrupted` end is not final: the trial goes on after a resume and a later line with the same trial_id replaces it
(readers take the last). A trial that is to be tried again gets such an end, whatever its end was before.
"""

from __future__ import annotations

import contextlib
import math
import sys
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from study import schema
from study.record.learned import as_end, as_reports
from trainables.lines import LineFiles, Lines, read_counts
from trainables.reported import epochs_in_words, lost_epochs, name_lost


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


def _order(line: Mapping[str, Any]) -> tuple[int, int]:
    """Of trials that run one at a time."""
    return schema.STAGES.index(line["stage"]), int(line["number"])


class Journal:
    """Appends to the files of a results folder and knows what they hold. One process at a time (see `lock`).

    Lines that are damaged or gone are noticed here (`damage`), and their files made whole without them; what they said
    is made again by `study.search.repair`. Raises DamagedFile, naming file and line, for a file of another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._files = LineFiles(self.folder)
        self._pictures = LineFiles(self.folder / schema.PROJECTIONS_DIR)
        self.damage: list[str] = []
        """What was damaged when the journal was opened, one line each, naming file, line, trial and epoch."""
        self.damaged: set[str] = set()
        """Files that were."""
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self._read()
            undo.pop_all()

    def _read(self) -> None:
        draws, reports, ends = (self._open(n) for n in (schema.DRAWS_FILE, schema.REPORTS_FILE, schema.TRIALS_FILE))
        self.draws = [line for _, line in draws.rows]
        turns = self._open(schema.TURNS_FILE) if self._has(schema.TURNS_FILE) else None
        self.turns = [line for _, line in turns.rows] if turns else []
        learned = self._open(schema.LEARNED_FILE) if self._has(schema.LEARNED_FILE) else None
        self._learn([line for _, line in learned.rows] if learned else [])
        self.reports: list[dict[str, Any]] = []
        self.last_epoch: dict[str, int] = {}
        self._seen: set[tuple[str, int]] = set()
        self._end_lines = [line for _, line in ends.rows]
        self.ends: dict[str, dict[str, Any]] = {}
        """The last end of each trial, in the order in which they were written."""
        for _, line in reports.rows:
            self._remember_report(line)
        for line in self._end_lines:
            self._remember_end(line)
        self.lost = lost_epochs(self.reports, {t: int(end["epochs"] or 0) for t, end in self.ends.items()})
        """Epochs that trials have reported and that are not there, until they are reported again."""
        self._name_damage(draws, reports, ends)
        self.damage += map(str, (*(turns.damage if turns else ()), *(learned.damage if learned else ())))
        schema.check_of_one_study(self.folder, self.draws, self.reports, self.ends.values())

    def _learn(self, lines: list[dict[str, Any]]) -> None:
        self.learned = lines
        """Trials of earlier studies: lines of `learned.jsonl`."""
        self.learned_ends = list(map(as_end, lines))
        """Their ends, as if they were of this study's search; none of them is among `ends`."""
        self.learned_reports = [report for line in lines for report in as_reports(line)]

    def _has(self, name: str) -> bool:
        """Whether lines of this file were ever written; most studies have no turns."""
        return (self.folder / name).exists() or name in read_counts(self.folder)

    def _open(self, name: str) -> Lines:
        found = self._files.open(name)
        for number, line in found.rows:
            schema.checked_fields(line, name, f"{self.folder / name}:{number}")
        if found.damage:
            self.damaged.add(name)
        return found

    def _name_damage(self, draws: Lines, reports: Lines, ends: Lines) -> None:
        named, left = name_lost(reports.damage, reports.rows, self.lost)
        path = self.folder / schema.REPORTS_FILE
        self.damage += map(str, (*draws.damage, *named))
        self.damage += [f"{path}: not there: {epochs_in_words({t: epochs})}" for t, epochs in left.items()]
        self.damage += map(str, ends.damage)
        self.damage += [f"{copy}: the damaged file is kept here" for copy in self._files.kept]

    def _remember_report(self, line: dict[str, Any], place: int | None = None) -> None:
        trial_id, epoch = line["trial_id"], int(line["epoch"])
        line = {sys.intern(name): value for name, value in line.items()}  # names read or received are new each time
        self.reports.insert(len(self.reports) if place is None else place, line)
        self._seen.add((trial_id, epoch))
        self.last_epoch[trial_id] = max(epoch, self.last_epoch.get(trial_id, 0))

    def _remember_end(self, line: dict[str, Any]) -> None:
        self.ends.pop(line["trial_id"], None)
        self.ends[line["trial_id"]] = line

    def _write(self, name: str, line: Mapping[str, Any], files: LineFiles | None = None) -> None:
        """Raises JournalWriteError."""
        files = files or self._files
        with self._failures_named(files.folder / name):
            files.append(name, line)

    def _replace(self, name: str, lines: list[dict[str, Any]]) -> None:
        """Write a file whole, where a line goes between others. Raises JournalWriteError."""
        with self._failures_named(self.folder / name):
            self._files.replace(name, lines)

    @staticmethod
    @contextlib.contextmanager
    def _failures_named(path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise JournalWriteError(error.errno, error.strerror or str(error), str(path)) from error

    def append_draw(self, line: Mapping[str, Any]) -> dict[str, Any]:
        """Write one draw of the search; returns the line as a reader will find it."""
        record = _stamped(line)
        assert set(record) == set(schema.DRAW_FIELDS), sorted(set(record) ^ set(schema.DRAW_FIELDS))
        self._write(schema.DRAWS_FILE, record)
        self.draws.append(record)
        return record

    def append_turn(self, line: Mapping[str, Any]) -> None:
        """Write that a trial begins or goes on."""
        if schema.TURNS_FILE not in self._files:
            self._files.open(schema.TURNS_FILE)
        record = _stamped(line)
        self._write(schema.TURNS_FILE, record)
        self.turns.append(record)

    def replace_learned(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Write the trials of earlier studies, all of them."""
        found = list(map(_stamped, lines))
        self._replace(schema.LEARNED_FILE, found)
        self._learn(found)

    def restore_draws(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Put lost draws back where they were."""
        self.draws += map(_stamped, lines)
        self.draws.sort(key=lambda line: (line["number"], line["attempt"]))
        self._replace(schema.DRAWS_FILE, self.draws)

    def append_report(self, line: Mapping[str, Any]) -> bool:
        """Write one epoch's line, a lost one to its place. False (and nothing written) if it is already there."""
        trial_id, epoch = line["trial_id"], int(line["epoch"])
        if (trial_id, epoch) in self._seen:
            return False
        record = _stamped(line)
        place = self._place_of_report(record) if epoch in self.lost.get(trial_id, ()) else len(self.reports)
        if place == len(self.reports):
            self._write(schema.REPORTS_FILE, record)
        else:
            self._replace(schema.REPORTS_FILE, [*self.reports[:place], record, *self.reports[place:]])
        self._remember_report(record, place)
        self._found(trial_id, epoch)
        return True

    def _found(self, trial_id: str, epoch: int) -> None:
        if left := [e for e in self.lost.get(trial_id, ()) if e != epoch]:
            self.lost[trial_id] = left
        else:
            self.lost.pop(trial_id, None)

    def _place_of_report(self, record: Mapping[str, Any]) -> int:
        """Where a lost line stood: behind the epoch before it, else before the epoch after it or the next trial."""
        own = [(line["epoch"], i) for i, line in enumerate(self.reports) if line["trial_id"] == record["trial_id"]]
        before = [i + 1 for epoch, i in own if epoch < record["epoch"]]
        after = [i for epoch, i in own if epoch > record["epoch"]] or [
            i for i, line in enumerate(self.reports) if _order(line) > _order(record)
        ]
        return max(before) if before else min(after, default=len(self.reports))

    def append_end(self, line: Mapping[str, Any]) -> bool:
        """Write a trial's end. False if a final (not `interrupted`) end is already there."""
        if self.ended(line["trial_id"]):
            return False
        self._append_end(line)
        return True

    def _append_end(self, line: Mapping[str, Any]) -> None:
        missing = [f for f in schema.TRIAL_FIELDS if f not in line and f != "schema"]
        assert not missing, f"trial end without {missing}"
        assert line["status"] in schema.STATUSES, line["status"]
        self._pictures.shut(f"{line['trial_id']}.jsonl")  # else a study of many trials keeps as many files open
        record = _stamped(line)
        place = len(self._end_lines)
        if schema.TRIALS_FILE in self.damaged and record["status"] != schema.INTERRUPTED:  # it may be one of the lost
            later = (i for i, end in enumerate(self._end_lines) if _order(end) > _order(record))
            own = (i + 1 for i, end in enumerate(self._end_lines) if end["trial_id"] == record["trial_id"])
            place = max(min(later, default=place), max(own, default=0))
        if place == len(self._end_lines):
            self._write(schema.TRIALS_FILE, record)
            self._end_lines.append(record)
            self._remember_end(record)
            return
        self._end_lines.insert(place, record)
        self._replace(schema.TRIALS_FILE, self._end_lines)
        self.ends.clear()
        for end in self._end_lines:
            self._remember_end(end)

    def try_again(self, stages: Collection[str], statuses: Collection[str]) -> list[str]:
        """The trials of these stages that ended in one of these ways have not ended from now on; which these are."""
        chosen = [end for end in self.ends.values() if end["stage"] in stages and end["status"] in statuses]
        for end in chosen:
            if end["status"] != schema.INTERRUPTED:
                why = f"to be tried again after it {end['status'].replace('_', ' ')}: {end['error'] or 'no error'}"
                self._append_end({**end, "status": schema.INTERRUPTED, "ended": now(), "error": why[:500]})
        return [end["trial_id"] for end in chosen]

    def append_picture(self, trial_id: str, line: Mapping[str, Any]) -> None:
        """Write one epoch's picture to projections/<trial_id>.jsonl; of an epoch that comes again the last counts."""
        name = f"{trial_id}.jsonl"
        if name not in self._pictures:
            self._pictures.folder.mkdir(exist_ok=True)
            if damage := self._pictures.open(name).damage:
                warnings.warn(f"pictures are lost: {'; '.join(map(str, damage))}", stacklevel=2)
        self._write(name, _stamped({"trial_id": trial_id, **line}), self._pictures)

    def ended(self, trial_id: str) -> bool:
        """True once the trial has a final end."""
        return trial_id in self.ends and self.ends[trial_id]["status"] != schema.INTERRUPTED

    def whole_until(self, trial_id: str) -> int:
        """The last epoch up to which every report is there."""
        lost = self.lost.get(trial_id)
        return lost[0] - 1 if lost else self.last_epoch.get(trial_id, 0)

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
        self._files.close()
        self._pictures.close()


def metrics_of(result: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The named metrics that a result holds, as plain values."""
    return {name: plain(result[name]) for name in names if name in result}

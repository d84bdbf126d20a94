"""Whether the files of lines in a results folder hold all that was written to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from study import schema
from study.schema import files, lines, reported


def check_whole(folder: Path) -> None:
    """DamagedFile, with a line for each, if lines of the folder are lost, changed or doubled.

    The ends are read first: a study that runs writes a trial's reports before its end. Trials whose ends carry no
    numbers are of an earlier version; their reports are not counted.
    """
    ends, reports, draws = (
        lines.examine_lines(folder / name) for name in (schema.TRIALS_FILE, schema.REPORTS_FILE, schema.DRAWS_FILE)
    )
    last = {line.get("trial_id"): line.get("epochs") for _, line in ends.rows} if ends.numbered else {}
    known = {trial_id: n for trial_id, n in last.items() if isinstance(trial_id, str) and isinstance(n, int)}
    rows = [(n, line) for n, line in reports.rows if _has_epoch(line)]
    lost = reported.lost_epochs((line for _, line in rows), known) if reports.numbered else {}
    named, left = reported.name_lost(reports.damage, rows, lost)
    words = [f"{folder / schema.REPORTS_FILE}: not there: {reported.epochs_in_words({t: e})}" for t, e in left.items()]
    if damage := [*draws.damage, *named, *words, *ends.damage]:
        raise files.DamagedFile(lines.in_words(damage))


def _has_epoch(line: Mapping[str, Any]) -> bool:
    return isinstance(line.get("trial_id"), str) and type(line.get("epoch")) is int

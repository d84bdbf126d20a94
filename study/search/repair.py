"""What a damaged journal has lost, made again: draws, ends, and reports that a trial has to train once more.

A draw stands in the Optuna database too, or in its trial's end; a trial's last report in its end; an end follows from
the reports (`study.search.resume.settle`). Any other report is made by training its epoch again, from a checkpoint
before it or from the start: the same seeds give the same values. What cannot be made again is a DamagedFile.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna

from study import schema
from study.record.checkpoints import Checkpoints
from study.record.journal import Journal
from study.record.task import Task
from study.search.optuna_storage import open_storage
from study.settings import space
from study.settings.config import StudyConfig
from trainables.files import DamagedFile
from trainables.reported import epochs_in_words
from trainables.settings.edge import ConfigError


# --- draws ---
def restore_draws(study: StudyConfig, folder: Path, journal: Journal) -> None:
    """Write down the draws that the folder's trials come from and that `draws.jsonl` lacks; most often none.

    They stand in `optuna.db`, and those of trials that have ended in `trials.jsonl`. A folder of the version before had
    no `draws.jsonl`. DamagedFile if draws are lost that stand nowhere else; the last ones are simply drawn again.
    """
    ends = [end for end in journal.ends.values() if end["stage"] == schema.SEARCH]
    drawn = {line["trial_id"] for line in journal.draws}
    seen = {line["trial_id"] for line in (*journal.reports, *ends) if line["stage"] == schema.SEARCH}
    first = not journal.draws and (bool(ends) or (folder / schema.OPTUNA_FILE).exists())
    if not (first or schema.DRAWS_FILE in journal.damaged or seen - drawn or _gap(journal.draws)):
        return
    lines = _drawn_elsewhere(study, folder, journal, ends)
    known = {_place(line) for line in journal.draws}
    if found := [line for line in lines if _place(line) not in known]:
        journal.restore_draws(found)
    if (lost := _gap(journal.draws)) is not None:
        raise DamagedFile(
            f"{journal.folder / schema.DRAWS_FILE}: draws before that of trial {lost} are lost, and neither "
            f"{schema.OPTUNA_FILE} nor {schema.TRIALS_FILE} holds them; restore one of the three from a backup"
        )


def _place(draw: Any) -> tuple[int, int]:
    return draw["number"], draw["attempt"]


def _gap(draws: Sequence[Any]) -> int | None:
    """Number of the first draw that does not follow the one before it."""
    number, attempt = 0, 0
    for draw in draws:
        if _place(draw) != (number, attempt):
            return int(draw["number"])
        number, attempt = (number, attempt + 1) if draw["duplicate_of"] is not None else (number + 1, 0)
    return None


def _ended_before(number: int, end: Mapping[str, Any]) -> bool:
    return int(end["number"]) < number


def _drawn_elsewhere(study: StudyConfig, folder: Path, journal: Journal, ends: list[Any]) -> list[dict[str, Any]]:
    """All draws that the database and the ends hold, in their order, as lines of `draws.jsonl`."""
    rows = _rows_of_optuna(study, folder)
    known = {row.get("trial_id") for row in rows}
    named = ("number", "trial_id", "params", "baseline")
    rows += [{name: end[name] for name in named} for end in ends if end["trial_id"] not in known]
    rows.sort(key=lambda row: (int(row["number"]), row.get("attempt", 0)))
    final = journal.ends_in_order(schema.SEARCH)
    numbers = [int(row["number"]) for row in rows]
    lines = []
    for index, (number, row) in enumerate(zip(numbers, rows, strict=True)):
        before = itertools.takewhile(functools.partial(_ended_before, number), final)
        lines.append(
            {
                "number": number,
                "attempt": row.get("attempt", numbers[:index].count(number)),
                "trial_id": row.get("trial_id"),
                "label": space.label(row["params"]),
                "params": row["params"],
                "point_index": row.get("point_index", number if row.get("baseline") else None),
                "duplicate_of": row.get("duplicate_of"),
                "ended": row.get("ended", len(list(before))),  # if not on record: as if one trial had run at a time
            }
        )
    return lines


def _rows_of_optuna(study: StudyConfig, folder: Path) -> list[dict[str, Any]]:
    """What was noted at each Optuna trial, in the order they were drawn; none if the database is unreadable."""
    rows: list[dict[str, Any]] = []
    with contextlib.suppress(KeyError):  # a database without the study
        storage = open_storage(folder)
        trials = optuna.load_study(study_name=study.name, storage=storage).get_trials(deepcopy=False)
        started = [trial for trial in trials if schema.OPTUNA_DRAW in trial.user_attrs]
        notes = [{"params": trial.params, **trial.user_attrs[schema.OPTUNA_DRAW]} for trial in started]
        rows = [{"number": note.get("for_number"), **note} for note in notes]
        storage.engine.dispose()
    return rows


def check_draws(study: StudyConfig, journal: Journal) -> None:
    """DamagedFile if a draw is no point of the study: the file is of another one."""
    for draw in journal.draws:
        try:
            space.to_run(study, draw["params"], seed=study.seed)
        except ConfigError as error:
            path = journal.folder / schema.DRAWS_FILE
            said = f"the draw of trial {draw['number']} is none of this study ({error})"
            raise DamagedFile(f"{path}: {said}; restore the file from a backup") from None


# --- reports ---
def restore_last_reports(journal: Journal) -> None:
    """A lost last report of a trial that has ended stands in its end."""
    for trial_id, epochs in list(journal.lost.items()):
        end = journal.ends.get(trial_id)
        if end is None or epochs[-1] != end["epochs"] or not end["metrics"]:
            continue
        identity = {name: end[name] for name in ("stage", "trial_id", "number", "seed")}
        held = {"epoch": epochs[-1], "time": end["ended"], schema.HELD_S: end["wall_s"]}
        journal.append_report({**identity, **held, **end["metrics"]})


def to_repeat(tasks: Sequence[Task], journal: Journal, checkpoints: Checkpoints) -> list[Task]:
    """The trials that have to train lost epochs again, up to the last of these.

    Not those that have not ended and miss only the epochs after their last report: they go on from there anyway.
    """
    found = []
    for task in tasks:
        lost = journal.lost.get(task.trial_id, [])
        if not journal.ended(task.trial_id):
            lost = [epoch for epoch in lost if epoch < journal.last_epoch.get(task.trial_id, 0)]
        if lost:
            task = task.resumed(checkpoints.of(task), reported=lost[0] - 1)
            found.append(replace(task, repeat_until=lost[-1]))
    return found


def check_repeated(repeated: Sequence[Task], journal: Journal, errors: dict[str, str]) -> None:
    """DamagedFile if epochs that should have been trained again are not on record. errors: why, by trial."""
    for task in repeated:
        left = [epoch for epoch in journal.lost.get(task.trial_id, ()) if epoch <= (task.repeat_until or 0)]
        if left:
            why = errors.get(task.trial_id, "its trial ended before them")
            raise DamagedFile(
                f"{journal.folder / schema.REPORTS_FILE}: {epochs_in_words({task.trial_id: left})} cannot be trained "
                f"again ({why}); restore the file from a backup"
            )

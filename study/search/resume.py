"""Going on with a stage from what the journal holds: the search's draws, the scheduler's rungs, unfinished trials."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Any

import optuna

from study import schema
from study.record.checkpoints import Checkpoints
from study.record.journal import Journal
from study.record.recorder import Recorder
from study.record.task import Task
from study.search.optuna_mirror import Mirror
from study.search.optuna_storage import open_storage
from study.search.proposals import Proposals
from study.search.scheduling import Rungs
from study.settings import space
from study.settings.config import StudyConfig


def make_search(study: StudyConfig, folder: Path, journal: Journal, recorder: Recorder) -> tuple[Proposals, list[Task]]:
    """The search of a results folder, new or to go on with, and its unfinished trials."""
    adopt_earlier_draws(study, folder, journal)
    ends = journal.ends_in_order(schema.SEARCH)
    proposals = Proposals(study, journal, Mirror(study, space.define(study), folder, journal.draws, ends))
    recorder.tell = proposals.learn
    return proposals, proposals.unfinished()


def replay(rungs: Rungs | None, journal: Journal) -> set[str]:
    """Rebuild the rungs from the journal; returns the trials that a rung had told to stop."""
    stopped: set[str] = set()
    if rungs is not None:
        for line in journal.reports:
            if line["stage"] != schema.SEARCH:
                continue
            if not rungs.decide(line["trial_id"], line["number"], line["epoch"], line):
                stopped.add(line["trial_id"])
    return stopped


def settle(tasks: list[Task], stopped: set[str], recorder: Recorder, checkpoints: Checkpoints) -> list[Task]:
    """End the trials whose last report already decided them (killed in between); give the others their checkpoints."""
    going_on = []
    for task in tasks:
        full = recorder.journal.last_epoch.get(task.trial_id, 0) >= task.max_epochs
        if full or (task.trial_id in stopped and not task.baseline):
            kept = checkpoints.tidy(task, keep=1 if full else 0)
            recorder.end(task, schema.COMPLETED if full else schema.STOPPED, checkpoint=kept)
        else:
            going_on.append(task.resumed(checkpoints.of(task)))
    return going_on


# --- folders of the version before, which had no draws.jsonl ---
def adopt_earlier_draws(study: StudyConfig, folder: Path, journal: Journal) -> None:
    """Write down the draws of a folder begun before there was a draws.jsonl; nothing if it is there or not needed.

    Trials that had not ended stand in `optuna.db` alone there; if that is damaged, the ends in the journal remain.
    """
    ends = [end for end in journal.ends.values() if end["stage"] == schema.SEARCH]
    if journal.draws or not (ends or (folder / schema.OPTUNA_FILE).exists()):
        return
    rows = _earlier_rows(study, folder)
    known = {row.get("trial_id") for row in rows}
    rows += [end for end in ends if end["trial_id"] not in known]
    rows.sort(key=lambda row: int(row["number"]))
    final = journal.ends_in_order(schema.SEARCH)
    numbers = [int(row["number"]) for row in rows]
    for index, (number, row) in enumerate(zip(numbers, rows, strict=True)):
        before = itertools.takewhile(lambda end, number=number: end["number"] < number, final)
        journal.append_draw(
            {
                "number": number,
                "attempt": numbers[:index].count(number),
                "trial_id": row.get("trial_id"),
                "label": space.label(row["params"]),
                "params": row["params"],
                "point_index": row.get("point_index", number if row.get("baseline") else None),
                "duplicate_of": row.get("duplicate_of"),
                "ended": len(list(before)),  # not on record: as if one trial had run at a time
            }
        )


def _earlier_rows(study: StudyConfig, folder: Path) -> list[dict[str, Any]]:
    """What the version before noted at each Optuna trial, in the order they were drawn; none if it is unreadable."""
    rows: list[dict[str, Any]] = []
    with contextlib.suppress(KeyError):  # a database without the study
        storage = open_storage(folder)
        trials = optuna.load_study(study_name=study.name, storage=storage).get_trials(deepcopy=False)
        started = [trial for trial in trials if schema.OPTUNA_DRAW in trial.user_attrs]
        notes = [{"params": trial.params, **trial.user_attrs[schema.OPTUNA_DRAW]} for trial in started]
        rows = [{"number": note.get("for_number"), **note} for note in notes]
        storage.engine.dispose()
    return rows

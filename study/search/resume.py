"""Going on with a stage from what the journal holds: the search's draws, the scheduler's rungs, unfinished trials."""

from __future__ import annotations

from pathlib import Path

from study import schema
from study.record.checkpoints import Checkpoints
from study.record.journal import Journal
from study.record.recorder import Recorder
from study.record.task import Task
from study.search.optuna_mirror import Mirror
from study.search.proposals import Proposals
from study.search.repair import restore_draws
from study.search.rules import Stopping
from study.settings import space
from study.settings.config import StudyConfig


def make_search(study: StudyConfig, folder: Path, journal: Journal, recorder: Recorder) -> tuple[Proposals, list[Task]]:
    """The search of a results folder, new or to go on with, and its unfinished trials."""
    restore_draws(study, folder, journal)
    ends = journal.ends_in_order(schema.SEARCH)
    mirror = Mirror(study, space.define(study), folder, journal.draws, ends, journal.learned)
    proposals = Proposals(study, journal, mirror)
    recorder.tell, recorder.rest = proposals.learn, mirror.rest
    return proposals, proposals.unfinished()


def replay(rungs: Stopping | None, journal: Journal) -> set[str]:
    """Rebuild the rungs from the journal, learned trials first; returns the trials that a rung had told to stop."""
    stopped: set[str] = set()
    if rungs is not None:
        for line in journal.learned_reports:
            rungs.learn(line["trial_id"], line["number"], line["epoch"], line)
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
        reported = recorder.journal.whole_until(task.trial_id)
        full = reported >= task.max_epochs
        if full or (task.trial_id in stopped and not task.baseline):
            kept = checkpoints.tidy(task, keep=1 if full else 0)
            recorder.end(task, schema.COMPLETED if full else schema.STOPPED, checkpoint=kept)
        else:
            going_on.append(task.resumed(checkpoints.of(task), reported))
    return going_on

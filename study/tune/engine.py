"""One stage on Ray Tune: a searcher, a scheduler, the callback; everything remembered lives in the journal."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

from ray import tune
from ray.tune.search import Searcher

from study.record.checkpoints import Checkpoints
from study.record.journal import Journal
from study.record.recorder import Ledger
from study.record.task import Task, from_config
from study.search import stages
from study.search.optuna_storage import open_storage
from study.search.proposals import StudySearch, TaskList
from study.search.rungs import Rungs
from study.settings import space
from study.settings.config import StudyConfig
from study.tune.callback import StudyCallback
from study.tune.durable import durable
from study.tune.scheduler import RungScheduler
from study.tune.session import Session

MANY = 10**6


def make_search(study: StudyConfig, folder: Path, journal: Journal, ledger: Ledger) -> tuple[StudySearch, list[Task]]:
    """The searcher of the folder's storage, reconciled with the journal, and the trials to go on with."""
    grid = space.grid_points(study) if study.search.sampler == "grid" else []
    baselines = space.baseline_points(study)
    search = StudySearch(
        study,
        space.define(study),
        lambda number, params, baseline: stages.search_task(study, number, params, baseline),
        open_storage(folder),
        points=[*baselines, *grid],
        baselines=len(baselines),
    )
    ledger.tell = search.learn
    return search, search.recover(journal)


def replay(rungs: Rungs | None, journal: Journal) -> set[str]:
    """Rebuild the rungs from the journal; returns the trials that a rung had told to stop."""
    stopped: set[str] = set()
    if rungs is not None:
        for line in journal.reports:
            if line["stage"] != stages.SEARCH:
                continue
            if not rungs.decide(line["trial_id"], line["number"], line["epoch"], line):
                stopped.add(line["trial_id"])
    return stopped


def settle(tasks: list[Task], stopped: set[str], ledger: Ledger, checkpoints: Checkpoints) -> list[Task]:
    """End the trials whose last report already decided them (killed in between); give the others their checkpoints."""
    going_on = []
    for task in tasks:
        full = ledger.journal.last_epoch.get(task.trial_id, 0) >= task.max_epochs
        if full or (task.trial_id in stopped and not task.baseline):
            kept = checkpoints.tidy(task, keep=1 if full else 0)
            ledger.end(task, "completed" if full else "stopped", checkpoint=kept)
        else:
            going_on.append(task.resumed(checkpoints.of(task)))
    return going_on


def _first_or_none(searcher: StudySearch | TaskList) -> bool:
    """Whether there is anything to run; the first task stays at the head of the queue."""
    if not searcher.queue.tasks:
        task = searcher.draw() if isinstance(searcher, StudySearch) else None
        if task is None:
            return False
        searcher.queue.tasks.append(task)
    return True


def run_stage(
    name: str,
    searcher: Searcher,
    rungs: Rungs | None,
    *,
    trainable: type,
    ledger: Ledger,
    checkpoints: Checkpoints,
    connect: Callable[[], Session],
    stop: Callable[[], str | None],
    study: StudyConfig,
) -> None:
    """Run a stage's remaining trials. `name`: folder of this session below the storage. Raises StudyStopped.

    Ray is only started (`connect`) if there is something to run.
    """
    if not _first_or_none(searcher):
        return
    session = connect()
    resources = study.resources
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuner = tune.Tuner(
            tune.with_resources(durable(trainable), session.group),
            param_space={"threads": session.share.threads},
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=RungScheduler(rungs, study.objectives),
                num_samples=MANY,
                reuse_actors=resources.reuse_actors,
                trial_name_creator=lambda trial: from_config(trial.config).trial_id,
                trial_dirname_creator=lambda trial: from_config(trial.config).trial_id,
            ),
            run_config=tune.RunConfig(
                name=name,
                storage_path=checkpoints.uri,
                verbose=0,
                callbacks=[StudyCallback(ledger, checkpoints, stop)],
                failure_config=tune.FailureConfig(max_failures=resources.max_failures),
                checkpoint_config=tune.CheckpointConfig(  # the trial asks for those before its end
                    num_to_keep=2, checkpoint_frequency=0, checkpoint_at_end=True
                ),
            ),
        )
        tuner.fit()

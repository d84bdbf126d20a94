"""One stage on Ray Tune: a feed of tasks, a scheduler, the callback; everything remembered lives in the journal."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from ray import tune

from study.record.checkpoints import Checkpoints, folder_of
from study.record.recorder import Recorder
from study.record.task import from_config
from study.search.rules import Stopping
from study.settings.config import StudyConfig
from study.tune import ray_internals
from study.tune.callback import StudyCallback
from study.tune.durable import durable
from study.tune.feed import Feed
from study.tune.lives import JUDGE_S, Lives
from study.tune.rung_scheduler import RungScheduler
from study.tune.session import Session

MANY = 10**6


def run_stage(
    name: str,
    feed: Feed,
    rungs: Stopping | None,
    *,
    trainable: type,
    recorder: Recorder,
    checkpoints: Checkpoints,
    connect: Callable[[], Session],
    stop: Callable[[], str | None],
    turn: AbstractContextManager[Any],
    study: StudyConfig,
) -> None:
    """Run a stage's remaining trials. `name`: folder of this session below the storage. Raises StudyStopped.

    turn: held by whoever writes into the study's folder.

    Ray is only started (`connect`) if there is something to run.
    """
    if feed.empty:
        return
    session = connect()
    resources = study.resources
    lives = Lives(resources.max_failures, session.dead_nodes, JUDGE_S if session.health.gcs else 0.0)
    scheduler = RungScheduler(rungs, study.objectives, lives)
    if feed.at_once is not None:
        feed.at_once = session.share.concurrent
    feed.paused = lambda: bool(scheduler.held)  # rather than draw all points while no trial gets on
    with ray_internals.losses_reach_the_trial(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuner = tune.Tuner(
            tune.with_resources(durable(trainable), session.group),
            param_space={"threads": session.share.threads},
            tune_config=tune.TuneConfig(
                search_alg=feed,
                scheduler=scheduler,
                num_samples=MANY,
                reuse_actors=resources.reuse_actors,
                trial_name_creator=lambda trial: from_config(trial.config).trial_id,
                trial_dirname_creator=lambda trial: folder_of(trial.config["trial_id"], trial.config["turn"]),
            ),
            run_config=tune.RunConfig(
                name=name,
                storage_path=checkpoints.uri,
                verbose=0,
                callbacks=[StudyCallback(recorder, checkpoints, stop, turn, lives)],
                failure_config=tune.FailureConfig(max_failures=-1),  # `lives` counts
                checkpoint_config=tune.CheckpointConfig(  # the trial asks for those before its end
                    num_to_keep=2, checkpoint_frequency=0, checkpoint_at_end=True
                ),
            ),
        )
        tuner.fit()

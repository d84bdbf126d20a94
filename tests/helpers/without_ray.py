"""The engine without Ray: the same trials, recorder and rungs, one trial at a time, in milliseconds."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.train._internal.checkpoint_manager import _CheckpointManager
from ray.tune.result import SHOULD_CHECKPOINT
from ray.tune.schedulers import TrialScheduler
from ray.tune.trainable.metadata import _TrainingRunMetadata

from study.interrupt import StudyStopped
from study.record.checkpoints import folder_of
from study.tune import engine
from study.tune.callback import StudyCallback
from study.tune.durable import durable
from study.tune.lives import Lives
from study.tune.rung_scheduler import RungScheduler
from tests.helpers.engine_helpers import run_fake


def run_stage(name, feed, rungs, *, trainable, recorder, checkpoints, connect, stop, turn, study) -> None:
    """As `study.tune.engine.run_stage`, on this process. `connect` is not called: there is no Ray."""
    lives = Lives(study.resources.max_failures, list, 0.0)
    callback = StudyCallback(recorder, checkpoints, stop, turn, lives)
    scheduler = RungScheduler(rungs, study.objectives, lives)
    actors = durable(trainable)
    actors._setup_logdir = lambda self: setattr(self, "_logdir", checkpoints.uri)
    while isinstance(config := feed.suggest(""), dict):
        kept = _TrainingRunMetadata()
        kept.last_result, kept.checkpoint_manager = {}, _CheckpointManager(None)
        trial = SimpleNamespace(config=config, last_result={}, run_metadata=kept)
        trial.invalidate_json_state = lambda: None
        actor = actors(config=config)
        folder = Path(checkpoints.uri) / name / folder_of(config["trial_id"], config["turn"])
        callback.on_trial_start(0, [], trial)
        while not _over(actor, trial, folder, callback, scheduler):
            if (reason := stop()) is not None:
                raise StudyStopped(reason)
        callback.on_trial_complete(0, [], trial)
        feed.on_trial_complete("")
        if callback._error is not None:
            raise callback._error


def _over(actor: Any, trial: Any, folder: Path, callback: StudyCallback, scheduler: RungScheduler) -> bool:
    """One epoch, its report and its checkpoint; whether it was the last."""
    trial.last_result = result = actor.step()
    callback.on_trial_result(0, [], trial, result)
    decision = scheduler.on_trial_result(None, trial, result)
    over = bool(result.get("done")) or decision == TrialScheduler.STOP
    if (over or result.get(SHOULD_CHECKPOINT)) and actor._failure is None:
        kept = sorted(folder.glob("checkpoint_*"))
        path = folder / f"checkpoint_{1 + int(kept[-1].name[-6:]) if kept else 0:06d}"
        path.mkdir(parents=True)
        actor.save_checkpoint(str(path))
        for old in kept[:-1]:
            shutil.rmtree(old)
    return over


def study_in_this_process(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`run_fake` on this engine."""
    monkeypatch.setattr(engine, "run_stage", run_stage)
    return run_fake


def finished_folder(study: Any, out: Path, **options: Any) -> Path:
    """The results folder of a study named `fake` that has run to its end on this engine."""
    with pytest.MonkeyPatch.context() as patch:
        assert study_in_this_process(patch)(study, out, quiet=True, **options) == 0
    return out / "fake"

"""A trial as a class Trainable of Ray Tune: the only file of `trainables` that knows Ray.

`config` holds: `run` (nested dict for RunConfig), `stage`, `label` (what a person reads), `max_epochs` (the budget, at
most train.epochs), `threads` (torch's per trial on a CPU; default 1), `linear_epochs` (given, or in stage confirm:
epochs of the offline linear evaluation on test that follows the last epoch; its numbers join the last result).

One `step` is one epoch. A result has the keys of study.schema.REPORT_METRICS plus `epoch` and `training_iteration`
(epochs finished, also after a restore), and Tune's request for a checkpoint, as `train.checkpoint_every` says; the one
at the end is Tune's own. What goes wrong is raised as it is; `study.tune.durable` decides what becomes of the trial.
"""

from __future__ import annotations

import contextlib
import copy
import json
import signal
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from ray import tune
from ray.tune.result import SHOULD_CHECKPOINT

from trainables import checkpoint, timings
from trainables.data.dataset import Dataset, load_dataset
from trainables.evaluation import offline
from trainables.failures import TimedOut
from trainables.settings import own_code
from trainables.settings.config import DataConfig, RunConfig
from trainables.trial import Trial
from trainables.vocabulary.stages_and_statuses import CONFIRM

ALARM_GRACE_S = 0.5
"""What the trial's own check between two steps, which names the epoch, has before the alarm."""


@lru_cache(maxsize=4)
def _shared_dataset(data_json: str) -> Dataset:
    """A data set once per process and data configuration; its arrays are memory-mapped, so processes share them."""
    return load_dataset(DataConfig(**json.loads(data_json)))


@contextlib.contextmanager
def _time_left(limit_s: float | None, elapsed_s: float) -> Iterator[None]:
    """Raise TimedOut inside this context when a trial's time is up, wherever it is: reading, evaluating, asleep.

    `Trial` looks at its clock between steps only. Needs the main thread, where Ray runs an actor's methods.
    """
    if limit_s is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise TimedOut(f"over train.time_limit_s ({limit_s:g} s)")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, max(limit_s - elapsed_s, 1e-3) + ALARM_GRACE_S)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class TrialActor(tune.Trainable):
    """One trial in Tune. With `reuse_actors` one process runs many trials after another (`reset_config`)."""

    trial: Trial | None = None

    def setup(self, config: dict[str, Any]) -> None:
        """Build nothing yet: a trial to be restored is built then, any other by its first `step`."""
        self._begin(config)

    def _begin(self, config: dict[str, Any]) -> None:
        self.label = str(config.get("label", "trial"))
        own_code.load_named(config["run"], allow_code=True)  # what the driver could load, which was allowed to
        self.run_config = RunConfig(**config["run"])
        self.max_epochs = min(int(config.get("max_epochs", self.run_config.train.epochs)), self.run_config.train.epochs)
        self.tests = config.get("stage") == CONFIRM or "linear_epochs" in config
        self.linear_epochs = int(config.get("linear_epochs", 90))
        self.last_report: dict[str, Any] = {}  # what is known of the trial, also if it fails before its first epoch
        self.trial = None
        self.cadence = checkpoint.Cadence(self.run_config.train.checkpoint_every)
        torch.set_num_threads(int(config.get("threads", 1)))

    def _built(self) -> Trial:
        if self.trial is None:
            dataset = _shared_dataset(self.run_config.data.model_dump_json())
            self.trial = Trial(self.run_config, dataset)
            self.last_report.setdefault("support_bytes", self.trial.method.support.nbytes)
            self.last_report.setdefault("method_bytes", self.trial.method.nbytes)
        return self.trial

    @property
    def epoch(self) -> int:
        """Epochs finished."""
        return self.trial.epoch if self.trial is not None else 0

    def step(self) -> dict[str, Any]:
        """Train and evaluate one epoch; the report as a Tune result.

        Raises Diverged, TimedOut, torch's and Python's errors of memory, and whatever else goes wrong.
        """
        elapsed_s = self.trial.elapsed_s if self.trial is not None else 0.0
        with _time_left(self.run_config.train.time_limit_s, elapsed_s):
            self.last_report = self._built().run_epoch()
            if self.tests and self.last_report["epoch"] >= self.max_epochs:
                self.last_report |= self._test()
        epoch = self.last_report["epoch"]
        return {
            **self.last_report,
            "training_iteration": epoch,
            "done": epoch >= self.max_epochs,
            SHOULD_CHECKPOINT: self.cadence.due(epoch),
        }

    def save(self, checkpoint_dir: str | None = None) -> Any:
        """Ray's save, copy to the storage included, timed: its duration says when the next one is due."""
        with self.cadence.saving():
            return super().save(checkpoint_dir)

    def _test(self) -> dict[str, float]:
        """Offline evaluation of a copy of the finished encoder on test (study.schema.TEST_METRICS)."""
        trial = self.trial
        encoder = copy.deepcopy(trial.method.networks.encoder).eval().requires_grad_(False)
        data = trial.dataset
        facts = data.mean, data.std, data.channels, data.image_size
        frozen = offline.Frozen(encoder, trial.cfg, *facts, trial.epoch)
        evaluation = offline.evaluate(frozen, epochs=self.linear_epochs, device=trial.device, seed=trial.cfg.seed)
        return evaluation.metrics

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write the trial's state into the folder; a trial that never began leaves none."""
        if self.trial is not None:
            state = self.trial.state_dict() | {"last_report": _plain(self.last_report)}
            checkpoint.write(Path(checkpoint_dir) / checkpoint.TRIAL_FILE, state)

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        """Continue from a checkpoint. Raises CheckpointError if it is missing, damaged or of another run."""
        state = checkpoint.read(Path(checkpoint_dir) / checkpoint.TRIAL_FILE)
        with checkpoint.foreign_content():
            last_report = _checked(state.pop("last_report"))
        self._built().load_state_dict(state)
        self.last_report = last_report

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Become another trial in the same process: memory is freed and its peak counted anew."""
        self._free()
        self._begin(new_config)
        return True

    def cleanup(self) -> None:
        """Free the trial's memory."""
        self._free()

    def _free(self) -> None:
        if self.trial is not None:
            timings.remember(self.trial, self._gpu_share())
            self.trial.close()
            self.trial = None

    def _gpu_share(self) -> float:
        wanted = self.trial_resources
        return float(wanted.required_resources.get("GPU", 1.0)) if wanted is not None else 1.0

    def __repr__(self) -> str:
        return getattr(self, "label", "trial")  # Ray's dashboard and log prefix


def _checked(report: dict[str, Any]) -> dict[str, Any]:
    """A report of a checkpoint. Raises ValueError if it cannot be one of this program."""
    if not all(isinstance(name, str) and isinstance(value, int | float) for name, value in report.items()):
        raise ValueError("last_report is not a report")
    return report


def _plain(report: dict[str, Any]) -> dict[str, Any]:
    """A report without its picture, which is written once and needs no second life in a checkpoint."""
    return {name: value for name, value in report.items() if name != "projection"}

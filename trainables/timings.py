"""How long epochs took on this machine in earlier runs, remembered in the user's cache folder.

A file per kind of run (`times/KEY.json`) holds the newest runs of it; the key is of all that decides an epoch's time
but the support set's size, which stands with each run. Seconds are those on a core (on a GPU: of wall time), so what
else ran at the time is not in them. A memory that cannot be read or written is none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import statistics
from pathlib import Path
from typing import Any, NamedTuple

import torch

from trainables import shapes
from trainables.data.cache import cache_folder
from trainables.files import SCHEMA_VERSION, DamagedFile, checked, write_atomically
from trainables.settings.config import RunConfig
from trainables.trial import Trial
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.methods_and_support_sets import METHODS, SUPPORT_KINDS

FOLDER = "times"
MOST_RUNS, MOST_FILES = 20, 500
ALIKE = 4
"""Times as many vectors as another a support set may hold, if look-ups are to take about as long."""
FEW = 4096
"""Vectors whose look-up hardly shows."""
SECTIONS = ("method", "encoder", "heads", "loss", "support", "positives", "augment", "train", "optimizer", "probe")
NO_MATTER = {
    "loss": {"temperature"},
    "support": {"queue_size", "k", "half_life", "revive_after", "forget_every"},
    "positives": {"soft_temperature", "momentum"},
    "train": {"epochs", "time_limit_s", "checkpoint_every"},
    "optimizer": {"learning_rate", "momentum", "weight_decay", "lars_eta", "warmup_epochs"},
    "probe": {"score", "learning_rate", "every", "knn_temperature", "projection_every", "projection_samples"},
}
"""Settings that change no epoch's time, or whose part in it is counted."""
RUN = shapes.shape(
    {"vectors": shapes.WHOLE, "epochs": shapes.WHOLE, "train_s": shapes.NUMBER, "evaluation_s": shapes.NUMBER}
)


class Kind(NamedTuple):
    """What decides an epoch's time beside the settings."""

    channels: int
    image_size: int
    classes: int
    train: int
    validation: int
    device: str
    threads: int
    gpu_share: float
    """Of a GPU that a run has for itself; 1 on a CPU."""


class Learned(NamedTuple):
    """Medians over earlier runs: seconds of an epoch's training and of one evaluation; epochs that they rest on."""

    train_s: float
    evaluation_s: float
    epochs: int


def kind_of(trial: Trial, gpu_share: float = 1.0) -> Kind:
    """Of a trial that is built, with torch's threads as they are."""
    data, device = trial.dataset, trial.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    counts = len(trial.train_data.labels), len(trial.evaluator.validation.labels)
    threads = torch.get_num_threads() if device.type == "cpu" else 0
    share = gpu_share if device.type == "cuda" else 1.0
    return Kind(data.channels, data.image_size, data.num_classes, *counts, name, threads, share)


def vectors_of(cfg: RunConfig) -> int:
    """Vectors that the support set of a run holds; 0 where its class alone knows."""
    method = METHODS[cfg.method]
    return int(SUPPORT_KINDS[method.support].count(cfg.support) or 0)


def _file(cfg: RunConfig, kind: Kind) -> Path:
    settings = cfg.model_dump(mode="json", include=set(SECTIONS))
    for section, names in NO_MATTER.items():
        for name in names:
            settings[section].pop(name, None)
    machine = [platform.node(), platform.machine(), torch.__version__]
    text = json.dumps([settings, kind, machine], sort_keys=True)
    return cache_folder(None) / FOLDER / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"


def remember(trial: Trial, gpu_share: float = 1.0) -> None:
    """Write down how long the epochs of a trial took that this process has trained; its first one is no measure."""
    times = list(trial.times)[1:]
    training = [one.training.busy_s for one in times]
    evaluation = [one.evaluation.busy_s for one in times if one.evaluation is not None]
    if not training or not evaluation:
        return
    run = {
        "vectors": vectors_of(trial.cfg),
        "epochs": len(training),
        "train_s": statistics.median(training),
        "evaluation_s": statistics.median(evaluation),
    }
    with contextlib.suppress(OSError, UserError):
        path = _file(trial.cfg, kind_of(trial, gpu_share))
        path.parent.mkdir(exist_ok=True)
        runs = [*_runs(path), run][-MOST_RUNS:]
        write_atomically(path, json.dumps({"schema": SCHEMA_VERSION, "runs": runs}) + "\n")
        for old in sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime)[:-MOST_FILES]:
            old.unlink(missing_ok=True)


def recall(cfg: RunConfig, kind: Kind) -> Learned | None:
    """What earlier runs of this kind took, with a support set of about this size; None if there were none."""
    runs: list[dict[str, Any]] = []
    with contextlib.suppress(OSError, UserError):
        runs = [run for run in _runs(_file(cfg, kind)) if _alike(run["vectors"], vectors_of(cfg))]
    if not runs:
        return None
    train_s, evaluation_s = (statistics.median(run[name] for run in runs) for name in ("train_s", "evaluation_s"))
    return Learned(train_s, evaluation_s, sum(run["epochs"] for run in runs))


def _alike(one: int, other: int) -> bool:
    low, high = sorted((max(one, FEW), max(other, FEW)))
    return high <= ALIKE * low


def _runs(path: Path) -> list[dict[str, Any]]:
    """Of a file; none if it is not there, or not what this program wrote."""
    try:
        found = checked(json.loads(path.read_text(encoding="utf-8")), str(path)).get("runs")
        for run in found:
            RUN.check(run, str(path))
    except (FileNotFoundError, ValueError, TypeError, DamagedFile, RecursionError):
        return []
    return list(found)

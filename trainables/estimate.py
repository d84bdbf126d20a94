"""What a run will cost on this machine: a few steps on noise of the data's shape, timed and scaled up."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from trainables import devices
from trainables.data.dataset import Dataset, Split
from trainables.evaluation import probe
from trainables.settings.config import RunConfig
from trainables.trial import Trial


class Estimate(NamedTuple):
    """Cost of a run on this machine: seconds per training step, per evaluation, per epoch (both); peak bytes."""

    step_s: float
    evaluation_s: float
    epoch_s: float
    peak_memory_bytes: int
    checkpoint_bytes: int


class Sizes(NamedTuple):
    """What `estimate` must know of data it need not have: image shape, classes, images for training and validation."""

    channels: int = 3
    image_size: int = 32
    num_classes: int = 100
    train: int = 45_000
    validation: int = 5_000


def estimate(
    cfg: RunConfig,
    dataset: Dataset | Sizes | None = None,
    steps: int = 3,
    *,
    budget_s: float = 5.0,
    device: torch.device | str | None = None,
) -> Estimate:
    """Time a few training steps on noise of the data's shape and scale up to an epoch.

    Where that would take longer than `budget_s`, one step on a few images is timed and scaled by their number (then
    the peak memory is that of the few). `dataset` None: CIFAR-100's sizes. Nothing is read from disk.
    """
    sizes = _sizes(dataset)
    batch = min(cfg.train.batch_size, sizes.train)
    small = min(batch, 8)
    timed, used = _timed_trial(cfg, sizes, small, 1, device), small
    if timed.step_s / small * batch * (steps + 1) <= budget_s:
        timed, used = _timed_trial(cfg, sizes, batch, steps, device), batch
    step_s = timed.step_s * batch / used
    epoch_steps = sizes.train // batch if cfg.train.drop_last else -(-sizes.train // batch)
    evaluation_s = timed.encode_s_per_image * (sizes.train + sizes.validation)
    epoch_s = step_s * max(1, epoch_steps) + evaluation_s / cfg.probe.every
    return Estimate(step_s, evaluation_s, epoch_s, timed.peak_memory_bytes, timed.checkpoint_bytes)


def _sizes(dataset: Dataset | Sizes | None) -> Sizes:
    if dataset is None or isinstance(dataset, Sizes):
        return dataset or Sizes()
    held = len(dataset.train.labels_N), len(dataset.validation.labels_N)
    return Sizes(dataset.channels, dataset.image_size, dataset.num_classes, *held)


class _Timed(NamedTuple):
    step_s: float
    encode_s_per_image: float
    peak_memory_bytes: int
    checkpoint_bytes: int


def _timed_trial(cfg: RunConfig, sizes: Sizes, batch: int, steps: int, device: Any) -> _Timed:
    """Median seconds of a step and of encoding an image, on a trial that is thrown away."""
    epochs = cfg.train.epochs + steps + 1  # the noise may be a single batch: no run is too short to be timed
    changed = {"train": cfg.train.model_copy(update={"batch_size": batch, "epochs": epochs, "time_limit_s": None})}
    noise = noise_dataset(sizes, max(batch, sizes.num_classes * cfg.probe.few_shot_labels))
    trial = Trial(cfg.model_copy(update=changed), noise, device)
    index = torch.arange(batch, device=trial.device)
    _fill(trial)
    trial.method.train()
    times = [_seconds(trial, lambda: trial.train_step(index)) for _ in range(steps + 1)]  # the first warms up
    images = trial.train_data.images[:batch]
    encoder = trial.method.networks.encoder
    encode_s = _seconds(trial, lambda: probe.encode(encoder, images, noise.mean, noise.std))
    file_bytes = sum(tensor.nbytes for tensor in _tensors(trial.state_dict()))
    timed = _Timed(statistics.median(times[1:]), encode_s / batch, trial.peak_memory.bytes(), file_bytes)
    trial.close()
    return timed


def _fill(trial: Trial) -> None:
    """Noise for the support set, so that look-ups cost what they do in a run; in pieces, to leave the peak memory."""
    left = trial.method.support.vectors
    while left:
        rows = min(left, 4096)
        keys = torch.randn(rows, trial.cfg.heads.embedding_dim, device=trial.device)
        zeros = torch.zeros(rows, dtype=torch.int64, device=trial.device)
        trial.method.support.update(keys, ids_B=zeros - 1, labels_B=zeros)
        left -= rows


def _seconds(trial: Trial, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    devices.synchronise(trial.device)
    return time.perf_counter() - started


def noise_dataset(sizes: Sizes, images: int) -> Dataset:
    """Random images of the given shape as a data set, every class present."""
    rng = np.random.default_rng(0)
    shape = (images, sizes.channels, sizes.image_size, sizes.image_size)
    labels = np.arange(images, dtype=np.int64) % sizes.num_classes
    split = Split(rng.integers(0, 256, shape, dtype=np.uint8), labels, np.arange(images, dtype=np.int64))
    return Dataset(
        name="noise",
        fingerprint="0",
        num_classes=sizes.num_classes,
        class_names=tuple(str(label) for label in range(sizes.num_classes)),
        channels=sizes.channels,
        image_size=sizes.image_size,
        mean=(0.5,) * sizes.channels,
        std=(0.25,) * sizes.channels,
        train=split,
        validation=split,
        sizes={"train": images, "validation": images},
    )


def _tensors(state: Any) -> Iterator[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, dict | list | tuple):
        for value in state.values() if isinstance(state, dict) else state:
            yield from _tensors(value)

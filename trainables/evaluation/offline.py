"""Offline evaluation of a frozen encoder.

The encoder is in eval mode and never changes; its features are computed once. On them: a linear classifier (SGD,
momentum 0.9, cosine to 0 over 90 epochs, learning rate chosen on validation), weighted kNN, and the few-shot probe, all
scored on the test split. This is the one place of `trainables` that reads test images.

Shapes: V cached views, N images, F features.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from trainables import checkpoint, devices
from trainables.augment.two_views import TwoViews
from trainables.data.dataset import Dataset, load_dataset, load_test
from trainables.evaluation import named, probe
from trainables.evaluation.classifier import RATES, accuracies, fit_and_choose
from trainables.maths import metrics
from trainables.model.networks import build_encoder
from trainables.settings import own_code
from trainables.settings.config import AugmentConfig, DataConfig, RunConfig
from trainables.vocabulary.errors import UserError
from trainables.wording import shorten

CROPS_AND_FLIPS = {"jitter": 0.0, "grey": 0.0, "blur": 0.0, "solarise": 0.0}


@dataclass(frozen=True)
class Frozen:
    """An encoder that is only looked at, and the normalisation it was trained with (mean, std per channel, 0..1)."""

    encoder: nn.Module
    cfg: RunConfig
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: int
    image_size: int
    epoch: int
    file: Path | None = None
    """The checkpoint it was read from."""


class Evaluation(NamedTuple):
    """Accuracies on test in % (`metrics`: keys of TEST_METRICS of the vocabulary) and how they came about."""

    metrics: dict[str, float]
    knn200_acc1: float
    learning_rate: float
    validation_acc1: float
    images: int


def load_frozen(
    path: str | Path,
    device: torch.device | str = "cpu",
    say: Callable[[str], None] = lambda message: None,
    trial: str | None = None,
    *,
    allow_code: bool = False,
) -> Frozen:
    """The encoder of a checkpoint file, or of the newest usable checkpoint in a run's folder; `say`: which were not.

    `trial`: id of a trial, `path` being its study's results folder. allow_code: whether parts of one's own, which its
    settings name, may be imported. Raises UserError if it has some, and they may not be or are not found.
    CheckpointError if anything of the encoder is missing, superfluous or of another shape: never a random encoder.
    """
    found: list[Frozen] = []
    newest = checkpoint.read_newest(
        named.candidates(Path(path), trial), lambda state: found.append(frozen_of(state, device, allow_code=allow_code))
    )
    if newest is None:
        raise checkpoint.CheckpointError(f"{path}: no checkpoint in this folder; name the file itself")
    for message in newest.skipped:
        say(f"skipped: {message}")
    return dataclasses.replace(found[-1], file=newest.path)


def frozen_of(state: dict[str, Any], device: torch.device | str, *, allow_code: bool = False) -> Frozen:
    """The encoder of a trial's state. Raises CheckpointError, and UserError for code that cannot be had."""
    if state.get("kind") != "trial":
        raise checkpoint.CheckpointError("a checkpoint, but not of a trial: it holds no encoder")
    with checkpoint.foreign_content():
        settings = {**state["config"], "measure": {}}  # what it measured plays no part
    own_code.load_recorded(settings, allow_code=allow_code)
    with checkpoint.foreign_content():
        try:
            cfg = RunConfig(**settings)
        except ValidationError as error:
            said = shorten(" ".join(str(error).split()))
            raise checkpoint.CheckpointError(f"its settings do not fit this program: {said}") from None
        facts = state["data"]
        channels, mean, std = facts["channels"], tuple(facts["mean"]), tuple(facts["std"])
        if channels not in (1, 3) or not len(mean) == len(std) == channels:
            raise ValueError(f"images of {channels} channels, mean {mean}, std {std}")
        encoder = build_encoder(cfg.encoder, channels)
        own = encoder.state_dict()
        prefix = "networks.encoder."
        weights = {name.removeprefix(prefix): v for name, v in state["method"].items() if name.startswith(prefix)}
        try:
            checkpoint.check_like(weights, own, "encoder")
        except ValueError as error:
            raise checkpoint.CheckpointError(f"its weights do not fit the encoder: {error}") from None
        sizes = {"image_size": facts["image_size"], "epoch": state["epoch"], "mean": mean, "std": std}
        checkpoint.check_like(sizes, {"image_size": 1, "epoch": 1, "mean": (0.5,) * channels, "std": (0.5,) * channels})
        encoder.load_state_dict(weights, strict=True)
        encoder.to(device).eval().requires_grad_(False)
        return Frozen(encoder, cfg, mean, std, channels, facts["image_size"], state["epoch"])


def evaluate(
    source: str | Path | Frozen,
    data: DataConfig | None = None,
    *,
    epochs: int = named.LINEAR_EPOCHS,
    views: int = 1,
    device: torch.device | str | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = lambda message: None,
) -> Evaluation:
    """Evaluate an encoder on the test split of its own data or, for transfer, of `data`.

    `views`: 1 trains the classifier on the images as they are; more caches that many random crops and flips of each
    training image and goes through them epoch by epoch. Images are normalised as in pretraining, also in transfer; they
    keep their size unless `data.image_size` says otherwise (the command line says: that of pretraining).
    Raises UserError where the data do not fit the encoder, CheckpointError for an unusable checkpoint.
    """
    device = devices.pick_device("auto") if device is None else torch.device(device)
    frozen = source if isinstance(source, Frozen) else load_frozen(source, device)
    data = data or frozen.cfg.data
    dataset = load_dataset(data, progress)
    if dataset.channels not in (1, frozen.channels):
        raise UserError(
            f"the encoder takes {frozen.channels} channel(s), data '{dataset.name}' has {dataset.channels}: "
            f"choose data with {frozen.channels}"
        )
    test_split, draws = load_test(data, progress), _few_shot_draws(frozen, data, dataset)  # errors before the work
    progress(f"encoding {len(dataset.train.labels_N)} training images, {views} view(s)")
    train_VNF, labels = encode_training(frozen, dataset, views, device, seed)
    validation = encode_split(frozen, devices.to_device(*dataset.validation, device))
    test = encode_split(frozen, devices.to_device(*test_split, device))
    progress(f"training the linear classifier, {epochs} epochs at {len(RATES)} learning rates")
    return _score(dataset.num_classes, draws, (train_VNF, labels), validation, test, epochs, seed)


def _few_shot_draws(frozen: Frozen, data: DataConfig, dataset: Dataset) -> np.ndarray:
    settings, labels_N = frozen.cfg.probe, np.asarray(dataset.train.labels_N)
    return probe.few_shot_draws(
        labels_N, dataset.num_classes, settings.few_shot_labels, settings.few_shot_draws, data.split_seed
    )


def _score(
    classes: int,
    draws_RS: np.ndarray,
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    epochs: int,
    seed: int,
) -> Evaluation:
    train_VNF, labels = train
    plain = train_VNF[0]
    chosen = fit_and_choose(train_VNF, labels, validation, classes, epochs=epochs, seed=seed)
    acc1, acc5 = accuracies(chosen.classifier, *test)
    knn20, knn200 = (
        100.0 * float(metrics.knn_accuracy(plain, labels, *test, min(k, len(plain)), 0.07, classes, ks=(1,))[0])
        for k in (20, 200)
    )
    draws = torch.as_tensor(draws_RS, device=plain.device)
    few_shot = probe.few_shot_accuracy(plain, labels, *test, draws, classes)
    values = {"test_acc1": acc1, "test_acc5": acc5, "test_knn_acc1": knn20, "test_few_shot_acc1": few_shot}
    return Evaluation(values, knn200, chosen.rate, chosen.validation_acc1, len(test[1]))


def encode_split(frozen: Frozen, split: devices.OnDevice) -> tuple[Tensor, Tensor]:
    """Features [N, F] and labels [N] of a split."""
    return probe.encode(frozen.encoder, _fitting(frozen, split.images), frozen.mean, frozen.std), split.labels


def encode_training(
    frozen: Frozen, dataset: Dataset, views: int, device: torch.device, seed: int
) -> tuple[Tensor, Tensor]:
    """Features [V, N, F] and labels [N] of the training images: the images themselves, then random crops and flips."""
    split = devices.to_device(*dataset.train, device)
    plain, labels = encode_split(frozen, split)
    parts = [plain]
    cut = TwoViews(
        AugmentConfig.model_validate({"view1": CROPS_AND_FLIPS, "view2": CROPS_AND_FLIPS}),
        image_size=dataset.image_size,
        channels=frozen.channels,
        mean=frozen.mean,
        std=frozen.std,
        device=device,
    )
    generator = torch.Generator(device).manual_seed(seed)
    images = _fitting(frozen, split.images)
    with torch.no_grad():
        while len(parts) < views:  # two views a round
            pairs = [
                frozen.encoder(cut.both(chunk, generator)).float().unflatten(0, (2, len(chunk)))
                for chunk in images.split(512)
            ]
            parts += torch.cat(pairs, dim=1).unbind()
    return torch.stack(parts[:views]), labels


def _fitting(frozen: Frozen, images_NCHW: Tensor) -> Tensor:
    """Grey images repeated to the encoder's channels."""
    return images_NCHW.expand(-1, frozen.channels, -1, -1)

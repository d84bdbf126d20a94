"""Offline evaluation of a frozen encoder: `python -m trainables.linear_eval CHECKPOINT [--data NAME] [--root DIR]`.

The encoder is in eval mode and never changes; its features are computed once. On them: a linear classifier (SGD,
momentum 0.9, cosine to 0 over 90 epochs, learning rate chosen on validation), weighted kNN, and the few-shot probe, all
scored on the test split. This is the one place of `trainables` that reads test images.

Shapes: V cached views, N images, F features, C classes, L learning rates tried side by side.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.functional import one_hot

from trainables import checkpoint, devices
from trainables.augment.two_views import TwoViews
from trainables.data.dataset import Dataset, load_dataset, load_test
from trainables.evaluation import probe
from trainables.maths import metrics
from trainables.maths.schedules import warmup_cosine
from trainables.model.networks import build_encoder
from trainables.settings.config import AugmentConfig, DataConfig, RunConfig
from trainables.vocabulary import UserError

ENCODER_PREFIX = "networks.encoder."
RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
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


class Evaluation(NamedTuple):
    """Accuracies on test in % (`metrics`: keys of study.schema.TEST_METRICS) and how they came about."""

    metrics: dict[str, float]
    knn200_acc1: float
    learning_rate: float
    validation_acc1: float
    images: int


def load_frozen(path: str | Path, device: torch.device | str = "cpu") -> Frozen:
    """The encoder of a checkpoint file, or of the newest checkpoint in a run's folder.

    CheckpointError if anything of the encoder is missing, superfluous or of another shape: never a random encoder.
    """
    path = Path(path)
    if path.is_dir():
        found = [*checkpoint.in_folder(path), *checkpoint.in_folder(path / "checkpoints"), *path.glob("trial.ckpt")]
        newest = checkpoint.read_newest(found)
        if newest is None:
            raise checkpoint.CheckpointError(f"{path}: no checkpoint in this folder; name the file itself")
        state, path = newest.state, newest.path
    else:
        state = checkpoint.read(path)
    if state.get("kind") != "trial":
        raise checkpoint.CheckpointError(f"{path}: a checkpoint, but not of a trial: it holds no encoder")
    try:
        cfg = RunConfig(**state["config"])
    except ValidationError as error:
        raise checkpoint.CheckpointError(f"{path}: its settings do not fit this program: {error}") from None
    facts = state["data"]
    encoder = build_encoder(cfg.encoder, facts["channels"])
    weights = {
        name.removeprefix(ENCODER_PREFIX): value
        for name, value in state["method"].items()
        if name.startswith(ENCODER_PREFIX)
    }
    try:
        encoder.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise checkpoint.CheckpointError(
            f"{path}: its weights do not fit the encoder: {' '.join(str(error).split())}"
        ) from None
    encoder.to(device).eval().requires_grad_(False)
    mean, std = tuple(facts["mean"]), tuple(facts["std"])
    return Frozen(encoder, cfg, mean, std, facts["channels"], facts["image_size"], state["epoch"])


def evaluate(
    source: str | Path | Frozen,
    data: DataConfig | None = None,
    *,
    epochs: int = 90,
    views: int = 1,
    device: torch.device | str | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = lambda message: None,
) -> Evaluation:
    """Evaluate an encoder on the test split of its own data or, for transfer, of `data`.

    `views`: 1 trains the classifier on the images as they are; more caches that many random crops and flips of each
    training image and goes through them epoch by epoch. Images are normalised as in pretraining, also in transfer; they
    keep their size unless `data.image_size` says otherwise (the command line says: that of pretraining).
    Raises ValueError where the data do not fit the encoder, CheckpointError for an unusable checkpoint.
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


class Classifier(NamedTuple):
    """A linear map on centred and scaled features: weights [F, C], bias [C], centre [F], scale (one number)."""

    weights: Tensor
    bias: Tensor
    centre: Tensor
    scale: Tensor

    def logits(self, features_NF: Tensor) -> Tensor:
        return torch.addmm(self.bias, (features_NF - self.centre) / self.scale, self.weights)


class Chosen(NamedTuple):
    classifier: Classifier
    rate: float
    validation_acc1: float


def fit_and_choose(
    train_VNF: Tensor,
    labels_N: Tensor,
    validation: tuple[Tensor, Tensor],
    num_classes: int,
    *,
    epochs: int,
    seed: int,
    rates: tuple[float, ...] = RATES,
) -> Chosen:
    """Fit one classifier per learning rate and keep the best on validation (the smaller rate on a tie)."""
    centre = train_VNF.mean((0, 1))
    scale = (train_VNF - centre).square().mean().sqrt().clamp_min(1e-12)
    weights_LFC, bias_L1C = fit_linear(
        (train_VNF - centre) / scale, labels_N, num_classes, rates=rates, epochs=epochs, seed=seed
    )
    fitted = [Classifier(w, b[0], centre, scale) for w, b in zip(weights_LFC, bias_L1C, strict=True)]
    scores = [accuracies(one, *validation)[0] for one in fitted]
    best = int(np.argmax(scores))
    return Chosen(fitted[best], rates[best], scores[best])


@torch.no_grad()
def fit_linear(
    train_VNF: Tensor,
    labels_N: Tensor,
    num_classes: int,
    *,
    rates: tuple[float, ...],
    epochs: int,
    seed: int,
    batch_size: int = 256,
) -> tuple[Tensor, Tensor]:
    """Weights [L, F, C] and biases [L, 1, C] of L softmax classifiers, trained side by side on the same batches.

    Each minimises the mean cross-entropy by SGD with momentum 0.9 from zero, without decay, at its own rate with a
    cosine to 0. Epoch e uses view e modulo V. The gradient is written out: softmax minus one-hot.
    """
    views, images, features = train_VNF.shape
    device, dtype = train_VNF.device, train_VNF.dtype
    weights = torch.zeros(len(rates), features, num_classes, device=device, dtype=dtype)
    bias = torch.zeros(len(rates), 1, num_classes, device=device, dtype=dtype)
    moving = [torch.zeros_like(weights), torch.zeros_like(bias)]
    rate_L11 = torch.tensor(rates, device=device, dtype=dtype).view(-1, 1, 1)
    targets_NC = one_hot(labels_N, num_classes).to(dtype)
    generator = torch.Generator(device).manual_seed(seed)
    steps = -(-images // batch_size)
    for epoch in range(epochs):
        order = torch.randperm(images, generator=generator, device=device)
        for number, index in enumerate(order.split(batch_size)):
            rows = train_VNF[epoch % views].index_select(0, index)
            error = torch.softmax(rows @ weights + bias, dim=-1) - targets_NC.index_select(0, index)
            share = warmup_cosine(epoch * steps + number, warmup_steps=0, total_steps=epochs * steps, base=1.0)
            for value, moved, gradient in (
                (weights, moving[0], rows.T @ error / len(index)),
                (bias, moving[1], error.mean(1, keepdim=True)),
            ):
                moved.mul_(0.9).add_(gradient)
                value.sub_(moved * rate_L11 * share)
    return weights, bias


def accuracies(classifier: Classifier, features_NF: Tensor, labels_N: Tensor) -> tuple[float, float]:
    """acc@1 and acc@5 in %, over samples."""
    logits = classifier.logits(features_NF)
    hits = metrics.topk_correct(logits, labels_N, (1, min(5, logits.shape[1])))
    return tuple(100.0 * float(hit) / len(labels_N) for hit in hits)


if __name__ == "__main__":
    from trainables.command_line import linear_eval_main

    sys.exit(linear_eval_main())

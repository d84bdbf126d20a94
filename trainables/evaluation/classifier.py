"""A linear classifier on fixed features: several learning rates side by side, the best chosen on validation.

Shapes: V views of the training images, N images, F features, C classes, L learning rates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from trainables.maths import metrics
from trainables.maths.schedules import warmup_cosine

RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Learning rates tried."""


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
    return metrics.top_accuracies(classifier.logits(features_NF), labels_N)

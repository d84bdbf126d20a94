"""Evaluation of an encoder during training, on the validation split only.

Shapes: N training images, M validation images, F features, C classes, R draws of the few-shot probe.
An online linear probe is trained along on features without gradient; kNN, the few-shot probe and the effective rank
use features of the encoder in eval mode. All accuracies are percentages over samples, higher is better.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.augment.two_views import normalise_images
from trainables.maths import metrics
from trainables.settings.config import ProbeConfig
from trainables.vocabulary.errors import UserError


class OnlineProbe(nn.Module):
    """A linear classifier trained along with the encoder by its own SGD (momentum 0.9, no weight decay).

    It starts at zero, so it takes nothing from the random numbers of the networks.
    """

    def __init__(self, cfg: ProbeConfig, features: int, num_classes: int, device: torch.device) -> None:
        super().__init__()
        self.base_rate = cfg.learning_rate
        self.linear = nn.utils.skip_init(nn.Linear, features, num_classes, device=device)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.optimizer = torch.optim.SGD(self.parameters(), lr=cfg.learning_rate, momentum=0.9, fused=True)

    def loss(self, features_BF: Tensor, labels_B: Tensor) -> Tensor:
        """Mean cross-entropy; no gradient reaches the features."""
        return functional.cross_entropy(self.linear(features_BF.detach()), labels_B)

    def step(self, share: float) -> None:
        """One update with the gradients at hand, at `share` (0 to 1, the schedule's) of the probe's own rate."""
        self.optimizer.param_groups[0]["lr"] = share * self.base_rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


@torch.no_grad()
def encode(encoder: nn.Module, images_u8: Tensor, mean: tuple, std: tuple, *, chunk: int = 1024) -> Tensor:
    """Features [N, F] float32 of uint8 images by the encoder in eval mode (its mode is put back afterwards)."""
    was_training = encoder.training
    encoder.eval()
    parts = [encoder(normalise_images(images, mean, std)).float() for images in images_u8.split(chunk)]
    encoder.train(was_training)
    return torch.cat(parts)


def few_shot_draws(labels_N: np.ndarray, num_classes: int, per_class: int, draws: int, seed: int) -> np.ndarray:
    """Indices [R, C * per_class] of the labelled images of each draw, the same for equal labels and seed.

    UserError if a class has fewer than `per_class` images.
    """
    counts = np.bincount(labels_N, minlength=num_classes)
    if counts.min() < per_class:
        raise UserError(
            f"probe.few_shot_labels ({per_class}) exceeds the smallest class of the training images "
            f"({counts.min()} images of class {counts.argmin()}): lower it or use more images"
        )
    by_class = [np.flatnonzero(labels_N == label) for label in range(num_classes)]
    chosen = []
    for draw in range(draws):
        rng = np.random.default_rng((seed, draw))
        chosen.append(np.concatenate([rng.choice(members, per_class, replace=False) for members in by_class]))
    return np.stack(chosen)


@torch.no_grad()
def logistic_regression(features_RNF: Tensor, labels_RN: Tensor, num_classes: int, *, l2: float = 1.0) -> Tensor:
    """Weights [R, F + 1, C] (last row: bias) of R independent logistic regressions, solved together by L-BFGS.

    Minimises the summed cross-entropy + l2 / 2 |W|^2 (bias free), as scikit-learn's LogisticRegression(C=1/l2) does.
    The gradient is written out and the history short: on few images the calls, not the arithmetic, take the time.
    """
    rows = torch.cat((features_RNF, torch.ones_like(features_RNF[..., :1])), dim=-1)
    weights = rows.new_zeros(len(rows), rows.shape[-1], num_classes)
    weights.grad = torch.zeros_like(weights)
    decay_F1 = rows.new_full((rows.shape[-1], 1), l2)
    decay_F1[-1] = 0
    wanted_RNC = rows.new_zeros(*labels_RN.shape, num_classes).scatter_(2, labels_RN[..., None], 1)
    columns = rows.transpose(1, 2).contiguous()
    solver = torch.optim.LBFGS(
        [weights],
        max_iter=100,
        tolerance_grad=1e-4,
        tolerance_change=1e-7,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        log_RNC = torch.bmm(rows, weights).log_softmax(dim=2)
        pull = weights * decay_F1
        torch.baddbmm(pull, columns, log_RNC.exp() - wanted_RNC, out=weights.grad)
        return (pull * weights).sum() / 2 - (log_RNC * wanted_RNC).sum()

    solver.step(objective)
    return weights


def few_shot_accuracy(
    train_NF: Tensor, train_labels_N: Tensor, test_MF: Tensor, test_labels_M: Tensor, draws_RS: Tensor, num_classes: int
) -> float:
    """Mean acc@1 in % over the draws of a logistic regression on few labelled images per class.

    Features are taken as they are, with scikit-learn's default regularisation (C = 1).
    """
    weights_RFC = logistic_regression(train_NF[draws_RS], train_labels_N[draws_RS], num_classes)
    correct = torch.zeros((), dtype=torch.int64, device=test_MF.device)
    for weights in weights_RFC:
        correct += (torch.addmm(weights[-1], test_MF, weights[:-1]).argmax(1) == test_labels_M).sum()
    return 100.0 * float(correct) / (len(test_MF) * len(weights_RFC))


def probe_accuracy(linear: nn.Linear, features_MF: Tensor, labels_M: Tensor) -> tuple[float, float]:
    """acc@1 and acc@5 in % (acc@C with fewer than 5 classes) of a linear classifier on features."""
    with torch.no_grad():
        logits = linear(features_MF)
    return metrics.top_accuracies(logits, labels_M)

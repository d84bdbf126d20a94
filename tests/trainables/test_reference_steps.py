"""Whole training steps of every method against a second, naive program: loss, gradients, LARS, schedule, support set
and moving average written out one after another, a row and a tensor at a time, from the papers' formulas.

Before each step the reference takes over the trial's weights and velocities, so that a rounding that turns one ReLU
does not part the two; its queue, prototypes, counts and moving average are its own all along.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.helpers.trial_helpers import digits, tiny
from trainables.trial import Trial

STEPS, WARM_UP = 12, 4  # three epochs of four batches; the first one warms up
RATE, DECAY, ETA, MOMENTUM = 0.2, 0.01, 0.02, 0.9
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "simclr": ("simclr", {}),
    "byol": ("byol", {}),
    "resa": ("resa", {}),
    "none": ("none", {}),
    "nnclr": ("nnclr", {}),
    "kmclr": ("kmclr", {"support": {"forget_every": 0}}),
    "kmclr, euclidean": ("kmclr", {"support": {"metric": "euclidean", "forget_every": 0}}),
    "kmclr, ema": ("kmclr", {"support": {"update": "ema", "half_life": 2.0}}),
    "kmclr, momentum": ("kmclr", {"positives": {"momentum_encoder": True}, "support": {"forget_every": 0}}),
    "nnclr, momentum": ("nnclr", {"positives": {"momentum_encoder": True}}),
}


def unit(rows: Tensor) -> Tensor:
    return F.normalize(rows, dim=1)


class Reference:
    """What the trial should be after each step."""

    def __init__(self, trial: Trial) -> None:
        self.cfg = trial.cfg
        self.nets = copy.deepcopy(trial.method.networks)
        self.target = copy.deepcopy(trial.method.target)
        self.velocity = {name: torch.zeros_like(p) for name, p in self.nets.named_parameters()}
        self.queue: list[Tensor] = []
        self.centres: Tensor | None = None
        self.counts: list[float] = []

    def take_over(self, trial: Trial) -> None:
        self.nets.load_state_dict(trial.method.networks.state_dict())
        for name, p in trial.method.networks.named_parameters():
            if p in trial.optimizer.state:
                self.velocity[name] = trial.optimizer.state[p]["velocity"].clone()

    def step(self, views: Tensor, step: int, first_prototypes: Tensor) -> float:
        """One step on both views [2B, ...]; the loss. `first_prototypes`: where k-means starts, once it does."""
        view1, view2 = views.chunk(2)
        first, second = self.nets(view1), self.nets(view2)
        with torch.no_grad():
            aims = [self.target(v) for v in (view1, view2)] if self.target else (first, second)
        keys1, keys2 = (aim.projections.detach() for aim in aims)
        self.shares = self._shares(first.features, aims[0].features) if self.cfg.method == "resa" else None
        loss = self._loss(first, second, keys1, keys2)
        gradients = torch.autograd.grad(loss, list(self.nets.parameters()))
        with torch.no_grad():
            self._lars(gradients, step)
            self._enqueue(keys1)
            self._kmeans(keys1, first_prototypes)
            self._average(step)
        return float(loss.detach())

    def _loss(self, first: Any, second: Any, keys1: Tensor, keys2: Tensor) -> Tensor:
        if self.cfg.method == "simclr":
            return self._nt_xent(unit(torch.cat([first.projections, second.projections])))
        if self.cfg.method == "byol":
            pairs = ((first.predictions, keys2), (second.predictions, keys1))
            return sum((unit(p) - unit(k)).square().sum(1).mean() for p, k in pairs) / 2
        if self.cfg.method == "resa":
            pairs = ((first.predictions, keys2), (second.predictions, keys1))
            return sum(self._in_shares(unit(p), unit(k)) for p, k in pairs) / 2
        pairs = ((self._positive(keys1), second.predictions), (self._positive(keys2), first.predictions))
        return sum(self._info_nce(positives, unit(p)) for positives, p in pairs) / 2

    def _info_nce(self, positives: Tensor, predictions: Tensor) -> Tensor:
        total = 0
        for i, positive in enumerate(positives):
            terms = torch.exp(predictions @ positive / self.cfg.loss.temperature)
            total = total - torch.log(terms[i] / terms.sum())
        return total / len(positives)

    def _shares(self, features: Tensor, aims: Tensor) -> Tensor:
        shares = torch.exp(unit(features.detach()) @ unit(aims.detach()).T / 0.05)
        for _ in range(3):
            for column in range(len(shares)):
                shares[:, column] /= shares[:, column].sum()
            for row in range(len(shares)):
                shares[row] /= shares[row].sum()
        return shares

    def _in_shares(self, predictions: Tensor, aims: Tensor) -> Tensor:
        total = 0
        for i, prediction in enumerate(predictions):
            terms = torch.exp(aims @ prediction / self.cfg.loss.temperature)
            total = total - (self.shares[i] * torch.log(terms / terms.sum())).sum()
        return total / len(predictions)

    def _nt_xent(self, z: Tensor) -> Tensor:
        rows, total = len(z), 0
        for i in range(rows):
            terms = torch.exp(z @ z[i] / self.cfg.loss.temperature)
            total = total - torch.log(terms[(i + rows // 2) % rows] / (terms.sum() - terms[i]))
        return total / rows

    def _positive(self, keys: Tensor) -> Tensor:
        if self.cfg.method == "nnclr" and self.queue:
            return torch.stack([max(self.queue, key=lambda row: float(row @ key)) for key in unit(keys)])
        if self.centres is not None:
            return unit(self.centres[self._nearest(keys)])
        return unit(keys)

    def _rows(self, keys: Tensor) -> Tensor:
        return keys if self.cfg.support.metric == "euclidean" else unit(keys)

    def _nearest(self, keys: Tensor) -> list[int]:
        return [int((self.centres - row).square().sum(1).argmin()) for row in self._rows(keys)]

    def _enqueue(self, keys: Tensor) -> None:
        if self.cfg.method == "nnclr":
            self.queue = [*self.queue, *unit(keys)][-self.cfg.support.queue_size :]

    def _kmeans(self, keys: Tensor, first_prototypes: Tensor) -> None:
        if self.cfg.method != "kmclr":
            return
        if self.centres is None:
            self.centres, self.counts = first_prototypes.clone(), [1.0] * len(first_prototypes)
            return
        ema = self.cfg.support.update == "ema"
        fade = 0.5 ** (1 / self.cfg.support.half_life) if ema else 1.0
        nearest, rows = torch.tensor(self._nearest(keys)), self._rows(keys)
        for k in range(len(self.counts)):
            mine, old = rows[nearest == k], fade * self.counts[k]
            self.counts[k] = old + len(mine)
            if len(mine):
                self.centres[k] = (old * self.centres[k] + mine.sum(0)) / self.counts[k]
            if self.cfg.support.metric == "cosine":
                self.centres[k] /= self.centres[k].norm()

    def _lars(self, gradients: tuple[Tensor, ...], step: int) -> None:
        lr = RATE * (step + 1) / WARM_UP
        if step >= WARM_UP:
            lr = RATE * (1 + math.cos(math.pi * (step - WARM_UP) / (STEPS - WARM_UP))) / 2
        for (name, p), g in zip(self.nets.named_parameters(), gradients, strict=True):
            if p.ndim > 1:
                trust = ETA * float(p.norm()) / (float(g.norm()) + DECAY * float(p.norm()))
                g = min(trust / lr, 1.0) * (g + DECAY * p)
            self.velocity[name] = MOMENTUM * self.velocity[name] + g
            p.sub_(lr * self.velocity[name])

    def _average(self, step: int) -> None:
        if self.target is not None:
            keep = 1 - (1 - self.cfg.positives.momentum) * (math.cos(math.pi * step / STEPS) + 1) / 2
            for part in ("encoder", "projector"):
                pairs = zip(getattr(self.target, part).parameters(), getattr(self.nets, part).parameters(), strict=True)
                for slow, fast in pairs:
                    slow.copy_(keep * slow + (1 - keep) * fast)


@pytest.mark.parametrize("case", CASES)
def test_steps_agree_with_the_written_out_reference(case: str):
    method, changes = CASES[case]
    optimizer = {"learning_rate": RATE, "weight_decay": DECAY, "warmup_epochs": 1}
    trial = Trial(tiny(method, optimizer=optimizer, **changes), digits())
    trial.method.train()
    reference = Reference(trial)
    assert trial.total_steps == STEPS
    for step in range(STEPS):
        index = torch.arange(32) + 32 * (step % 4)
        params = trial.views.draw(32, trial.generator)
        views = trial.views.apply(trial.train_data.images[index], params)
        reference.take_over(trial)
        loss = float(trial.train_step(index, params))
        first = trial.method.support.vectors_for_plot() if method == "kmclr" else torch.empty(0)
        if changes.get("support", {}).get("metric") == "euclidean":
            first = trial.method.support.centres_KD
        assert reference.step(views, step, first) == pytest.approx(loss, rel=1e-5)
        for ours, theirs in zip(trial.method.networks.parameters(), reference.nets.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)
    compare_states(trial, reference)


def compare_states(trial: Trial, reference: Reference) -> None:
    """What the two carried along on their own for all steps."""
    support = trial.method.support
    if reference.queue:
        assert torch.stack(reference.queue).shape == (50, 8)
        torch.testing.assert_close(support.vectors_for_plot(), torch.stack(reference.queue), atol=1e-5, rtol=1e-4)
    if reference.centres is not None:
        torch.testing.assert_close(support.centres_KD, reference.centres, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(support.counts_K, torch.tensor(reference.counts))
    if reference.target is not None:
        for ours, theirs in zip(trial.method.target.parameters(), reference.target.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)

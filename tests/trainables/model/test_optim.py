"""Optimisers: LARS against a written-out reference, which parameters are decayed, how often kernels are called."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from trainables.model import optim
from trainables.settings.config import OptimizerConfig


def reference_lars(
    weights: list[torch.Tensor], grads_per_step: list[list[torch.Tensor]], cfg: OptimizerConfig, rates: list[float]
) -> list[torch.Tensor]:
    """One tensor and one number at a time, in float64."""
    weights = [w.double().clone() for w in weights]
    velocity = [torch.zeros_like(w) for w in weights]
    for grads, lr in zip(grads_per_step, rates, strict=True):
        for i, g in enumerate(grad.double() for grad in grads):
            w = weights[i]
            if w.ndim > 1:
                w_norm, g_norm = math.sqrt(float((w * w).sum())), math.sqrt(float((g * g).sum()))
                local = 1.0
                if w_norm > 0 and g_norm > 0:
                    local = cfg.lars_eta * w_norm / (g_norm + cfg.weight_decay * w_norm)
                if cfg.lars_clip:
                    local = min(local / lr, 1.0)
                g = local * (g + cfg.weight_decay * w)
            velocity[i] = cfg.momentum * velocity[i] + g
            weights[i] = w - lr * velocity[i]
    return weights


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3), nn.Linear(3, 2))


@pytest.mark.parametrize("clip", [True, False])
def test_lars_equals_the_written_out_reference(clip: bool):
    cfg = OptimizerConfig(lars_clip=clip, lars_eta=0.02 if clip else 0.001, weight_decay=0.1)
    net = model()
    with torch.no_grad():
        net[4].weight.zero_()  # a tensor without norm takes the plain step
    params = list(net.parameters())
    start = [p.detach().clone() for p in params]
    generator = torch.Generator().manual_seed(1)
    grads = [[torch.randn(p.shape, generator=generator) * 10 ** (i % 3 - 2) for i, p in enumerate(params)]] * 3
    rates = [0.05, 0.4, 0.2]
    optimizer = optim.build_optimizer(cfg, net)
    for step_grads, rate in zip(grads, rates, strict=True):
        for p, g in zip(params, step_grads, strict=True):
            p.grad = g.clone()
        optim.set_learning_rate(optimizer, rate)
        optimizer.step()
    for ours, theirs in zip(params, reference_lars(start, grads, cfg, rates), strict=True):
        torch.testing.assert_close(ours.detach().double(), theirs, rtol=1e-5, atol=1e-7)


def one_step(w: list[float], g: list[float], **settings: object) -> torch.Tensor:
    weight = nn.Parameter(torch.tensor([w]))
    weight.grad = torch.tensor([g])
    optim.LARS([weight], momentum=0.0, **settings).step()
    return weight.detach()[0]


def test_unclipped_step_is_eta_lr_of_the_weights_norm():
    moved = one_step([3.0, 4.0], [0.0, 100.0], lr=0.2, eta=0.001, clip=False)
    assert moved.tolist() == pytest.approx([3.0, 4.0 - 0.2 * 0.001 * 5.0])


def test_clipped_step_is_never_longer_than_plain_sgds():
    long_gradient = one_step([3.0, 4.0], [0.0, 100.0], lr=0.2, eta=0.02, clip=True)
    assert long_gradient.tolist() == pytest.approx([3.0, 4.0 - 0.02 * 5.0])  # eta |w|, whatever the rate
    short_gradient = one_step([3.0, 4.0], [0.0, 0.1], lr=0.2, eta=0.02, clip=True)
    assert short_gradient.tolist() == pytest.approx([3.0, 4.0 - 0.2 * 0.1])  # plain SGD


def test_a_zero_rate_moves_nothing():
    assert one_step([3.0, 4.0], [1.0, 1.0], lr=0.0, eta=0.02, clip=True).tolist() == [3.0, 4.0]


def test_groups_are_chosen_by_dimension_not_by_name():
    net = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.BatchNorm1d(3), nn.LayerNorm(3)))
    net[1][1].weight.requires_grad_(False)
    decayed, rest = optim.parameter_groups(net, 0.5)
    assert [p.shape for p in decayed["params"]] == [(3, 2)]
    assert len(rest["params"]) == 4  # bias, two of BatchNorm, one left of LayerNorm
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.5, 0.0)


@pytest.mark.parametrize("name", ["lars", "sgd", "adamw"])
def test_decay_and_adaptation_spare_one_dimensional_parameters(name: str):
    cfg = OptimizerConfig(name=name, weight_decay=10.0, learning_rate=0.1)
    net = model()
    before = copy.deepcopy(net)
    optimizer = optim.build_optimizer(cfg, net)
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for now, then in zip(net.parameters(), before.parameters(), strict=True):
        assert torch.equal(now, then) == (now.ndim == 1)


@pytest.mark.parametrize("name", ["lars", "sgd", "adamw"])
def test_state_survives_a_round_trip_exactly(name: str):
    cfg = OptimizerConfig(name=name)
    first, second = model(), model()
    optimizers = [optim.build_optimizer(cfg, net) for net in (first, second)]

    def step(net: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for p in net.parameters():
            p.grad = torch.randn(p.shape, generator=generator)
        optimizer.step()

    step(first, optimizers[0], 1)
    second.load_state_dict(first.state_dict())
    optimizers[1].load_state_dict(copy.deepcopy(optimizers[0].state_dict()))
    for net, optimizer in zip((first, second), optimizers, strict=True):
        step(net, optimizer, 2)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_sgd_takes_its_momentum_and_adamw_its_first_beta_from_the_config():
    sgd = optim.build_optimizer(OptimizerConfig(name="sgd", momentum=0.7), model())
    adamw = optim.build_optimizer(OptimizerConfig(name="adamw", momentum=0.7), model())
    assert sgd.param_groups[0]["momentum"] == 0.7
    assert adamw.param_groups[0]["betas"] == (0.7, 0.999)


def test_a_closure_is_called_with_gradients_enabled():
    weight = nn.Parameter(torch.tensor([[1.0, 2.0]]))
    optimizer = optim.LARS([weight], lr=0.1, momentum=0.0, clip=True, eta=10.0)

    def closure() -> torch.Tensor:
        loss = (weight * weight).sum()
        loss.backward()
        return loss

    assert float(optimizer.step(closure).detach()) == 5.0
    assert weight.detach().tolist() == [[pytest.approx(0.8), pytest.approx(1.6)]]

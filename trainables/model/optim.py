"""Optimisers of the networks: LARS as multi-tensor code, plain SGD and AdamW.

Weight decay and LARS' adaptation apply to matrices and kernels (more than one dimension) only: biases and the gains
and offsets of norms are one-dimensional, whatever their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from trainables.settings.config import OptimizerConfig


class LARS(Optimizer):
    """Layer-wise adaptive rate scaling (You, Gitman, Ginsburg 2017, eq. 6) on SGD with momentum.

    For a tensor w with gradient g: local = eta |w| / (|g| + weight_decay |w|), 1 if either norm is 0; then
    v <- momentum v + local (g + weight_decay w) and w <- w - lr v.
    With `clip`, local = min(local / lr, 1) instead: no tensor moves faster than under plain SGD (apex, solo-learn).
    A group with `adapt: False` is plain SGD with momentum. Any number of tensors takes a fixed number of calls and
    the device is never waited for: the norms stay on it and the learning rate is a Python float.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]] | Iterable[Tensor],
        lr: float,
        *,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        eta: float = 0.02,
        clip: bool = True,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "eta": eta, "clip": clip}
        super().__init__(params, defaults | {"adapt": True})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """One update. Gradients are scaled in place, so they must be dropped or recomputed afterwards."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        all_params: list[Tensor] = []
        all_grads: list[Tensor] = []
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            grads = [p.grad for p in params]
            if params and group["adapt"]:
                self._adapt(params, grads, group)
            all_params += params
            all_grads += grads
        if all_params:
            self._move(all_params, all_grads)
        return loss

    @staticmethod
    def _adapt(params: list[Tensor], grads: list[Tensor], group: dict[str, Any]) -> None:
        decay = group["weight_decay"]
        weight_norms = torch.stack(torch._foreach_norm(params))
        grad_norms = torch.stack(torch._foreach_norm(grads))
        local = group["eta"] * weight_norms / grad_norms.add(weight_norms, alpha=decay)
        local = torch.where((weight_norms > 0) & (grad_norms > 0), local, 1.0)
        if group["clip"] and group["lr"] > 0:
            local = (local / group["lr"]).clamp(max=1.0)
        if decay:
            torch._foreach_add_(grads, params, alpha=decay)
        torch._foreach_mul_(grads, list(local.unbind()))

    def _move(self, params: list[Tensor], grads: list[Tensor]) -> None:
        group = self.param_groups[0]  # all groups share lr and momentum
        for param in params:
            if "velocity" not in self.state[param]:
                self.state[param]["velocity"] = torch.zeros_like(param)
        velocities = [self.state[param]["velocity"] for param in params]
        torch._foreach_mul_(velocities, group["momentum"])
        torch._foreach_add_(velocities, grads)
        torch._foreach_add_(params, velocities, alpha=-group["lr"])


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups of the module's trainable parameters: more than one dimension (decayed), and the rest (not)."""
    trainable = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]


def build_optimizer(cfg: OptimizerConfig, module: nn.Module) -> Optimizer:
    """The configured optimiser over the module's trainable parameters. The schedule is set by `set_learning_rate`."""
    groups = parameter_groups(module, cfg.weight_decay)
    if cfg.name == "lars":
        groups[1]["adapt"] = False
        return LARS(groups, cfg.learning_rate, momentum=cfg.momentum, eta=cfg.lars_eta, clip=cfg.lars_clip)
    if cfg.name == "sgd":
        return torch.optim.SGD(groups, lr=cfg.learning_rate, momentum=cfg.momentum, foreach=True)
    return torch.optim.AdamW(groups, lr=cfg.learning_rate, betas=(cfg.momentum, 0.999), fused=True)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the rate of every group; a Python float, so nothing is sent to or read from the device."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def load_optimizer(optimizer: Optimizer, found: Any, name: str, *, begun: bool) -> None:
    """Take what an optimiser remembers of its parameters from a state; its settings stay as they were built.

    begun: whether the state is of after its first step, at which it begins to remember. Raises ValueError, and nothing
    is changed, for a state that is not of these parameters.
    """
    groups = optimizer.state_dict()["param_groups"]
    if [len(group["params"]) for group in found["param_groups"]] != [len(group["params"]) for group in groups]:
        raise ValueError(f"{name} has other groups of parameters")
    params = [param for group in optimizer.param_groups for param in group["params"]]
    remembered = found["state"]
    keeps = begun and optimizer.defaults.get("momentum", 1) != 0
    if not isinstance(remembered, dict) or set(remembered) != set(range(len(params)) if keeps else ()):
        raise ValueError(f"{name}.state is not of these {len(params)} parameters")
    if len({frozenset(one) for one in remembered.values()} - {frozenset()}) != keeps:
        raise ValueError(f"{name}.state remembers other things of one parameter than of another")
    for number, one in remembered.items():
        for part, value in one.items():
            if not isinstance(value, Tensor) or value.shape not in (params[number].shape, ()):
                raise ValueError(f"{name}.state.{number}.{part} does not fit its parameter")
    optimizer.load_state_dict({"state": remembered, "param_groups": groups})

"""How much one training step asks of the device, counted without a clock (see tests/helpers/dispatch_counter.py).

Counted are ATen calls below autograd that launch kernels, in one whole `Trial.train_step` of a ResNet-18: drawing the
batch, augmentation, forward, loss, backward, LARS, online probe and its update, look-up and update of the support set.
The counts do not depend on width or batch. Not counted: tensor views and allocations, the profiler's marks around
optimisers, and the draw of the augmentation's parameters, which an epoch makes for many steps at once (its own test).
For comparison: the original study's step makes 1,289 calls and 72 waits without augmentation.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.helpers.dispatch_counter import Calls, count_calls
from trainables import estimate
from trainables.model import optim
from trainables.settings.config import OptimizerConfig, RunConfig
from trainables.trial import Trial

WIDTH = {
    "encoder": {"width": 4},
    "heads": {"projector_hidden": 8, "embedding_dim": 8, "predictor_hidden": 8},
    "support": {"k": 6, "queue_size": 20},
    "probe": {"few_shot_labels": 1},
}
PROFILER_MARKS = {"_record_function_enter_new", "_record_function_exit"}
INDEX = torch.arange(16)


def launches(calls: Calls) -> int:
    return sum(name not in PROFILER_MARKS for name in calls.names)


def warm_trial(method: str, one_forward: bool, **changes: object) -> Trial:
    cfg = RunConfig(
        method=method, device="cpu", train={"batch_size": 16, "one_forward": one_forward}, **(WIDTH | changes)
    )
    trial = Trial(cfg, estimate.noise_dataset(estimate.Sizes(image_size=16, num_classes=4), images=32))
    trial.method.train()
    for _ in range(3):  # fills the support set and the optimisers' state
        trial.train_step(INDEX)
    return trial


@pytest.mark.parametrize("method", ["kmclr", "nnclr", "none", "simclr"])
@pytest.mark.parametrize(("one_forward", "limit"), [(False, 600), (True, 320)])
def test_a_step_is_lean_and_never_waits(method: str, one_forward: bool, limit: int):
    trial = warm_trial(method, one_forward)
    params = trial.views.draw(len(INDEX), trial.generator)
    step = count_calls(lambda: trial.train_step(INDEX, params))
    assert step.syncs == 0
    assert launches(step) <= limit


def test_an_epochs_views_are_drawn_at_once():
    trial = warm_trial("kmclr", True)

    def draw(*batches: int) -> Calls:
        return count_calls(lambda: list(trial.views.draw_steps(batches, trial.generator)))

    one, epoch = draw(16), draw(*[16] * 50)
    assert launches(one) == launches(epoch) <= 35
    assert epoch.syncs == 0
    assert launches(draw(*[16] * 50, 7)) == 2 * launches(one)  # a smaller last batch is a draw of its own


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("resa", {}),
        ("byol", {}),  # forwards of the moving average come on top
        ("kmclr", {"positives": {"momentum_encoder": True, "kind": "soft", "top_k": 3, "mix": "random"}}),
        ("kmclr", {"support": {"k": 6, "update": "ema", "revive_after": 0.1, "balance": "sinkhorn"}}),
        ("nnclr", {"support": {"queue_size": 20, "queue_dtype": "int8", "mask_same_image": True}}),
        ("none", {"optimizer": {"name": "adamw", "learning_rate": 0.001}}),
        ("none", {"optimizer": {"name": "sgd"}}),
    ],
)
def test_no_variant_waits_for_the_device(method: str, changes: dict):
    trial = warm_trial(method, True, **changes)
    step = count_calls(lambda: trial.train_step(INDEX))
    assert step.syncs == 0
    assert launches(step) <= 480


@pytest.mark.parametrize("layers", [3, 60])
def test_lars_takes_the_same_few_calls_for_any_number_of_tensors(layers: int):
    net = nn.Sequential(*[nn.Linear(3, 3) for _ in range(layers)])
    optimizer = optim.build_optimizer(OptimizerConfig(), net)

    def step() -> None:
        for p in net.parameters():
            p.grad = torch.ones_like(p)
        optimizer.step()

    step()
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    calls = count_calls(optimizer.step)
    assert calls.syncs == 0
    assert launches(calls) <= 20

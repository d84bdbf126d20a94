"""What precision and compilation change: 50 training steps in float32 and in bfloat16, eager and compiled.

A step's neighbour search and batch statistics amplify rounding, so two runs that differ in the last bit drift apart.
The bounds are therefore stated against a yardstick, a run from another seed: bfloat16 must stay nearer than that to
float32 by a factor, in every weight matrix. Compiled in float32 means the same numbers to rounding.
"""

from __future__ import annotations

import functools
import warnings
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from tests.helpers.trial_helpers import digits, tiny
from trainables import devices
from trainables.augment.two_views import normalise_images
from trainables.trial import Trial

STEPS = 50
SETTINGS: dict[str, Any] = {
    "encoder": {"width": 8},
    "heads": {"projector_hidden": 64, "embedding_dim": 32, "predictor_hidden": 64},
    "optimizer": {"name": "adamw", "learning_rate": 0.002, "warmup_epochs": 1},
}
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


class Outcome(NamedTuple):
    losses_S: Tensor
    features_NF: Tensor
    weights: list[Tensor]


@functools.cache
def fifty_steps(method: str, seed: int = 0, device: str = "cpu", **train: Any) -> Outcome:
    cfg = tiny(
        method, seed=seed, device=device, train={"epochs": 20, "precision": "float32", **dict(train)}, **SETTINGS
    )
    trial = Trial(cfg, digits())
    trial.method.train()
    order = torch.Generator().manual_seed(0)
    batches = [torch.randperm(128, generator=order)[:32].to(trial.device) for _ in range(STEPS)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler
        losses = torch.stack([trial.train_step(batch) for batch in batches])
    encoder = trial.method.networks.encoder.eval()
    with torch.no_grad():
        features = encoder(normalise_images(trial.train_data.images, trial.dataset.mean, trial.dataset.std))
    weights = [p.detach().clone().cpu() for p in trial.method.networks.parameters() if p.ndim > 1]
    return Outcome(losses.cpu(), features.cpu(), weights)


def furthest(first: Outcome, second: Outcome) -> float:
    """Largest relative distance of a weight matrix of `second` from that of `first`."""
    return max(float((a - b).norm() / a.norm()) for a, b in zip(first.weights, second.weights, strict=True))


def last(outcome: Outcome) -> float:
    return float(outcome.losses_S[-10:].mean())


def assert_close_to_float32(exact: Outcome, rounded: Outcome, other_seed: Outcome) -> None:
    assert torch.isfinite(rounded.losses_S).all()
    apart_S = (exact.losses_S - rounded.losses_S).abs()
    assert 0 < float(apart_S.max()) < 0.1 * float(exact.losses_S[0])  # each step within 10 % of the first loss
    assert float(apart_S[0]) < 0.02 * float(exact.losses_S[0])  # nothing has drifted yet
    assert last(rounded) == pytest.approx(last(exact), rel=0.02)
    assert float(cosine_similarity(exact.features_NF, rounded.features_NF).mean()) > 0.8
    assert furthest(exact, rounded) < furthest(exact, other_seed) / 4


@pytest.mark.parametrize("method", ["none", "kmclr", "nnclr"])
def test_fifty_steps_in_bfloat16_stay_near_those_in_float32(method: str):
    exact = fifty_steps(method)
    assert last(exact) < 0.97 * float(exact.losses_S[0])  # it does train
    assert_close_to_float32(exact, fifty_steps(method, precision="bfloat16"), fifty_steps(method, seed=1))


@pytest.mark.parametrize("method", ["kmclr", "simclr"])
def test_fifty_compiled_steps_equal_eager_ones(method: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(devices, "COMPILE_BACKEND", "aot_eager")
    eager, compiled = fifty_steps(method), fifty_steps(method, compile="compile")
    assert torch.allclose(eager.losses_S, compiled.losses_S, atol=1e-4)
    assert furthest(eager, compiled) < 1e-3


@pytest.mark.slow
def test_fifty_steps_of_fused_kernels_stay_near_eager_ones():
    eager, compiled = fifty_steps("none"), fifty_steps("none", compile="compile", channels_last=False)
    assert torch.allclose(eager.losses_S[:10], compiled.losses_S[:10], atol=0.01)
    assert last(compiled) == pytest.approx(last(eager), rel=0.02)
    assert furthest(eager, compiled) < furthest(eager, fifty_steps("none", seed=1)) / 10


def test_one_forward_of_both_views_trains_to_a_similar_loss():
    two, one = fifty_steps("none"), fifty_steps("none", one_forward=True)
    assert not torch.equal(two.losses_S, one.losses_S)  # other BatchNorm statistics
    assert last(one) == pytest.approx(last(two), rel=0.05)


def test_nothing_is_compiled_and_nothing_rounded_by_default_on_a_cpu():
    trial = Trial(tiny("kmclr"), digits())
    assert trial.method.networks._compiled_call_impl is None
    with devices.autocast(trial.cfg.train, trial.device):
        assert trial.method.networks(torch.zeros(4, 1, 8, 8)).features.dtype == torch.float32
    assert not devices.wants_channels_last(trial.cfg.train, trial.device)


def test_cuda_graphs_on_a_cpu_are_refused():
    with pytest.raises(ValueError, match=r"train\.compile: cuda_graphs needs a CUDA device, .* cpu; use none"):
        Trial(tiny("kmclr", train={"compile": "cuda_graphs"}), digits())


def test_a_compiled_trial_keeps_its_names_in_checkpoints(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(devices, "COMPILE_BACKEND", "aot_eager")
    compiled = Trial(tiny("kmclr", train={"compile": "compile"}), digits())
    assert compiled.method.state_dict().keys() == Trial(tiny("kmclr"), digits()).method.state_dict().keys()


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("method", ["none", "kmclr", "nnclr"])
def test_bfloat16_on_a_gpu_stays_near_float32(method: str):
    run = functools.partial(fifty_steps, method, device="cuda")
    assert_close_to_float32(run(), run(precision="bfloat16"), run(seed=1))


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("mode", ["compile", "cuda_graphs"])
@pytest.mark.parametrize("one_forward", [False, True])
def test_compiled_steps_and_cuda_graphs_stay_near_eager_ones_on_a_gpu(mode: str, one_forward: bool):
    run = functools.partial(fifty_steps, "kmclr", device="cuda", one_forward=one_forward)
    eager, compiled = run(), run(compile=mode)
    assert last(compiled) == pytest.approx(last(eager), rel=0.02)
    assert furthest(eager, compiled) < furthest(eager, run(seed=1)) / 4


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("method", ["kmclr", "nnclr", "none", "simclr", "byol", "resa"])
def test_a_step_on_a_gpu_never_waits_for_it(method: str):
    trial = Trial(tiny(method, device="cuda"), digits())
    trial.method.train()
    index = torch.arange(32, device="cuda")
    for _ in range(5):  # fills the support set
        trial.train_step(index)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            trial.train_step(index)
    finally:
        torch.cuda.set_sync_debug_mode("default")

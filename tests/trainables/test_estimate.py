"""What a run will cost: scaling, a full support set, short runs and slow machines."""

from __future__ import annotations

import pytest
import torch

from tests.helpers.trial_helpers import digits, tiny
from trainables import estimate
from trainables.trial import Trial


def test_estimate_scales_with_images_and_needs_no_data():
    cfg = tiny("kmclr")
    small = estimate.estimate(cfg, estimate.Sizes(1, 8, 10, train=320, validation=50), steps=2)
    assert min(small.step_s, small.evaluation_s, small.peak_memory_bytes, small.checkpoint_bytes) > 0
    assert small.epoch_s == pytest.approx(10 * small.step_s + small.evaluation_s)
    assert estimate._sizes(digits()) == estimate.Sizes(1, 8, 10, 128, 100)


@pytest.mark.parametrize(("method", "support"), [("kmclr", {"k": 100}), ("nnclr", {"queue_size": 5000}), ("none", {})])
def test_an_estimate_times_steps_with_a_full_support_set(method: str, support: dict, monkeypatch: pytest.MonkeyPatch):
    held: list[int] = []
    step = Trial.train_step

    def spy(trial: Trial, index: torch.Tensor) -> torch.Tensor:
        held.append(len(trial.method.support.vectors_for_plot()) if trial.method.support.ready else 0)
        return step(trial, index)

    monkeypatch.setattr(Trial, "train_step", spy)
    estimate.estimate(tiny(method, support=support), estimate.Sizes(1, 8, 10, train=320, validation=50), steps=1)
    assert set(held) == {{"kmclr": 100, "nnclr": 1000, "none": 0}[method]}  # of a queue 1,000 rows are drawn at most


def test_a_run_of_one_step_can_be_estimated():
    cfg = tiny("kmclr", train={"epochs": 1, "batch_size": 100}, optimizer={"warmup_epochs": 0})
    found = estimate.estimate(cfg, estimate.Sizes(1, 8, 10, train=100, validation=50), steps=3)
    assert found.epoch_s == pytest.approx(found.step_s + found.evaluation_s)


@pytest.mark.parametrize(("seconds_an_image", "timed"), [(0.01, [8, 32]), (1.0, [8])])
def test_a_batch_that_would_take_too_long_is_not_timed_whole(monkeypatch, seconds_an_image: float, timed: list[int]):
    batches: list[int] = []

    def timing(cfg, sizes, batch, steps, device):
        batches.append(batch)
        return estimate._Timed(batch * seconds_an_image, 0.0, 1, 1)

    monkeypatch.setattr(estimate, "_timed_trial", timing)
    found = estimate.estimate(
        tiny("none", train={"batch_size": 32}), estimate.Sizes(1, 8, 10, train=320, validation=50)
    )
    assert batches == timed
    assert found.step_s == pytest.approx(32 * seconds_an_image)

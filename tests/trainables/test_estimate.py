"""What a run will cost: scaling, a full support set, short runs, slow and crowded machines, what is remembered."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.helpers.trial_helpers import digits, tiny
from trainables import estimate
from trainables.clocks import Clocks, Moment
from trainables.evaluation import probe
from trainables.evaluation.each_epoch import Evaluator
from trainables.failures import Diverged
from trainables.trial import Trial

SMALL = estimate.Sizes(1, 8, 10, train=320, validation=50)
STEP_S, IMAGE_S, ENCODE_S, SCORE_S = 0.02, 0.001, 0.0001, 0.05


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path))


class Machine(Clocks):
    """Two cores on which `load` other processes work all the time, so unevenly that each moment is another one."""

    def __init__(self, load: float, seed: int = 0) -> None:
        self.others, self.busy_s, self.wall_s = load, 0.0, 0.0
        self.rng = np.random.default_rng(seed)

    def crowding(self, threads: int, seconds: float = 0.25) -> float:
        return self.exact(threads) * float(self.rng.uniform(0.8, 1.25))

    def exact(self, threads: int) -> float:
        return max(1.0, (self.others + threads) / self.cores())

    def cores(self) -> int:
        return 2

    def work(self, seconds: float) -> None:
        self.busy_s += seconds
        self.wall_s += seconds * self.exact(1) * float(self.rng.lognormal(0, 1))

    def now(self, device: torch.device) -> Moment:
        return Moment(self.wall_s, self.busy_s)

    def takes_the_time_of(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Steps, encoding and evaluation of a trial take a known time and do nothing."""

        def step(trial: Trial, index: torch.Tensor, params: object = None) -> torch.Tensor:
            self.work(STEP_S + IMAGE_S * len(index))
            return torch.zeros(())

        def encode(encoder: object, images: torch.Tensor, *_: object) -> torch.Tensor:
            self.work(ENCODE_S * len(images))
            return torch.zeros(len(images), 4)

        def evaluate(evaluator: Evaluator, *_: object) -> dict[str, float]:
            self.work(ENCODE_S * (len(evaluator.train.labels) + len(evaluator.validation.labels)) + SCORE_S)
            return {"accuracy": 1.0}

        monkeypatch.setattr(Trial, "train_step", step)
        monkeypatch.setattr(probe, "encode", encode)
        monkeypatch.setattr(Evaluator, "evaluate", evaluate)


@pytest.mark.parametrize("load", [0, 2, 4])
@pytest.mark.parametrize(("images", "batch"), [(320, 32), (40_000, 256), (40_000, 2048)])
def test_an_estimate_is_within_half_as_much_again_however_crowded_the_machine_is(
    monkeypatch: pytest.MonkeyPatch, load: int, images: int, batch: int
) -> None:
    sizes = estimate.Sizes(1, 8, 10, train=images, validation=50)
    cfg = tiny("kmclr", train={"batch_size": batch})
    epoch_s = images // batch * (STEP_S + batch * IMAGE_S) + ENCODE_S * (images + 50) + SCORE_S
    for seed in range(3):
        machine = Machine(load, seed)
        machine.takes_the_time_of(monkeypatch)
        found = estimate.estimate(cfg, sizes, threads=1, at_once=2, clocks=machine)
        assert 1 / 1.5 < found.epoch_s / (machine.exact(2) * epoch_s) < 1.5
        assert 1 / 1.5 < found.idle_epoch_s / epoch_s < 1.5
        assert found.epochs == 0


def test_one_step_of_a_few_images_is_not_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the real batch takes longer than there is time, what each step takes beside its images is not scaled."""
    machine = Machine(4)
    machine.takes_the_time_of(monkeypatch)
    cfg = tiny("none", train={"batch_size": 8192})
    found = estimate.estimate(cfg, SMALL._replace(train=81_920), threads=1, budget_s=1.0, clocks=machine)
    assert found.step_s == pytest.approx(STEP_S + 8192 * IMAGE_S, rel=0.01)


def test_more_at_once_than_cores_take_longer_even_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(0)
    machine.takes_the_time_of(monkeypatch)
    alone, four = (estimate.estimate(tiny(), SMALL, threads=1, at_once=n, clocks=machine) for n in (1, 4))
    assert alone.crowding < 1.3
    assert four.idle_epoch_s == pytest.approx(2 * alone.idle_epoch_s, rel=0.01)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_estimate_takes_the_threads_of_the_run_and_gives_them_back(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    seen: set[int] = set()
    step = Trial.train_step

    def spy(trial: Trial, *args: object) -> torch.Tensor:
        seen.add(torch.get_num_threads())
        return step(trial, *args)

    monkeypatch.setattr(Trial, "train_step", spy)
    before = torch.get_num_threads()
    estimate.estimate(tiny(), SMALL, threads=threads, budget_s=0.1)
    assert (seen, torch.get_num_threads()) == ({threads}, before)


def test_an_estimate_of_a_real_trial_is_made_of_its_parts() -> None:
    found = estimate.estimate(tiny("kmclr"), SMALL, threads=1, test=estimate.Test(100, 3))
    parts = (found.step_s, found.evaluation_s, found.test_s, found.peak_memory_bytes, found.checkpoint_bytes)
    assert min(parts) > 0
    assert found.idle_epoch_s == pytest.approx(10 * found.step_s + found.evaluation_s)
    assert found.epoch_s == pytest.approx(found.crowding * found.idle_epoch_s)
    assert found.crowding >= 1


def test_evaluations_that_are_left_out_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(0)
    machine.takes_the_time_of(monkeypatch)
    cfg = tiny("none", train={"epochs": 10}, probe={"every": 4})
    found = estimate.estimate(cfg, SMALL, threads=1, clocks=machine)
    assert found.idle_epoch_s == pytest.approx(10 * found.step_s + found.evaluation_s * 4 / 10)  # 1, 4, 8, 10


@pytest.mark.parametrize(("method", "support"), [("kmclr", {"k": 100}), ("nnclr", {"queue_size": 5000}), ("none", {})])
def test_an_estimate_times_steps_with_a_full_support_set(method: str, support: dict, monkeypatch: pytest.MonkeyPatch):
    held: list[int] = []
    step = Trial.train_step

    def spy(trial: Trial, *args: object) -> torch.Tensor:
        held.append(len(trial.method.support.vectors_for_plot()) if trial.method.support.ready else 0)
        return step(trial, *args)

    monkeypatch.setattr(Trial, "train_step", spy)
    estimate.estimate(tiny(method, support=support), SMALL, budget_s=0.1)
    assert set(held) == {{"kmclr": 100, "nnclr": 1000, "none": 0}[method]}  # of a queue 1,000 rows are drawn at most


def test_a_run_of_one_step_can_be_estimated():
    cfg = tiny("kmclr", train={"epochs": 1, "batch_size": 100}, optimizer={"warmup_epochs": 0})
    found = estimate.estimate(cfg, SMALL._replace(train=100), budget_s=0.1)
    assert found.idle_epoch_s == pytest.approx(found.step_s + found.evaluation_s)


def test_real_data_are_taken_where_they_are_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "noise_dataset", lambda *_: pytest.fail("noise"))
    assert estimate.estimate(tiny(), digits(), budget_s=0.1).step_s > 0


def test_noise_that_diverges_is_still_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(trial: Trial) -> None:
        raise Diverged("the loss is nan")

    monkeypatch.setattr(Trial, "run_epoch", diverge)
    assert estimate.estimate(tiny(), SMALL).epoch_s > 0


@pytest.mark.parametrize("most", [10**9, 1000])
def test_noise_has_the_sizes_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(estimate, "MOST_NOISE_BYTES", most)
    made = estimate.noise_dataset(estimate.Sizes(3, 16, 7, train=5000, validation=30))
    assert made.train.images_NCHW.shape == (5000, 3, 16, 16)
    assert made.validation.images_NCHW.shape == (30, 3, 16, 16)
    assert set(made.train.labels_N.tolist()) == set(range(7))
    held = {image.tobytes() for image in made.train.images_NCHW}
    assert len(held) == (estimate.DIFFERENT if most == 10**9 else 1)

"""What a study will do and cost: epochs under the scheduler, hours, memory, disk."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from study import cost
from study.search.scheduling import make_rungs
from study.settings.config import StudyConfig
from study.settings.loading import load_study
from trainables.vocabulary.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def study(trials: int, epochs: int, name: str = "asha", grace: int = 1, eta: int = 3) -> StudyConfig:
    scheduler = {"name": name, "grace_period": grace, "reduction_factor": eta}
    return StudyConfig(name="s", space={}, train={"epochs": epochs}, search={"trials": trials}, scheduler=scheduler)


def test_without_a_scheduler_every_trial_runs_to_the_end() -> None:
    assert cost.expected_epochs(study(7, 20, "none")) == 140


def test_a_rung_that_is_never_reached_stops_nobody() -> None:
    assert cost.expected_epochs(study(7, 20, grace=20)) == 140


def test_one_trial_always_goes_on() -> None:
    assert cost.expected_epochs(study(1, 81)) == 81


@pytest.mark.parametrize("name", ["asha", "pareto_asha", "hyperband"])
def test_expected_epochs_are_those_of_the_scheduler_itself(name: str) -> None:
    config = study(30, 27, name)
    totals = []
    for seed in range(30):
        rungs = make_rungs(config.scheduler, {"accuracy": "max"}, 27)
        total = 0
        for number, quality in enumerate(np.random.default_rng(seed).random(30)):
            stops = (e for e in rungs.epochs if not rungs.decide(str(number), number, e, {"accuracy": quality}))
            total += next(stops, 27)
        totals.append(total)
    assert cost.expected_epochs(config) == pytest.approx(np.mean(totals), rel=0.05)


def test_halving_saves_most_of_the_epochs_and_hyperband_less() -> None:
    halving, hyperband = (cost.expected_epochs(study(64, 200, name, 20)) for name in ("pareto_asha", "hyperband"))
    assert 64 * 20 < halving < 0.4 * 64 * 200
    assert halving < hyperband < 64 * 200


def test_hours(planned) -> None:
    made = dataclasses.replace(planned("k_sweep"), concurrent=2, confirm_trials=5, confirm_epochs=1000)
    overhead = cost.START_S + 10 * cost.TRIAL_S / 2
    assert made.hours_of(100, 10, 0) == pytest.approx((100 * 36 / 2 + overhead) / 3600)
    made = dataclasses.replace(made, cost=dataclasses.replace(made.cost, test_s=7.0))
    confirmed = 5 * (200 * 36 + cost.TRIAL_S + 7.0) / 2 / 3600
    assert made.hours_of(100, 10, 5) == pytest.approx(made.hours_of(100, 10, 0) + confirmed)


def test_numbers_of_the_k_sweep(planned) -> None:
    made = planned("k_sweep")
    study = made.loaded.study
    assert (made.device, made.folder) == ("cpu", Path("out/k_sweep"))
    assert made.rungs == (50, 100)
    assert made.worst_epochs == 64 * 200
    assert made.worst_epochs > made.expected_epochs > 64 * 20
    assert made.confirm_trials == (study.confirm.max_points + len(study.baselines)) * 3
    assert made.confirm_epochs == made.confirm_trials * 200
    expected, worst = made.hours
    assert worst - expected == pytest.approx((made.worst_epochs - made.expected_epochs) * 36 / made.concurrent / 3600)
    assert made.data_bytes == 50_000 * 3 * 32 * 32
    assert made.disk_bytes > made.confirm_trials * made.cost.checkpoint_bytes
    size = 100 * 2**20
    to_the_end = (made.expected_epochs - 50 * 64) / (150 * 64) * 64  # the others leave no checkpoint
    assert made.expected_disk_bytes == round((to_the_end + made.confirm_trials) * size) + made.data_bytes
    assert made.expected_disk_bytes < 0.8 * made.disk_bytes
    small = dataclasses.replace(made, cost=dataclasses.replace(made.cost, usual_checkpoint_bytes=size // 4))
    assert small.disk_bytes == made.disk_bytes
    assert small.expected_disk_bytes < 0.3 * made.expected_disk_bytes


def test_what_needs_a_gpu_is_timed_on_a_cpu_where_there_is_none(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path))
    overrides = ["train.compile=cuda_graphs"]
    path = ROOT / "configs" / "k_sweep.yaml"
    config = load_study(path, rehearse=True, device="cuda", overrides=overrides).study
    assert cost.measure(config, cost.data_sizes(config), on_cpu=True).epoch_s > 0


def test_the_gpus_of_this_machine_are_counted(planned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "has_gpu", lambda: True)
    monkeypatch.setattr(cost.machine, "gpus", lambda: [{"name": "A", "memory_bytes": 1}] * 3)
    made = planned("k_sweep", overrides=["resources.cpu=0.1"])
    assert (made.device, made.concurrent, made.foreign) == ("cuda", 3, False)


def test_plan_without_confirm(planned) -> None:
    made = planned("k_sweep", overrides=["confirm.enabled=false"])
    assert (made.confirm_trials, made.confirm_epochs) == (0, 0)


def test_the_probe_times_the_real_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path))
    config = load_study(ROOT / "configs" / "k_sweep.yaml", rehearse=True, device="cpu").study
    found = cost.measure(config, cost.data_sizes(config))
    assert 0 < found.epoch_s < 600
    assert found.memory_bytes > 2**20
    parameters = found.checkpoint_bytes / 4
    assert 1e5 < parameters < 1e7


def test_sizes_of_cifar_are_known_without_the_data() -> None:
    config = load_study(ROOT / "configs" / "k_sweep.yaml", overrides=["data.train_limit=5000"]).study
    sizes = cost.data_sizes(config)
    assert (sizes.train, sizes.validation, sizes.num_classes, sizes.image_size) == (5000, 5000, 100, 32)


def test_sizes_of_cifar_follow_its_settings() -> None:
    overrides = ["data.name=cifar10", "data.image_size=48", "data.validation_per_class=100"]
    config = load_study(ROOT / "configs" / "k_sweep.yaml", overrides=overrides).study
    sizes = cost.data_sizes(config)
    assert (sizes.train, sizes.validation, sizes.num_classes, sizes.image_size) == (49_000, 1000, 10, 48)


def test_a_validation_split_that_takes_every_image_is_refused() -> None:
    config = load_study(ROOT / "configs" / "k_sweep.yaml", overrides=["data.validation_per_class=500"]).study
    with pytest.raises(UserError, match=r"data\.validation_per_class=500 leaves none .* cifar100 .* below 500"):
        cost.data_sizes(config)


def test_expected_epochs_where_trials_pause() -> None:
    """Baselines whole, the first rung of each other, and as many epochs again in whole trainings."""
    rehearsal = load_study(ROOT / "configs" / "k_sweep.yaml", rehearse=True).study
    epochs, first, trials, baselines = 15, 3, 18, 3
    assert (rehearsal.train.epochs, rehearsal.scheduler.grace_period) == (epochs, first)
    assert (rehearsal.search.trials, len(rehearsal.baselines)) == (trials, baselines)
    finished = 4  # 15 trials to epoch 3 are 45 epochs; 4 x 12 are as many and a little more
    expected = baselines * epochs + (trials - baselines) * first + finished * (epochs - first)
    assert cost.expected_epochs(rehearsal) == expected == 138
    assert cost.expected_epochs(study(20, 27, "promote", grace=27)) == 20 * 27


# --- budgets beside the estimate ---


def needs_of(made: cost.Plan) -> dict[str, cost.Need]:
    return {need.name: need for need in made.needs}


def test_a_budget_s_need_is_counted_from_the_stages(planned) -> None:
    assert planned("k_sweep").needs == []
    made = planned("k_sweep", overrides=["budget.epochs=5000", "budget.wall_clock_h=2", "budget.gpu_hours=1"])
    needs = needs_of(made)
    assert set(needs) == {"epochs", "wall_clock_h"}  # on a CPU no GPU-hour is ever spent
    confirmed = made.expected_epochs + made.confirm_epochs
    assert needs["epochs"] == cost.Need("epochs", 5000, made.expected_epochs, confirmed, confirmed)
    wall = needs["wall_clock_h"]
    assert wall.search == pytest.approx((20 + (made.expected_epochs * 36 + 64 * 0.5) / made.concurrent) / 3600)
    assert wall.total == made.hours[0] > wall.search


def test_gpu_hours_do_not_shrink_with_trials_at_once(planned, cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "has_gpu", lambda: True)
    overrides = ["budget.gpu_hours=1", "resources.gpu=0.5"]
    made = planned("k_sweep", device="cuda", address="head:6379", overrides=overrides)
    assert (made.foreign, made.concurrent) == (False, 8)
    need = needs_of(made)["gpu_hours"]
    assert need.search == pytest.approx(0.5 * (made.expected_epochs * 36 + 64 * 0.5) / 3600)


def test_without_confirm_a_study_needs_what_its_search_does(planned) -> None:
    need = needs_of(planned("k_sweep", overrides=["budget.epochs=10", "confirm.enabled=false"]))["epochs"]
    assert need.search == need.total > 64


def test_what_gpus_elsewhere_take_is_not_known(planned, cluster) -> None:
    overrides = ["budget.gpu_hours=1", "budget.wall_clock_h=2", "budget.epochs=10"]
    needs = needs_of(planned("k_sweep", device="cuda", address="head:6379", overrides=overrides))
    assert needs["gpu_hours"].total == needs["wall_clock_h"].total == float("inf")
    assert needs["epochs"].total < float("inf")


def test_the_load_stands_beside_the_measured_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainables import estimate

    found = estimate.Estimate(1.0, 1.0, 5.0, 10, 20, idle_epoch_s=2.0, test_s=3.0)
    monkeypatch.setattr(estimate, "estimate", lambda *_, **__: found)
    monkeypatch.setattr(os, "getloadavg", lambda: (3.5, 1.0, 1.0))
    study = load_study(ROOT / "configs" / "k_sweep.yaml").study
    made = cost.measure(study, estimate.Sizes())
    assert made == cost.Cost(5.0, 10, 20, load=3.5, idle_epoch_s=2.0, test_s=3.0, usual_checkpoint_bytes=20)
    assert made.crowding == 2.5
    assert (made.idle().epoch_s, made.idle().crowding) == (2.0, 1.0)
    assert made.idle().test_s == pytest.approx(1.2)

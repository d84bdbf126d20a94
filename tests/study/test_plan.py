"""The plan of a study: epochs under the scheduler, time, memory, disk, and how it reads."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from study import cost as estimates
from study import plan
from study.plan import Cost, Plan
from study.search.rungs import make_rungs
from study.settings.config import StudyConfig
from study.settings.loading import load_study
from study.tune import session

ROOT = Path(__file__).resolve().parents[2]
COST = Cost(epoch_s=36.0, memory_bytes=2 * 2**30, checkpoint_bytes=100 * 2**20)


def study(trials: int, epochs: int, name: str = "asha", grace: int = 1, eta: int = 3) -> StudyConfig:
    scheduler = {"name": name, "grace_period": grace, "reduction_factor": eta}
    return StudyConfig(name="s", space={}, train={"epochs": epochs}, search={"trials": trials}, scheduler=scheduler)


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The plan of a configuration of the project, at a fixed cost and without a GPU."""
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path))
    monkeypatch.setattr(plan, "measure", lambda *_: COST)
    monkeypatch.setattr(plan, "has_gpu", lambda: False)

    def make(name: str, address: str | None = None, **options) -> Plan:
        return plan.make_plan(load_study(ROOT / "configs" / f"{name}.yaml", **options), out="out", address=address)

    return make


def text_of(made: Plan, width: int = 110) -> str:
    console = Console(file=io.StringIO(), width=width)
    plan.render(made, console)
    return console.file.getvalue()


# --- epochs ---


def test_without_a_scheduler_every_trial_runs_to_the_end() -> None:
    assert estimates.expected_epochs(study(7, 20, "none")) == 140


def test_a_rung_that_is_never_reached_stops_nobody() -> None:
    assert estimates.expected_epochs(study(7, 20, grace=20)) == 140


def test_one_trial_always_goes_on() -> None:
    assert estimates.expected_epochs(study(1, 81)) == 81


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
    assert estimates.expected_epochs(config) == pytest.approx(np.mean(totals), rel=0.05)


def test_halving_saves_most_of_the_epochs_and_hyperband_less() -> None:
    halving, hyperband = (estimates.expected_epochs(study(64, 200, name, 20)) for name in ("pareto_asha", "hyperband"))
    assert 64 * 20 < halving < 0.4 * 64 * 200
    assert halving < hyperband < 64 * 200


def test_hours() -> None:
    overhead = estimates.START_S + 10 * estimates.TRIAL_S / 2
    assert estimates.wall_hours(100, 10, 36.0, 2) == pytest.approx((100 * 36 / 2 + overhead) / 3600)


# --- the plan ---


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
    assert made.disk_bytes > made.confirm_trials * COST.checkpoint_bytes


def test_plan_says_everything_it_should(planned) -> None:
    text = text_of(planned("k_sweep", rehearse=True))
    for word in (
        "k_sweep-rehearsal (a rehearsal)",
        "How few prototypes",
        "kmclr, nnclr, none",
        "accuracy max, support_bytes min",
        "12 trials (tpe), 3 of them baselines",
        "pareto_asha",
        "search 0, trials 0, confirm 1, 2",
        "at worst 180",
        "cpu",
        "2.15 GB",
        "36 s an epoch, timed now on this machine",
        "out/k_sweep-rehearsal",
        "5 to 300, log-uniform",
        "support.k",
        "what the rehearsal and --set change",
        "data.name",
        "digits",
    ):
        assert word in text, word


def test_plan_shows_what_a_preset_and_an_override_change(planned) -> None:
    text = text_of(planned("k_sweep", overrides=["preset=seed", "data.root=here"]))
    assert "what preset 'seed' changes" in text
    assert "support.metric" in text
    assert "here" in text
    assert "(a rehearsal)" not in text
    assert "what preset" not in text_of(planned("k_sweep"))


def test_plan_says_where_the_study_overrules_or_searches_what_a_preset_sets(planned) -> None:
    made = planned("k_sweep", overrides=["preset=seed", "train.batch_size=256"])
    rows = {name: now for name, _, now in plan._preset_rows(made.loaded.study)}
    assert made.loaded.study.train.epochs == 200  # the file's
    assert rows["train.epochs"] == "200 (the preset: 500)"
    assert rows["train.batch_size"] == "256 (the preset: 64)"
    assert rows["loss.temperature"] == "searched; else 0.1"
    assert rows["optimizer.lars_eta"] == "0.001"
    assert "support.k" not in rows  # as by default
    assert "256 (the preset: 64)" in text_of(made)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What the pretended cluster has; joining it is counted under "joined" and leaving it under "left"."""
    found = {"CPU": 32.0, "GPU": 4.0}
    monkeypatch.setattr(session.ray, "cluster_resources", lambda: found)
    monkeypatch.setattr(session, "_init", lambda address: found.update({f"joined {address}": 1}))
    monkeypatch.setattr(session.ray, "shutdown", lambda: found.update(left=1))
    return found


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_on_a_cluster_its_gpus_count_and_not_this_machine_s(planned, cluster, device: str) -> None:
    made = planned("k_sweep", device=device, address="head:6379")
    assert (made.device, made.concurrent, made.foreign) == ("cuda", 4, True)
    assert (cluster["joined head:6379"], cluster["left"]) == (1, 1)
    text = text_of(made, width=200)
    assert "cuda, 4 trials at once" in text
    assert "not known: this machine has no GPU; on its CPU about" in text
    assert "2.15 GB a trial (on a CPU)" in text


def test_a_cluster_without_gpus(planned, cluster) -> None:
    del cluster["GPU"]
    made = planned("k_sweep", device="auto", address="head:6379")
    assert (made.device, made.concurrent, made.foreign) == ("cpu", 32, False)
    assert "not known" not in text_of(made)
    with pytest.raises(ValueError, match=r"resources\.gpu: a trial wants 1 GPUs, 0 found"):
        planned("k_sweep", device="cuda", address="head:6379")


def test_a_gpu_asked_for_is_looked_for_on_the_cluster_alone(planned, cluster, monkeypatch, capsys) -> None:
    from trainables import devices
    from trainables.data import dataset

    monkeypatch.setattr(dataset, "check_available", lambda *a, **k: None)
    monkeypatch.setattr(devices.torch.cuda, "is_available", lambda: False)
    loaded = load_study(ROOT / "configs" / "k_sweep.yaml", device="cuda")
    plan.show(loaded, address="head:6379")
    assert "cuda, 4 trials at once" in capsys.readouterr().out
    with pytest.raises(ValueError, match="torch sees no CUDA device"):
        plan.show(loaded)


def test_what_needs_a_gpu_is_timed_on_a_cpu_where_there_is_none(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path))
    overrides = ["train.compile=cuda_graphs"]
    path = ROOT / "configs" / "k_sweep.yaml"
    config = load_study(path, rehearse=True, device="cuda", overrides=overrides).study
    assert plan.measure(config, plan.data_sizes(config), on_cpu=True).epoch_s > 0


def test_plan_without_confirm(planned) -> None:
    made = planned("k_sweep", overrides=["confirm.enabled=false"])
    assert (made.confirm_trials, made.confirm_epochs) == (0, 0)


def test_plan_fits_a_narrow_pipe(planned) -> None:
    assert all(len(line) <= 80 for line in text_of(planned("pareto"), width=80).splitlines())


def test_the_probe_times_the_real_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path))
    config = load_study(ROOT / "configs" / "k_sweep.yaml", rehearse=True, device="cpu").study
    cost = plan.measure(config, plan.data_sizes(config))
    assert 0 < cost.epoch_s < 600
    assert cost.memory_bytes > 2**20
    parameters = cost.checkpoint_bytes / 4
    assert 1e5 < parameters < 1e7


def test_sizes_of_cifar_are_known_without_the_data() -> None:
    config = load_study(ROOT / "configs" / "k_sweep.yaml", overrides=["data.train_limit=5000"]).study
    sizes = plan.data_sizes(config)
    assert (sizes.train, sizes.validation, sizes.num_classes, sizes.image_size) == (5000, 5000, 100, 32)

"""The configurations that come with the project: they load, mean what their headers say, and rehearse small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from study.settings import space
from study.settings.config import StudyConfig
from study.settings.loading import load_study
from trainables.settings import edge
from trainables.settings.config import RunConfig
from trainables.settings.run_file import load_run

ROOT = Path(__file__).resolve().parents[1]
STUDIES = sorted((ROOT / "configs").glob("*.yaml"))
RUNS = sorted((ROOT / "configs" / "runs").glob("*.yaml"))
names = {"ids": lambda path: path.stem}


def header(path: Path) -> str:
    """The comment at the top of a file."""
    lines = path.read_text().splitlines()
    end = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    return "\n".join(lines[:end])


def test_the_studies_of_the_readme_are_there() -> None:
    assert {p.stem for p in STUDIES} >= {"k_sweep", "queue_sweep", "temperature_sweep", "pareto"}
    readme = (ROOT / "README.md").read_text()
    assert all(f"configs/{path.name}" in readme for path in STUDIES)


@pytest.mark.parametrize("path", STUDIES, **names)
def test_header_gives_command_hardware_time_and_score(path: Path) -> None:
    text = header(path)
    assert f"run_study.py configs/{path.name}" in text
    assert all(word in text for word in ("Hardware:", "Time:", "Expected:"))


@pytest.mark.parametrize("rehearse", [False, True], ids=["real", "rehearsal"])
@pytest.mark.parametrize("path", STUDIES, **names)
def test_every_point_of_a_study_is_a_possible_run(path: Path, rehearse: bool) -> None:
    study = load_study(path, rehearse=rehearse).study
    assert study.name == path.stem
    assert study.question.endswith("?")
    generator = np.random.default_rng(0)
    points = [*space.baseline_points(study), *(space.random_point(study, generator) for _ in range(30))]
    for point in points:
        space.to_run(study, point, seed=1)
        space.to_run(study, point, seed=1, epochs=study.confirm.epochs)


@pytest.mark.parametrize("path", STUDIES, **names)
def test_real_study_is_resnet18_on_cifar100_for_accuracy_and_bytes(path: Path) -> None:
    study = load_study(path).study
    assert (study.data.name, study.encoder.name) == ("cifar100", "resnet18")
    assert study.objectives == {"accuracy": "max", "support_bytes": "min"}
    assert study.confirm.enabled
    assert len(study.confirm.seeds) >= 3


@pytest.mark.parametrize("path", STUDIES, **names)
def test_rehearsal_is_small_and_changes_only_what_its_section_says(path: Path) -> None:
    loaded = load_study(path, rehearse=True)
    study = loaded.study
    assert (study.data.name, study.encoder.name, study.probe.score) == ("digits", "small_conv", "few_shot_acc1")
    assert study.search.trials <= 18
    assert worst_epochs(study) <= 600, "about 0.5 s an epoch on one core: 600 are under 5 minutes on two"
    said = edge.flatten(study.rehearsal)
    for name, before, after in loaded.changes:
        assert any(name == told or name.startswith(f"{told}.") for told in said), name
        assert before != after


def worst_epochs(study: StudyConfig) -> int:
    """Epochs if no trial is stopped and the confirm stage has as many points as it may."""
    points = study.confirm.max_points + len(study.baselines)
    return study.train.epochs * study.search.trials + points * len(study.confirm.seeds) * study.train.epochs


def test_k_sweep_asks_the_papers_question() -> None:
    study = load_study(ROOT / "configs" / "k_sweep.yaml").study
    k, queue, temperature = (study.space[name] for name in ("k", "queue_size", "temperature"))
    assert (k.low, k.high, k.log) == (25, 2000, True)
    assert (queue.low, queue.high, queue.log) == (256, 98304, True)
    assert (temperature.low, temperature.high, temperature.log) == (0.05, 0.5, True)
    assert study.space["forget_every"] == (1, 3, 10)
    assert study.space["method"] == ("kmclr", "nnclr", "none")


@pytest.mark.parametrize("name", ["k_sweep", "pareto"])
def test_the_papers_points_are_always_measured(name: str) -> None:
    points = space.baseline_points(load_study(ROOT / "configs" / f"{name}.yaml").study)
    assert {p["k"] for p in points if "k" in p} >= {50, 200, 400, 600}
    assert {p["queue_size"] for p in points if "queue_size" in p} >= {98304}


def test_pareto_searches_both_methods_with_sizes_and_number_formats() -> None:
    study = load_study(ROOT / "configs" / "pareto.yaml").study
    wanted = {"method", "k", "queue_size", "queue_dtype", "temperature", "prototype_update"}
    assert wanted <= set(study.space)
    assert (study.scheduler.name, study.search.sampler) == ("promote", "front")


@pytest.mark.parametrize("path", RUNS, **names)
def test_run_files_load(path: Path) -> None:
    run = load_run(path)
    assert run.method == path.stem.split("_")[0]
    assert f"trainables.pretrain configs/runs/{path.name}" in header(path)


def test_the_run_files_are_the_original_studys_set() -> None:
    assert {path.stem for path in RUNS} == {"nnclr", "simclr", "byol", *(f"kmclr_{k}" for k in (50, 200, 400, 600))}


@pytest.mark.parametrize("path", RUNS, **names)
def test_a_run_file_holds_only_what_differs_from_the_original_recipe(path: Path) -> None:
    method, _, k = path.stem.partition("_")
    wanted = {"preset": "seed", "method": method} | ({"support": {"k": int(k)}} if k else {})
    assert edge.read_file(path) == wanted


def test_the_seed_preset_is_the_original_studys_recipe() -> None:
    """Every value that the study's report gives; what is not listed is a default of ours that agrees with it."""
    run = load_run(ROOT / "configs" / "runs" / "nnclr.yaml")
    optimizer, (view1, view2) = run.optimizer, (run.augment.view1, run.augment.view2)
    assert (run.data.name, run.data.validation_per_class, run.data.split_seed) == ("cifar100", 50, 42)
    assert (run.encoder.name, run.encoder.stem_padding) == ("resnet18", 2)
    heads = run.heads
    assert (heads.projector_layers, heads.projector_hidden, heads.embedding_dim) == (3, 2048, 256)
    assert heads.predictor_hidden == 4096
    assert (optimizer.name, optimizer.lars_eta, optimizer.lars_clip) == ("lars", 0.001, False)
    assert (optimizer.learning_rate, optimizer.momentum, optimizer.weight_decay) == (0.2, 0.9, 1e-6)
    assert (run.train.batch_size, run.train.epochs, optimizer.warmup_epochs) == (64, 500, 10)
    assert not run.train.drop_last
    assert (run.loss.temperature, run.loss.symmetric) == (0.1, True)
    assert (run.support.queue_size, run.support.queue_dtype, run.positives.kind) == (98304, "float32", "nearest")
    assert (run.support.update, run.support.forget_every, run.support.metric) == ("count", 3, "euclidean")
    assert (view1.blur, view2.blur, view1.solarise, view2.solarise) == (1.0, 0.1, 0.0, 0.2)
    for view in (view1, view2):
        assert (view.crop_min, view.crop_max, view.flip, view.jitter, view.grey) == (0.08, 1.0, 0.5, 0.8, 0.2)
        assert (view.brightness, view.contrast, view.saturation, view.hue) == (0.4, 0.4, 0.2, 0.1)
        assert (view.blur_sigma_min, view.blur_sigma_max) == (0.1, 0.2)
    assert run.probe.learning_rate == 0.01


def test_the_strong_preset_is_what_public_recipes_show_to_work() -> None:
    run, optimizer = RunConfig(), RunConfig().optimizer
    assert run.preset == "strong"
    assert (optimizer.name, optimizer.lars_eta, optimizer.lars_clip) == ("lars", 0.02, True)
    assert (optimizer.learning_rate, optimizer.weight_decay, optimizer.warmup_epochs) == (0.4, 1e-5, 10)
    assert (run.train.batch_size, run.loss.temperature, run.support.metric) == (256, 0.2, "cosine")
    assert run.positives.momentum == 0.99  # byol's target: 0.99 -> 1


@pytest.mark.parametrize("path", [*STUDIES, *RUNS], **names)
def test_nothing_of_one_machine_is_in_a_file(path: Path) -> None:
    text = path.read_text()
    assert not any(word in text for word in ("/home/", "/root/", "/work/", "/tmp/", "http"))

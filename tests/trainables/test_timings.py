"""Epochs of earlier runs: what is remembered, of which runs, and what a damaged memory does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.helpers.trial_helpers import digits, tiny
from trainables import estimate, timings
from trainables.clocks import EpochTimes, Moment
from trainables.pretrain import pretrain
from trainables.settings.config import RunConfig
from trainables.trial import Trial


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def took(cfg: RunConfig, *training: float, evaluation: float = 1.0, share: float = 1.0) -> Trial:
    """A trial whose epochs took so many seconds on a core, and twice as many by the clock."""
    trial = Trial(cfg, digits())
    trial.times.extend(EpochTimes(Moment(2 * s, s), Moment(2 * evaluation, evaluation)) for s in training)
    timings.remember(trial, share)
    return trial


def recalled(cfg: RunConfig, trial: Trial) -> timings.Learned | None:
    return timings.recall(cfg, timings.kind_of(trial))


def test_the_median_of_the_epochs_after_the_first_is_remembered() -> None:
    trial = took(tiny(), 90.0, 2.0, 3.0, 40.0)
    assert recalled(tiny(), trial) == timings.Learned(3.0, 1.0, 3)
    for _ in range(2):
        took(tiny(), 90.0, 5.0, evaluation=2.0)
    assert recalled(tiny(), trial) == timings.Learned(5.0, 2.0, 5)


def test_one_epoch_is_no_measure_and_nor_is_one_without_an_evaluation(cache: Path) -> None:
    took(tiny(), 90.0)
    trial = Trial(tiny(), digits())
    trial.times.extend([EpochTimes(Moment(1, 1), None)] * 3)
    timings.remember(trial)
    timings.remember(Trial(tiny(), digits()))
    assert not (cache / timings.FOLDER).exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "none"},
        {"train": {"batch_size": 16}},
        {"encoder": {"width": 8}},
        {"probe": {"few_shot_draws": 3}},
        {"augment": {"view1": {"blur": 0.5}}},
        {"support": {"k": 10**5}},
    ],
)
def test_another_kind_of_run_knows_nothing_of_it(changes: dict) -> None:
    trial = took(tiny("kmclr"), 1.0, 1.0)
    assert recalled(tiny(**{"method": "kmclr", **changes}), trial) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"train": {"epochs": 50}},
        {"seed": 5},
        {"support": {"k": 300}},
        {"loss": {"temperature": 0.5}},
        {"optimizer": {"learning_rate": 0.01}},
    ],
)
def test_what_changes_no_epoch_s_time_is_of_the_same_kind(changes: dict) -> None:
    trial = took(tiny("kmclr"), 1.0, 1.0)
    assert recalled(tiny("kmclr", **changes), trial) is not None


def test_threads_and_a_gpu_s_share_are_of_the_kind() -> None:
    trial = took(tiny(), 1.0, 1.0, share=0.5)
    kind = timings.kind_of(trial, 0.5)
    assert kind.gpu_share == 1.0  # there is none
    assert kind.threads == torch.get_num_threads()
    assert timings.recall(tiny(), kind._replace(threads=kind.threads + 1)) is None
    assert timings.recall(tiny(), kind._replace(gpu_share=0.5)) is None


def test_the_memory_is_bounded(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timings, "MOST_FILES", 2)
    monkeypatch.setattr(timings, "MOST_RUNS", 3)
    for batch in (16, 24, 32):
        for _ in range(5):
            took(tiny(train={"batch_size": batch}), 1.0, 1.0)
    files = sorted((cache / timings.FOLDER).iterdir())
    assert len(files) == 2
    assert all(len(json.loads(file.read_text())["runs"]) == 3 for file in files)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "{}", '{"schema": 99, "runs": []}', '{"schema": 1, "runs": 3}', '{"schema": 1, "runs": [{}]}',
        '{"schema": 1, "runs": [{"vectors": 1, "epochs": 1, "train_s": "x", "evaluation_s": 1}]}',
        "\xff\xfe", "[" * 100_000,
    ],
)  # fmt: skip
def test_a_damaged_memory_is_none_and_is_written_anew(cache: Path, text: str) -> None:
    trial = took(tiny(), 1.0, 1.0)
    (file,) = (cache / timings.FOLDER).iterdir()
    file.write_bytes(text.encode("latin-1"))
    assert recalled(tiny(), trial) is None
    took(tiny(), 1.0, 4.0)
    assert recalled(tiny(), trial) == timings.Learned(4.0, 1.0, 1)


def test_a_cache_that_cannot_be_written_is_no_error(cache: Path) -> None:
    cache.mkdir()
    (cache / timings.FOLDER).write_text("in the way")
    assert recalled(tiny(), took(tiny(), 1.0, 1.0)) is None


def test_an_estimate_rests_on_what_runs_before_it_took(tmp_path: Path) -> None:
    cfg = tiny("kmclr", train={"epochs": 3})
    reports = list(pretrain(cfg, digits(), folder=tmp_path / "run"))
    assert len(reports) == 3
    trial = took(cfg, 9.0, 70.0, 70.0, 70.0, evaluation=30.0)
    took(cfg, 9.0, 70.0, 70.0, evaluation=30.0)
    found = estimate.estimate(tiny("kmclr", train={"epochs": 2}), digits())
    assert found.idle_epoch_s == 100.0
    assert found.step_s == 70.0 / trial.steps_per_epoch
    assert found.epochs == 2 + 3 + 2

"""Shared fixtures: a run's checkpoint, and its data without files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from tests.helpers.trial_helpers import digits, tiny
from trainables import checkpoint
from trainables.evaluation import offline
from trainables.trial import Trial


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The checkpoint of a run after its first epoch; other.pt beside its folder is not a checkpoint."""
    trial = Trial(tiny("kmclr"), digits())
    trial.run_epoch()
    path = checkpoint.save_rolling(tmp_path / "run" / "checkpoints", 1, trial.state_dict())
    torch.save(trial.method.networks.encoder.state_dict(), tmp_path / "other.pt")
    return path


@pytest.fixture
def _data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digits for an offline evaluation."""
    test = digits(228, 300).validation
    monkeypatch.setattr(offline, "load_dataset", lambda cfg, progress=None: digits())
    monkeypatch.setattr(offline, "load_test", lambda cfg, progress=None: test)


@pytest.fixture(scope="session")
def confirmed_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of a study that has confirmed one point with two seeds. Not to be changed: see `results`."""
    from study.options import (
        describe_data,  # here: a GPU session collects tests beside this file without Ray and Optuna
    )
    from tests.helpers.engine_helpers import make_study
    from tests.helpers.without_ray import study_in_this_process
    from trainables.tune_adapter import TrialActor

    folder = tmp_path_factory.mktemp("confirmed")
    sections = tiny().model_dump(mode="json", include={"data", "encoder", "heads", "probe", "device"})
    study = make_study(
        **sections,
        space={"method": ("kmclr",), "k": (10, 20)},
        baselines=({"method": "kmclr", "k": 10},),
        search={"trials": 1, "startup_trials": 1},
        scheduler={"name": "none"},
        train={"epochs": 2, "batch_size": 32, "checkpoint_every": 1},
        confirm={"seeds": (3, 4), "linear_epochs": 7},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KMCLR_CACHE", str(folder / "cache"))
        run_here = study_in_this_process(patch)
        assert run_here(study, folder, trainable=lambda: TrialActor, describe=describe_data) == 0
    return folder / "fake"


@pytest.fixture
def results(confirmed_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder."""
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path / "cache"))
    return shutil.copytree(confirmed_study, tmp_path / "fake")

"""Shared fixtures: a run's checkpoint, and its data without files."""

from __future__ import annotations

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

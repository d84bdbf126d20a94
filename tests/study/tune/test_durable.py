"""The durable trainable without Tune around it: statuses instead of crashes, ways back from damaged checkpoints."""

from __future__ import annotations

import pytest

from tests.helpers.engine_helpers import lone_trial
from tests.study.tune.test_callback import checkpoint, task


@pytest.fixture
def make_trial(tmp_path, monkeypatch):
    """Makes a lone durable trial; files in tmp_path/faults make it misbehave."""
    (tmp_path / "faults").mkdir()
    monkeypatch.setenv("FAKE_FAULTS", str(tmp_path / "faults"))
    return lambda **more: lone_trial(tmp_path, **{**task().config(), **more})


def test_durable_keeps_the_name_and_runs(make_trial) -> None:
    trial = make_trial()
    assert type(trial).__name__ == "FakeTrial"
    assert [trial.step()["epoch"] for _ in range(2)] == [1, 2]
    assert repr(trial) == "kmclr k=50"


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("diverge", "diverged", "Diverged: loss is nan"),
        ("memory", "out_of_memory", "MemoryError: cannot allocate 10 GB"),
        ("error", "failed", "KeyError: 'a bug'"),
    ],
)
def test_durable_ends_with_a_status_and_can_be_reused(make_trial, tmp_path, capsys, kind, status, error) -> None:
    fault = tmp_path / "faults" / "search-0000.1"
    fault.write_text(kind)
    trial = make_trial()
    assert trial.step() == {"done": True, "status": status, "error": error}
    assert trial.step()["status"] == status
    assert "Traceback" in capsys.readouterr().err
    fault.unlink()
    assert trial.reset_config(task(1).config())
    assert trial.step()["epoch"] == 1


def test_durable_sets_up_anew_what_cannot_be_set_up(make_trial, monkeypatch, capsys) -> None:
    from tests.helpers.fake_trainable import FakeTrial

    def broken(self, config):
        raise RuntimeError("no data")

    monkeypatch.setattr(FakeTrial, "setup", broken)
    trial = make_trial()
    assert trial.step() == {"done": True, "status": "failed", "error": "RuntimeError: no data"}
    assert "no data" in capsys.readouterr().err


def test_durable_goes_on_from_the_newest_checkpoint_that_loads(make_trial, tmp_path, capsys) -> None:
    good = checkpoint(tmp_path, "search-1", "search-0000", 1, {"epoch": 2, "total": 5.0})
    cut = checkpoint(tmp_path, "search-1", "search-0000", 2, '{"epo')
    missing = tmp_path / "nowhere"
    trial = make_trial(resume_from=[str(missing), str(cut), str(good)])
    assert trial.step()["epoch"] == 3
    assert capsys.readouterr().err.count("cannot be loaded") == 2
    assert make_trial(resume_from=[str(cut)]).step()["epoch"] == 1


def test_durable_falls_back_within_a_session(make_trial, tmp_path, capsys) -> None:
    checkpoint(tmp_path, "search-1", "search-0000", 1, {"epoch": 2, "total": 5.0})
    cut = checkpoint(tmp_path, "search-1", "search-0000", 2, '{"epo')
    trial = make_trial()
    trial.step()
    trial.load_checkpoint(str(cut))
    assert trial.step()["epoch"] == 3
    assert "cannot be loaded" in capsys.readouterr().err


def test_durable_survives_a_checkpoint_that_cannot_be_written(make_trial, tmp_path, capsys) -> None:
    (tmp_path / "faults" / "search-0000.1").write_text("disk")
    trial = make_trial()
    trial.step()
    assert trial.save(str(tmp_path / "checkpoint")).checkpoint is None
    assert trial.step()["error"] == "disk full: [Errno 28] No space left on device"
    assert "No space left" in capsys.readouterr().err

"""Every way a trial can go wrong ends as its own recorded status, and the study goes on. Processes are killed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from study import disk_and_storage, schema
from study.tune.durable import describe, failure_of, status_of
from tests.helpers.engine_helpers import lines, make_study, outcome, run_fake
from tests.helpers.fake_trainable import curve

pytestmark = pytest.mark.filterwarnings("ignore")
FAULTS = {
    "search-0000.3": "once die",
    "search-0001.2": "diverge",
    "search-0002.2": "memory",
    "search-0003.2": "error",
    "search-0004.2": "nan",
    "search-0005.2": "cut",
    "search-0005.3": "once die",
    "search-0006.2": "disk",
    "search-0007.2": "die",
}


@pytest.fixture(scope="module")
def ends(tmp_path_factory) -> tuple[Path, dict[str, dict]]:
    """A study in which every trial but the last has a fault; its folder and its ends by trial id."""
    folder, out = tmp_path_factory.mktemp("faults"), tmp_path_factory.mktemp("out")
    for name, kind in FAULTS.items():
        (folder / name).write_text(kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKE_FAULTS", str(folder))
        search = {"trials": 9, "sampler": "random"}
        resources = {"max_failures": 1, "max_concurrent": 2}
        study = make_study(
            search=search, scheduler={"name": "none"}, train={"epochs": 4, "checkpoint_every": 1}, resources=resources
        )
        with pytest.raises(disk_and_storage.DiskFull, match=r"^disk full: .* \(checkpoints of search-0006, kept in "):
            run_fake(study, out)
    assert "FAKE_FAULTS" not in os.environ
    return out / "fake", {e["trial_id"]: e for e in lines(out / "fake" / schema.TRIALS_FILE)}


@pytest.mark.parametrize(
    ("number", "status", "epochs", "error"),
    [
        (0, schema.COMPLETED, 4, None),
        (1, schema.DIVERGED, 1, "Diverged: loss is nan"),
        (2, schema.OUT_OF_MEMORY, 1, "out of memory: shrink train.batch_size"),
        (3, schema.FAILED, 1, "KeyError: 'a bug'"),
        (4, schema.DIVERGED, 1, None),
        (5, schema.COMPLETED, 4, None),
        (6, schema.INTERRUPTED, 2, "disk full: [Errno 28] No space left on device"),
        (7, schema.FAILED, 1, "the trial's process died"),
        (8, schema.COMPLETED, 4, None),
    ],
)
def test_status_of_each_fault(ends, number, status, epochs, error) -> None:
    end = ends[1][f"search-{number:04d}"]
    assert (end["status"], end["epochs"]) == (status, epochs)
    assert (end["error"] or "").startswith(error or "")
    assert (end["error"] is None) == (error is None)


def test_killed_trials_lose_and_double_nothing(ends) -> None:
    reports, _ = outcome(ends[0])
    for number in (0, 5):
        own = [r for r in reports if r["number"] == number]
        assert [r["epoch"] for r in own] == [1, 2, 3, 4]
        params = ends[1][f"search-{number:04d}"]["params"]
        expected = [curve(params, 0, epoch) for epoch in (1, 2, 3, 4)]
        assert [r["accuracy"] for r in own] == pytest.approx(expected)
        assert own[-1]["loss"] == pytest.approx(sum(expected))  # the running total came through the checkpoint


def test_epochs_run_again_after_a_kill_are_not_recorded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a checkpoint every 3 epochs a trial killed in its 6th goes back to its 4th."""
    (tmp_path / "search-0000.6").write_text("once die")
    monkeypatch.setenv("FAKE_FAULTS", str(tmp_path))
    train, resources = {"epochs": 7, "checkpoint_every": 3}, {"max_failures": 1, "max_concurrent": 1}
    study = make_study(search={"trials": 1}, scheduler={"name": "none"}, train=train, resources=resources)
    assert run_fake(study, tmp_path / "out") == 0
    reports, ends = outcome(tmp_path / "out" / "fake")
    assert [r["epoch"] for r in reports] == [1, 2, 3, 4, 5, 6, 7]
    expected = [curve(ends[0]["params"], 0, epoch) for epoch in range(1, 8)]
    assert reports[-1]["loss"] == pytest.approx(sum(expected))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate"), schema.OUT_OF_MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), schema.OUT_OF_MEMORY),
        (MemoryError(), schema.OUT_OF_MEMORY),
        (TimeoutError("slow"), schema.TIMED_OUT),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), schema.INTERRUPTED),
        (OSError(errno.EIO, "Input/output error"), schema.FAILED),
        (ValueError("x"), schema.FAILED),
    ],
)
def test_status_of_exceptions(error, status) -> None:
    assert status_of(error) == status


@pytest.mark.parametrize("number", disk_and_storage.DISK_FULL_ERRNOS)
def test_a_used_up_disk_or_quota_is_named_so(number) -> None:
    assert describe(OSError(number, os.strerror(number))).startswith("disk full: ")
    assert describe(OSError(errno.EIO, "Input/output error")).startswith("OSError: ")


def test_descriptions_are_one_line() -> None:
    assert describe(ValueError("a\nb")) == "ValueError: a"
    assert describe(MemoryError()) == "MemoryError"
    assert failure_of(None) == (schema.FAILED, "unknown error")

"""A disk that fills up in mid-study: one line, exit code 2, and a folder that `--resume` finishes. On a real small disk
where the tests may mount one, else on errors as the parts of a study raise them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy
from ray.tune.error import TuneError

import run_study
from study import disk_and_storage, plan, runner, schema
from study.disk_and_storage import DiskFull
from study.record import results_folder
from study.record.journal import JournalWriteError
from tests.helpers.engine_helpers import lines, make_study, run_fake

pytestmark = pytest.mark.filterwarnings("ignore")
ARGV = ["/somewhere/run_study.py", "s.yaml", "--quiet"]


def is_mounted(path: Path, size: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    try:
        return os.geteuid() == 0 and subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    except OSError:
        return False


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A disk of 8 MB of its own."""
    path = tmp_path / "disk"
    path.mkdir()
    if not is_mounted(path, "8m"):
        pytest.skip("needs a process that may mount a file system")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True, timeout=60)


@pytest.fixture
def filled_in(disk, tmp_path, monkeypatch) -> SimpleNamespace:
    """`at(trial_id, epoch)`: the disk fills up while that epoch is trained; `empty()`: there is room again."""
    (tmp_path / "faults").mkdir()
    monkeypatch.setenv("FAKE_FAULTS", str(tmp_path / "faults"))
    monkeypatch.setenv("FAKE_FILL", str(disk / "filler"))
    return SimpleNamespace(
        at=lambda trial_id, epoch: (tmp_path / "faults" / f"{trial_id}.{epoch}").write_text("once fill"),
        empty=(disk / "filler").unlink,
    )


def check_complete(folder: Path, study) -> dict[str, dict]:
    """Every trial has one final end and each of its epochs once; the ends by trial id."""
    ends = [e for e in lines(folder / schema.TRIALS_FILE) if e["status"] != schema.INTERRUPTED]
    assert [e["number"] for e in sorted(ends, key=lambda e: e["number"])] == list(range(study.search.trials))
    reports = lines(folder / schema.REPORTS_FILE)
    for end in ends:
        epochs = [r["epoch"] for r in reports if r["trial_id"] == end["trial_id"]]
        assert epochs == list(range(1, end["epochs"] + 1))
    return {e["trial_id"]: e for e in ends}


@pytest.mark.timeout(280)
def test_results_on_a_disk_that_fills_up(disk, filled_in) -> None:
    study = make_study()
    filled_in.at("search-0002", 2)
    with pytest.raises(DiskFull, match=rf"^{disk}/fake.*: disk full \(.*; make room, then continue with: .* --resume$"):
        run_fake(study, disk)
    with pytest.raises(DiskFull, match=r"disk full .*continue with"):  # and says so again as long as it is true
        run_fake(study, disk, resume=True)
    filled_in.empty()
    assert run_fake(study, disk, resume=True) == 0
    ends = check_complete(disk / "fake", study)
    assert all(end["status"] in (schema.COMPLETED, schema.STOPPED) for end in ends.values() if end["number"] != 2)


@pytest.mark.timeout(280)
def test_trials_without_room_for_checkpoints_are_trained_on_when_there_is_room(disk, filled_in, tmp_path) -> None:
    study = make_study()
    filled_in.at("search-0005", 2)
    with pytest.raises(DiskFull, match=rf"^disk full: .* \(checkpoints of search-0005 and .*, kept in {disk}/fake"):
        run_fake(study, tmp_path / "out", storage=str(disk))
    ends = {e["trial_id"]: e for e in lines(tmp_path / "out" / "fake" / schema.TRIALS_FILE)}
    assert ends["search-0005"]["status"] == schema.INTERRUPTED
    assert ends["search-0001"]["status"] == schema.COMPLETED
    filled_in.empty()
    assert run_fake(study, tmp_path / "out", resume=True) == 0
    ends = check_complete(tmp_path / "out" / "fake", study)
    assert {end["status"] for end in ends.values()} <= {schema.COMPLETED, schema.STOPPED}


def test_a_trial_that_a_full_disk_interrupted_goes_on_from_its_last_checkpoint(tmp_path, monkeypatch) -> None:
    """The others go on without it; the points to confirm are chosen when it has been trained."""
    fault, out = tmp_path / "search-0000.3", tmp_path / "out"
    fault.write_text("disk")
    monkeypatch.setenv("FAKE_FAULTS", str(tmp_path))
    changes = {"search": {"trials": 2}, "scheduler": {"name": "none"}, "confirm": {"seeds": [1], "max_points": 2}}
    study = make_study(**changes, train={"epochs": 4, "checkpoint_every": 1})
    with pytest.raises(
        DiskFull, match=r"^disk full: \[Errno 28\] .* \(checkpoints of search-0000, kept in .*/ray\); make "
    ):
        run_fake(study, out)
    first, second = lines(out / "fake" / schema.TRIALS_FILE)
    assert (first["status"], first["epochs"], first["checkpoint"]) == (schema.INTERRUPTED, 3, None)
    assert first["error"].startswith("disk full: ")
    assert second["status"] == schema.COMPLETED
    fault.unlink()
    for epoch in (1, 2):
        (tmp_path / f"search-0000.{epoch}").write_text("error")  # these need not be trained again
    assert run_fake(study, out, resume=True) == 0
    own = [r for r in lines(out / "fake" / schema.REPORTS_FILE) if r["trial_id"] == "search-0000"]
    assert [r["epoch"] for r in own] == [1, 2, 3, 4]
    assert own[-1]["loss"] == pytest.approx(sum(r["accuracy"] for r in own))  # came through the checkpoint
    ends = lines(out / "fake" / schema.TRIALS_FILE)[2:]
    assert {end["status"] for end in ends} == {schema.COMPLETED}
    assert sorted(end["trial_id"] for end in ends) == ["confirm-0000-1", "confirm-0001-1", "search-0000"]


@pytest.mark.parametrize(
    ("without_room", "who"),
    [
        ({"a": "disk full: x"}, "a"),
        ({"a": "disk full: x", "b": "disk full: y"}, "a and b"),
        ({"a": "disk full: x", "b": "", "c": ""}, "a and 2 more trials"),
    ],
)
def test_who_had_no_room_is_said(without_room, who) -> None:
    disk_and_storage.check_room({}, "/there", "go on")
    with pytest.raises(DiskFull) as caught:
        disk_and_storage.check_room(without_room, "/there", "go on")
    said = f"disk full: x (checkpoints of {who}, kept in /there); make room, then continue with: go on"
    assert str(caught.value) == said


# --- what the parts of a study say of a full disk ---


def wrapped(cause: Exception) -> Exception:
    """As Tune hands on what a callback raises."""
    try:
        try:
            raise cause
        except Exception:
            raise TuneError("Traceback (most recent call last): ...")  # noqa: B904 (so does Tune)
    except TuneError as error:
        return error


def failing(error: Exception) -> None:
    raise error


SQLITE_FULL = sqlalchemy.exc.OperationalError("INSERT", {}, Exception("database or disk is full"))
SQLITE_VAGUE = sqlalchemy.exc.OperationalError("INSERT", {}, Exception("disk I/O error"))


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "results/s"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/data/a.json"), "/data/a.json"),
        (wrapped(JournalWriteError(errno.ENOSPC, "No space left on device", "results/s/x.jsonl")), "results/s/x.jsonl"),
        (wrapped(SQLITE_FULL), "results/s"),
        (wrapped(SQLITE_VAGUE), "results/s"),
    ],
)
def test_every_full_disk_becomes_one_line(monkeypatch, error, place) -> None:
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    monkeypatch.setattr(disk_and_storage, "free_bytes", lambda path: 10 if str(path) == "results/s" else 10**9)
    with pytest.raises(DiskFull) as caught, disk_and_storage.raise_disk_full(Path("results/s"), ARGV):
        raise error
    assert str(caught.value).startswith(f"{place}: disk full (")
    assert str(caught.value).endswith("; make room, then start again with: python run_study.py s.yaml --quiet")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "error", [SQLITE_VAGUE, wrapped(KeyError("a bug")), OSError(errno.EIO, "Input/output error"), ValueError("rule")]
)
def test_other_errors_pass_as_they_are(monkeypatch, error) -> None:
    monkeypatch.setattr(disk_and_storage, "free_bytes", lambda path: 10**9)
    with pytest.raises(type(error)) as caught, disk_and_storage.raise_disk_full(Path("results/s"), ARGV):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("where", ["run", "report"])
def test_the_program_exits_as_for_what_can_be_put_right(tmp_path, monkeypatch, capsys, where) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "a.svg")
    monkeypatch.setattr(plan, "show", lambda *a, **k: None)
    monkeypatch.setattr(runner, "run", lambda *a, **k: failing(full) if where == "run" else 0)
    monkeypatch.setattr(run_study, "report", lambda *a: failing(full))
    monkeypatch.setattr(results_folder, "begun", lambda folder: True)
    monkeypatch.setattr(sys, "argv", ARGV)
    config = str(Path(run_study.__file__).parent / "configs" / "k_sweep.yaml")
    assert run_study.main([config, "--rehearse", "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("run_study.py: a.svg: disk full (No space left on device); make room, then continue with: ")
    assert error.endswith("run_study.py s.yaml --quiet --resume\n")


def test_free_room_is_that_of_the_nearest_folder_that_is_there(tmp_path) -> None:
    assert disk_and_storage.free_bytes(tmp_path / "not" / "yet") is not None

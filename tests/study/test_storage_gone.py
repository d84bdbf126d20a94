"""A storage that is gone when Tune's driver needs it: one line, exit code 2, and a folder that `--resume` finishes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from pyarrow import fs as arrow
from ray.tune.error import TuneError

import run_study
from study import disk_and_storage, plan, runner, schema
from study.disk_and_storage import StorageGone
from study.tune.callback import StudyCallback
from tests.helpers.engine_helpers import lines, make_study, outcome, run_fake

pytestmark = pytest.mark.filterwarnings("ignore")
SMALL = {"search": {"trials": 1}, "train": {"epochs": 3}, "confirm": {"seeds": [1], "max_points": 1}}


def test_a_storage_that_is_lost_at_the_end_of_a_stage(tmp_path, monkeypatch) -> None:
    """The search has been trained by then; the resume only confirms."""
    storage, away = tmp_path / "storage", tmp_path / "away"
    study = make_study(**SMALL, scheduler={"name": "none"})
    ended = StudyCallback.on_trial_complete

    def lose(self, *arguments, **named) -> None:
        ended(self, *arguments, **named)
        storage.rename(away)
        storage.write_text("")

    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(StudyCallback, "on_trial_complete", lose)
        with pytest.raises(StorageGone) as caught:
            run_fake(study, tmp_path / "out", storage=str(storage))
    said = str(caught.value)
    assert said.startswith(f"{storage}/fake-")
    assert said.endswith("; once it can, continue with: python run_study.py fake.yaml --resume")
    assert "\n" not in said
    before = outcome(tmp_path / "out" / "fake")
    assert [end["status"] for end in before[1]] == [schema.COMPLETED]

    storage.unlink()
    away.rename(storage)
    assert run_fake(study, tmp_path / "out", resume=True) == 0
    reports, ends = outcome(tmp_path / "out" / "fake")
    assert (reports[:3], ends[:1]) == before
    assert [(r["stage"], r["epoch"]) for r in reports[3:]] == [("confirm", 1), ("confirm", 2), ("confirm", 3)]
    assert Path(lines(tmp_path / "out" / "fake" / schema.TRIALS_FILE)[0]["checkpoint"]).is_dir()


def unreadable(path: Path) -> OSError:
    """As pyarrow says that a folder cannot be read."""
    path.write_text("")
    with pytest.raises(OSError, match="Not a directory") as caught:
        arrow.LocalFileSystem().get_file_info(arrow.FileSelector(str(path)))
    return caught.value


def wrapped(cause: Exception) -> Exception:
    with pytest.raises(TuneError) as caught:
        raise TuneError("Traceback (most recent call last): ...") from cause
    return caught.value


@pytest.mark.parametrize("wrap", [lambda error: error, wrapped])
def test_what_pyarrow_and_tune_say_becomes_one_line(tmp_path, wrap) -> None:
    for error in (unreadable(tmp_path / "file"), RuntimeError("Unable to set up cluster storage with\nall of this")):
        with (
            pytest.raises(StorageGone) as caught,
            disk_and_storage.raise_storage_gone("s3://bucket/s", lambda: "do --resume"),
        ):
            raise wrap(error)
        reason = str(error).splitlines()[0]
        assert str(caught.value) == (
            f"s3://bucket/s: the storage of checkpoints cannot be used ({reason}); once it can, "
            f"continue with: do --resume"
        )


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "Input/output error", "reports.jsonl"),
        ValueError("a rule"),
        wrapped(KeyError("a bug")),
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    ],
)
def test_other_errors_pass_as_they_are(error) -> None:
    with pytest.raises(type(error)) as caught, disk_and_storage.raise_storage_gone("s3://bucket/s", lambda: ""):
        raise error
    assert caught.value is error


def test_a_full_disk_is_not_a_storage_that_is_gone(tmp_path) -> None:
    error = unreadable(tmp_path / "file")
    error.errno = errno.ENOSPC
    assert disk_and_storage.storage_reason(error) is None


def test_the_program_exits_as_for_what_can_be_put_right(tmp_path, monkeypatch, capsys) -> None:
    def run(*arguments, **named) -> None:
        with disk_and_storage.raise_storage_gone("s3://bucket/s", lambda: "do --resume"):
            raise ValueError("No experiment snapshot file of form 'experiment_state-*.json' was found at: (s3, s)")

    monkeypatch.setattr(plan, "show", lambda *a, **k: None)
    monkeypatch.setattr(runner, "run", run)
    config = str(Path(run_study.__file__).parent / "configs" / "k_sweep.yaml")
    assert run_study.main([config, "--rehearse", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(
        "run_study.py: s3://bucket/s: the storage of checkpoints cannot be used (No"
    )

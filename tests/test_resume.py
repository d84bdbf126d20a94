"""A study that is stopped, killed, torn and moved, in real processes, ends like one that was left alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from study import runner, schema
from study.record.lock import FolderBusy
from tests.helpers.engine_helpers import lines, make_study, outcome, run_fake
from tests.helpers.fake_trainable import curve

ROOT = Path(__file__).resolve().parents[1]
CONFIRM = {"confirm": {"seeds": [1, 2], "max_points": 1}}
WITH_WANDB = {**CONFIRM, "tracking": {"wandb": "offline"}}


def start(
    out: Path, *, seconds: float, resume: bool = False, changes: dict = CONFIRM, options: Sequence[str] = ()
) -> subprocess.Popen:
    """The fake study in a process of its own; an epoch takes `seconds`."""
    command = [sys.executable, "-m", "tests.helpers.engine_helpers", str(out), "--set", json.dumps(changes), *options]
    environment = {**os.environ, "FAKE_SECONDS": str(seconds), "OMP_NUM_THREADS": "1"}
    environment.pop("UV_RUN_RECURSION_DEPTH", None)  # started without uv
    return subprocess.Popen(
        [*command, *(["--resume"] if resume else [])],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen, timeout: float = 250) -> tuple[int, str, str]:
    printed, errors = process.communicate(timeout=timeout)
    return process.returncode, printed, errors


def wait_for_reports(folder: Path, count: int, process: subprocess.Popen) -> None:
    """Until `count` lines of reports.jsonl are there."""
    path = folder / schema.REPORTS_FILE
    for _ in range(2000):
        if path.exists() and path.read_bytes().count(b"\n") >= count:
            return
        assert process.poll() is None, finish(process)
        time.sleep(0.1)
    raise AssertionError("no reports")


@pytest.mark.parametrize(("by_uv", "begin"), [(True, "uv run"), (False, "python")])
def test_the_command_to_go_on_with_begins_as_the_session_did(monkeypatch, by_uv: bool, begin: str) -> None:
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    if by_uv:
        monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    argv = ["/somewhere/run_study.py", "configs/k_sweep.yaml", "--resume", "--set", "question=why so"]
    command = runner.StudyRun._resume_command(SimpleNamespace(options=SimpleNamespace(argv=argv)))
    assert command == f"{begin} run_study.py configs/k_sweep.yaml --set 'question=why so' --resume"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    code, printed, errors = finish(start(out, seconds=0))
    assert (code, errors) == (0, ""), printed
    return out / "fake"


@pytest.fixture(scope="module")
def undisturbed(finished) -> tuple[list[dict], list[dict]]:
    return outcome(finished)


def test_lost_reports_are_trained_again(finished, undisturbed, tmp_path) -> None:
    """The same without Ray, with damage of every kind: `tests/study/test_damage.py`."""
    folder = tmp_path / "fake"
    shutil.copytree(finished, folder)
    path = folder / schema.REPORTS_FILE
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*rows[:3], *rows[5:-3]]))
    code, printed, errors = finish(start(tmp_path, seconds=0, resume=True))
    assert (code, errors) == (0, ""), printed
    assert f"{path}:4: lines 4 to 5 are missing (search-0000, epochs 4 to 5)\n" in printed
    assert "Trained again, because their reports are lost: search-0000, epochs 4 to 5\n" in printed
    assert outcome(folder) == undisturbed
    assert not list((folder / schema.RAY_DIR).glob("repair-*"))


def test_killed_driver_torn_lines_and_moved_folder(undisturbed, tmp_path) -> None:
    """kill -9 twice (search and confirm), half-written last lines, another path: nothing lost, nothing doubled."""
    first, second = tmp_path / "first", tmp_path / "second"
    reports, _ = undisturbed
    for count, resume in ((7, False), (len(reports) - 12, True)):
        process = start(first, seconds=0.25, resume=resume)
        wait_for_reports(first / "fake", count, process)
        process.kill()
        finish(process)
        with (first / "fake" / schema.REPORTS_FILE).open("a") as file:
            file.write('{"schema": 1, "stage": "sea')
    shutil.copytree(first, second, symlinks=True)
    shutil.rmtree(first)
    code, printed, errors = finish(start(second, seconds=0, resume=True))
    assert code == 0, errors
    assert "dropped a torn last line of 27 bytes" in errors
    assert outcome(second / "fake") == undisturbed
    assert not first.exists()
    sessions = json.loads((second / "fake" / schema.MANIFEST_FILE).read_text())["sessions"]
    assert [s["reason"] for s in sessions] == ["killed", "killed", "done"]
    assert "already done" in printed


def test_signals_stop_cleanly_and_within_seconds(undisturbed, tmp_path) -> None:
    """SIGINT with W&B on, then SIGTERM; each leaves state, says how to go on, and the study ends as if undisturbed."""
    folder = tmp_path / "fake"
    for number, signum, count in ((0, signal.SIGINT, 4), (1, signal.SIGTERM, 11)):
        process = start(tmp_path, seconds=0.25, resume=number > 0, changes=WITH_WANDB)
        wait_for_reports(folder, count, process)
        if number == 0:
            with pytest.raises(FolderBusy, match=f"already in use by process {process.pid} on .*choose another --out"):
                run_fake(make_study(**WITH_WANDB), tmp_path, resume=True)
        process.send_signal(signum)
        code, printed, errors = finish(process, timeout=30)
        assert (code, errors) == (128 + signum, ""), printed
        assert f"Stopped by {signum.name}" in printed
        assert "Continue with: python run_study.py fake.yaml --resume" in printed
        record = json.loads((folder / schema.MANIFEST_FILE).read_text())
        assert (record["status"], record["sessions"][-1]["reason"]) == ("interrupted", signum.name)
        assert lines(folder / schema.TRIALS_FILE)[-1]["status"] == schema.INTERRUPTED
    code, _, errors = finish(start(tmp_path, seconds=0, resume=True, changes=CONFIRM))
    assert (code, errors) == (0, "")
    assert outcome(folder) == undisturbed
    assert list((folder / "wandb").glob("offline-run-*"))


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_ray_starts(tmp_path, signum) -> None:
    process = start(tmp_path, seconds=0)
    driver = psutil.Process(process.pid)
    while not any(child.name() == "gcs_server" for child in driver.children(recursive=True)):
        assert process.poll() is None, finish(process)
        time.sleep(0.02)
    process.send_signal(signum)
    code, printed, errors = finish(process)
    assert (code, errors) == (128 + signum, ""), printed
    assert f"Stopped by {signum.name}; no trial was running." in printed
    assert "Continue with: python run_study.py fake.yaml --resume" in printed
    assert json.loads((tmp_path / "fake" / schema.MANIFEST_FILE).read_text())["status"] == "interrupted"


def test_killed_driver_and_damaged_storage(tmp_path) -> None:
    """kill -9 three times with two trials under way, optuna.db lost each time: each trial goes on with its values."""
    changes = {"resources": {"max_concurrent": 2}}
    folder = tmp_path / "fake"
    database = folder / schema.OPTUNA_FILE
    drawn: list[dict] = []
    for count, damage in ((3, "garbage"), (8, "cut"), (13, "missing")):
        process = start(tmp_path, seconds=0.25, resume=count > 3, changes=changes)
        wait_for_reports(folder, count, process)
        process.kill()
        finish(process)
        assert lines(folder / schema.DRAWS_FILE)[: len(drawn)] == drawn
        drawn = lines(folder / schema.DRAWS_FILE)
        content = database.read_bytes()
        database.unlink()
        if damage != "missing":
            database.write_bytes(content[: len(content) // 2] if damage == "cut" else b"garbage" * 1000)
    code, _, errors = finish(start(tmp_path, seconds=0, resume=True, changes=changes))
    assert code == 0, errors
    draws = [line for line in lines(folder / schema.DRAWS_FILE) if line["duplicate_of"] is None]
    assert draws[: len(drawn)] == drawn
    ends = {line["trial_id"]: line for line in lines(folder / schema.TRIALS_FILE)}
    assert len(ends) == len(lines(folder / schema.TRIALS_FILE)) == 8
    assert {line["trial_id"]: line["params"] for line in draws} == {name: end["params"] for name, end in ends.items()}
    reports = lines(folder / schema.REPORTS_FILE)
    for name, end in ends.items():
        values = [line["accuracy"] for line in reports if line["trial_id"] == name]
        assert values == [curve(end["params"], 0, epoch) for epoch in range(1, end["epochs"] + 1)]

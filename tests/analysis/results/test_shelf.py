"""All studies below a folder: which there are, how each stands, how old and how big it is."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from analysis.results import shelf
from analysis.results.load import load
from study.schema import UserError
from tests.helpers.synthetic_results import write_results

SMALL = {"trials": 3, "epochs": 3, "confirm_seeds": ()}


def test_every_study_below_is_found_and_a_broken_one_says_why(tmp_path: Path) -> None:
    write_results(tmp_path / "deep" / "down" / "a", **SMALL)
    nested = write_results(tmp_path / "b", **SMALL)
    write_results(nested / "ray" / "inner", **SMALL)  # within a study: not one of ours to tell of
    (write_results(tmp_path / "broken", **SMALL) / "manifest.json").write_text("{")
    (write_results(tmp_path / "lost", **SMALL) / "manifest.json").unlink()
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "study.yaml").touch()
    (tmp_path / "round").symlink_to(tmp_path)
    found = shelf.studies(tmp_path)
    assert [(one.name, one.state) for one in found] == [
        ("b", "finished"), ("broken", "unreadable"), ("deep/down/a", "finished"), ("lost", "unreadable"),
    ]  # fmt: skip
    assert "manifest.json:1: not JSON" in found[1].problem
    assert "missing" in found[3].problem
    assert [one.name for one in shelf.studies(nested)] == ["b"]
    with pytest.raises(UserError, match="not a folder"):
        shelf.studies(tmp_path / "nowhere")


def test_a_study_whose_process_is_gone_was_killed(tmp_path: Path) -> None:
    live = write_results(tmp_path / "live", running=1, **SMALL)
    trials = live / "trials.jsonl"
    trials.write_text(trials.read_text() + '{"torn')  # it is being written
    lock = live / ".lock"
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "born": psutil.Process().create_time()}
    ended = subprocess.Popen(["true"])
    ended.wait()
    for content, state in (
        (owner, "running"),
        ({**owner, "pid": ended.pid}, "killed"),
        ({**owner, "born": 5.0}, "killed"),  # the number is another process's by now
        ({**owner, "host": "elsewhere", "pid": ended.pid}, "running"),
        ({"pid": "x", "host": socket.gethostname()}, "running"),
    ):
        lock.write_text(json.dumps(content))
        assert shelf.studies(live)[0].state == state
    lock.write_text("[" * 10_000)
    assert shelf.studies(live)[0].state == "running"


def test_age_and_size(tmp_path: Path) -> None:
    live = write_results(tmp_path / "live", running=1, **SMALL)
    results = load(live)
    assert shelf.last_sign(results) == max(
        datetime.fromisoformat(text).astimezone(UTC)
        for text in [*results.reports["time"], results.manifest["ended"] or results.manifest["started"]]
    )
    before = shelf.bytes_on_disk(live)
    (live / "big").write_bytes(b"x" * 1_000_000)
    (live / "link").symlink_to("/usr")
    added = shelf.bytes_on_disk(live) - before
    assert 1_000_000 <= added < 1_100_000

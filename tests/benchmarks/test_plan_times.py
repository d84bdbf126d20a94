"""The benchmark of planned and taken epochs: its load ends, its trials are timed, its table counts right."""

from __future__ import annotations

import multiprocessing
import queue
import subprocess

import pytest

from benchmarks import plan_times
from benchmarks.plan_times import Row, Taken


def row(planned: float, again: float) -> Row:
    return Row("s", 2, planned, 1.0, Taken(4.0, 2.0), again, Taken(5.0, 2.0))


def test_the_load_is_there_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen] = []

    class Popen(subprocess.Popen):
        def __init__(self, *given, **more) -> None:
            super().__init__(*given, **more)
            started.append(self)

    monkeypatch.setattr(plan_times.subprocess, "Popen", Popen)
    with plan_times.spinning(2):
        assert [process.poll() for process in started] == [None, None]
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)


def test_the_table_counts_what_is_within_the_target() -> None:
    text = plan_times.report([row(4.0, 5.0), row(6.1, 3.2)], 8)
    assert "within a factor of 1.5: 2 of 4 plans" in text
    assert "| s | 2 | 4.00 | 1.00 | 4.00 | 2.00 | 1.00 | 0.50 | 1.00 |" in text


def test_a_trial_is_timed_after_its_first_epoch(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path))
    told: queue.Queue = queue.Queue()
    plan_times.train("k_sweep", "none", 1, 2, multiprocessing.Barrier(1), told)
    wall_s, busy_s = told.get()
    assert 0 < busy_s <= 1.01 * wall_s
    assert len(list((tmp_path / "times").iterdir())) == 1

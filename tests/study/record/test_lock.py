"""One study, one process."""

from __future__ import annotations

import multiprocessing
import os

import pytest

from study import schema
from study.record.lock import FolderBusy, FolderLock


def test_lock_keeps_others_out_and_says_who_has_it(tmp_path) -> None:
    with FolderLock(tmp_path) as lock:
        assert lock.stale is None
        with pytest.raises(FolderBusy, match=f"already in use by process {os.getpid()} on .*choose another --out"):
            FolderLock(tmp_path).__enter__()
    with FolderLock(tmp_path):
        pass


def _die_with_lock(folder, ready) -> None:
    FolderLock(folder).__enter__()
    ready.set()
    os._exit(9)


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_die_with_lock, args=(tmp_path, ready))
    process.start()
    process.join(60)
    assert ready.is_set()
    with FolderLock(tmp_path) as lock:
        assert lock.stale == process.pid


def test_without_file_locks_the_pid_decides(tmp_path, monkeypatch) -> None:
    import fcntl

    def no_locks(*_):
        raise OSError("not supported")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    (tmp_path / "something").touch()
    with FolderLock(tmp_path), pytest.raises(FolderBusy, match="already in use"):
        FolderLock(tmp_path).__enter__()
    (tmp_path / schema.LOCK_FILE).write_text('{"pid": 999999999, "host": "elsewhere"}')
    with FolderLock(tmp_path) as lock:
        assert lock.stale == 999999999
    (tmp_path / schema.LOCK_FILE).write_text("garbage")
    with FolderLock(tmp_path):
        pass

"""When the belief is written, and that neither a full disk nor a fault of ours ends a study for it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from study import schema
from study.interrupt import Interrupted
from study.listeners import believer
from study.search import believing
from tests.helpers.engine_helpers import make_study, run_fake
from tests.helpers.search_helpers import Bench
from tests.helpers.without_ray import study_in_this_process


def test_it_is_written_as_the_search_grows_and_not_twice_for_the_same(tmp_path: Path, monkeypatch) -> None:
    bench = Bench(tmp_path, make_study(search={"trials": 21, "startup_trials": 21, "sampler": "random"}))
    written: list[int] = []
    one = believer.Believer(bench.study, bench.journal)
    monkeypatch.setattr(believing, "look", lambda study, journal: len(journal.ends))
    monkeypatch.setattr(believing, "write", lambda study, folder, found: written.append(found))
    bench.recorder.listeners = [one]
    for _ in range(20):
        bench.run(bench.next())
    assert written == [6, 8, 11, 15, 20]
    bench.run(bench.next())
    assert one.write() == 21
    one.close(False)
    assert written == [6, 8, 11, 15, 20, 21]
    bench.close()


def test_an_interrupted_study_shows_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study_in_this_process(monkeypatch)
    study, ended = make_study(), []

    def fifth(self, task, line) -> None:
        ended.append(task)
        if len(ended) == 5:
            raise Interrupted(2)

    monkeypatch.setattr(believer.Believer, "ended", fifth)
    assert run_fake(study, tmp_path, quiet=True) == 130
    assert len(schema.read_belief(tmp_path / "fake")["trials"]) == 5


def test_a_full_disk_costs_a_line_and_a_fault_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    said: list[str] = []
    one = believer.Believer(bench.study, bench.journal, said.append)

    def full(*_) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for _ in range(3):
        bench.run(bench.next())
    with monkeypatch.context() as patch:
        patch.setattr(schema.files, "write_atomically", full)
        assert one.write().belief is not None
    path = tmp_path / schema.BELIEF_FILE
    assert said == [f"{path}: could not be written (No space left on device); the report goes without it"]
    bench.run(bench.next())
    monkeypatch.setattr(believing, "look", lambda *_: 1 / 0)
    with pytest.warns(UserWarning, match="what the search believes is not known: ZeroDivisionError"):
        assert one.write() is None
    bench.close()

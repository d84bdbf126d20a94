"""Paused trials survive kill -9 like all others, in real processes under Ray."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from study import schema
from tests.helpers.engine_helpers import lines, make_study, outcome, run_fake
from tests.helpers.without_ray import study_in_this_process
from tests.test_resume import finish, start

PAUSING = {
    "search": {"trials": 10, "startup_trials": 4},
    "scheduler": {"name": "promote", "grace_period": 1, "reduction_factor": 3},
}


def wait_for_turns(folder: Path, count: int, process) -> None:
    path = folder / schema.TURNS_FILE
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        assert process.poll() is None, finish(process)
        time.sleep(0.02)


# Three starts of Ray: longer than 20 s on a busy machine.
def test_paused_trials_survive_kill_9(tmp_path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        study_in_this_process(patch)
        assert run_fake(make_study(**PAUSING), tmp_path / "alone", quiet=True) == 0
    turns = lines(tmp_path / "alone" / "fake" / schema.TURNS_FILE)
    assert any(line["turn"] for line in turns)
    said = ""
    for number, count in enumerate((len(turns) // 3, 2 * len(turns) // 3)):
        process = start(tmp_path, seconds=0.15, resume=number > 0, changes=PAUSING)
        wait_for_turns(tmp_path / "fake", count, process)
        process.kill()
        said += finish(process)[1]
    code, printed, errors = finish(start(tmp_path, seconds=0, resume=True, changes=PAUSING))
    assert (code, errors) == (0, ""), printed
    assert " paused " in said + printed
    assert lines(tmp_path / "fake" / schema.TURNS_FILE) == turns
    assert outcome(tmp_path / "fake") == outcome(tmp_path / "alone" / "fake")
    assert json.loads((tmp_path / "fake" / schema.MANIFEST_FILE).read_text())["rungs"] == [1, 3]

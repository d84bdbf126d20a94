"""Paused trials survive kill -9 in real processes under Ray; trials that pause are trained as if they did not."""

from __future__ import annotations

import json
import time
from pathlib import Path

from study import schema
from study.options import default_trainable, describe_data
from study.record.journal import plain
from study.settings import space
from tests.helpers.engine_helpers import lines, make_study, outcome, run_fake
from tests.helpers.trial_helpers import MEASURED, TINY
from tests.helpers.without_ray import finished_folder, study_in_this_process
from tests.test_resume import finish, start
from trainables.pretrain import pretrain

PAUSING = {
    "search": {"trials": 10, "startup_trials": 4},
    "scheduler": {"name": "promote", "grace_period": 1, "reduction_factor": 3},
    "confirm": {"seeds": [1, 2], "max_points": 2, "per_method": False},  # one front: some trials go on after a pause
}


def wait_for_turns(folder: Path, count: int, process) -> None:
    path = folder / schema.TURNS_FILE
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        assert process.poll() is None, finish(process)
        time.sleep(0.02)


# Three starts of Ray: longer than 20 s on a busy machine.
def test_paused_trials_survive_kill_9(tmp_path) -> None:
    alone = finished_folder(make_study(**PAUSING), tmp_path / "alone")
    turns = lines(alone / schema.TURNS_FILE)
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
    assert outcome(tmp_path / "fake") == outcome(alone)
    assert json.loads((tmp_path / "fake" / schema.MANIFEST_FILE).read_text())["rungs"] == [1, 3]


def test_a_promoted_trials_epochs_are_those_of_one_that_never_paused(tmp_path, monkeypatch) -> None:
    """With real training, bit for bit, as far as it was trained."""
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path / "cache"))
    study_in_this_process(monkeypatch)
    sections = {name: TINY[name] for name in ("device", "data", "encoder", "heads", "support", "probe", "optimizer")}
    study = make_study(
        **sections,
        **PAUSING,
        space={"method": ("kmclr", "nnclr"), "temperature": {"low": 0.05, "high": 0.5, "log": True}},
        baselines=({"method": "nnclr"},),
        train={"epochs": 3, "batch_size": 32, "checkpoint_every": 1},
    )
    assert run_fake(study, tmp_path, quiet=True, trainable=default_trainable, describe=describe_data) == 0
    folder = tmp_path / "fake"
    promoted = {line["trial_id"] for line in lines(folder / schema.TURNS_FILE) if line["turn"]}
    draws = {line["trial_id"]: line["params"] for line in lines(folder / schema.DRAWS_FILE)}
    reports = lines(folder / schema.REPORTS_FILE)
    assert promoted
    for name in sorted(promoted):
        own = [line for line in reports if line["trial_id"] == name]
        alone = list(pretrain(space.to_run(study, draws[name], seed=study.seed)))[: len(own)]
        assert len(own) > 1
        for paused, undisturbed in zip(own, alone, strict=True):
            told = {key: value for key, value in undisturbed.items() if key in schema.METRICS and key not in MEASURED}
            assert {key: paused[key] for key in told} == plain(told)

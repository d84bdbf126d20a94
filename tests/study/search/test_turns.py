"""Trials that pause and go on: the same study whatever kills it, and nothing kept that is not needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.results.load import load
from study import schema
from study.record.checkpoints import Checkpoints
from study.record.journal import Journal
from study.search.scheduling import decision_epochs
from study.search.turns import Turns
from tests.helpers.engine_helpers import lines, make_study, outcome, run_fake
from tests.helpers.search_helpers import Bench
from tests.helpers.without_ray import finished_folder, study_in_this_process

PAUSING = {
    "search": {"trials": 9, "startup_trials": 4},
    "scheduler": {"name": "promote", "grace_period": 1, "reduction_factor": 3},
    "confirm": {"seeds": [1], "max_points": 1, "per_method": False},
}


class Killed(BaseException):
    """The process is dead: nothing is written any more."""


@pytest.fixture(autouse=True)
def _without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    study_in_this_process(monkeypatch)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    return finished_folder(make_study(**PAUSING), out)


def turns(folder: Path) -> list[tuple[str, int, int]]:
    return [(line["trial_id"], line["turn"], line["until"]) for line in lines(folder / schema.TURNS_FILE)]


def killed(out: Path, after: int, monkeypatch: pytest.MonkeyPatch, **options: object) -> bool:
    """Run the study until so many lines are written; whether it was killed."""
    write, left, opened = Journal._write, [after], []

    def until_dead(self: Journal, *arguments: object) -> None:
        opened.append(self)
        if left[0] == 0:
            raise Killed
        write(self, *arguments)
        left[0] -= 1

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_write", until_dead)
        try:
            assert run_fake(make_study(**PAUSING), out, quiet=True, **options) == 0
        except Killed:
            opened[-1].close()
            return True
    return False


def test_trials_pause_at_rungs_and_some_go_on(undisturbed: Path) -> None:
    rungs = {*decision_epochs(make_study(**PAUSING).scheduler, 9), 9}
    assert {until for _, _, until in turns(undisturbed)} <= rungs
    begun = [trial_id for trial_id, turn, _ in turns(undisturbed) if turn == 0]
    assert begun == [f"search-{number:04d}" for number in range(9)]
    again = [(trial_id, turn) for trial_id, turn, _ in turns(undisturbed) if turn]
    assert again
    assert len(set(again)) == len(again)
    ends = {line["trial_id"]: line for line in lines(undisturbed / schema.TRIALS_FILE) if line["stage"] == "search"}
    assert len(ends) == 9
    last = {trial_id: until for trial_id, _, until in turns(undisturbed)}
    for trial_id, end in ends.items():
        assert end["epochs"] == last[trial_id]
        assert end["status"] == (schema.COMPLETED if end["epochs"] == 9 else schema.STOPPED)
    assert [last["search-0000"], last["search-0001"]] == [9, 9]  # the baselines never pause


def test_every_epoch_is_trained_once_and_stopped_trials_keep_no_checkpoint(undisturbed: Path) -> None:
    reports = [(line["trial_id"], line["epoch"]) for line in lines(undisturbed / schema.REPORTS_FILE)]
    assert len(set(reports)) == len(reports)
    kept = {path.parent.name.partition(".")[0] for path in undisturbed.glob("ray/search-*/*/checkpoint_*")}
    ended = {line["trial_id"] for line in lines(undisturbed / schema.TRIALS_FILE) if line["status"] == schema.COMPLETED}
    assert kept == {trial_id for trial_id in ended if trial_id.startswith("search")}
    assert load(undisturbed).trials["status"].isin([schema.COMPLETED, schema.STOPPED]).all()


# Every line but those of the confirm stage, which has no turns.
@pytest.mark.parametrize("after", range(1, 60, 4))
def test_a_killed_search_takes_the_same_turns(undisturbed: Path, tmp_path: Path, monkeypatch, after: int) -> None:
    if killed(tmp_path, after, monkeypatch):
        assert killed(tmp_path, 7, monkeypatch, resume=True)
        assert run_fake(make_study(**PAUSING), tmp_path, quiet=True, resume=True) == 0
    assert turns(tmp_path / "fake") == turns(undisturbed)
    assert outcome(tmp_path / "fake") == outcome(undisturbed)


def test_lost_turns_are_taken_anew(undisturbed: Path, tmp_path: Path, monkeypatch) -> None:
    assert killed(tmp_path, 30, monkeypatch)
    (tmp_path / "fake" / schema.TURNS_FILE).write_bytes(b"")
    assert run_fake(make_study(**PAUSING), tmp_path, quiet=True, resume=True) == 0
    ends = [line for line in lines(tmp_path / "fake" / schema.TRIALS_FILE) if line["stage"] == "search"]
    assert sorted(line["trial_id"] for line in ends) == [f"search-{number:04d}" for number in range(9)]


def test_no_more_than_max_paused_wait(tmp_path: Path) -> None:
    few = {**PAUSING, "scheduler": {**PAUSING["scheduler"], "max_paused": 2}}
    assert run_fake(make_study(**few), tmp_path, quiet=True) == 0
    last: dict[str, int] = {}
    for trial_id, _, until in turns(tmp_path / "fake"):
        assert sum(epoch < 9 for name, epoch in last.items() if name != trial_id) <= 2
        last[trial_id] = until


def test_a_trial_that_has_reported_its_last_epoch_and_not_ended_yet_does_not_pause(tmp_path: Path) -> None:
    """As where several are trained at a time: another one is asked for between the report and the end."""
    bench = Bench(tmp_path, make_study(**PAUSING))
    turns = Turns(bench.study, bench.journal, Checkpoints(tmp_path, None), bench.search.draw)
    task = turns.next()
    assert task is not None
    assert task.until == 9  # a baseline
    bench.recorder.start(task)
    for epoch in range(1, 10):
        bench.recorder.report(task, {"epoch": epoch, "accuracy": 50.0, "support_bytes": 100})
    assert [one.state for one in turns._seen()] == ["running"]
    bench.recorder.end(task, schema.COMPLETED)
    assert [one.state for one in turns._seen()] == ["ended"]
    bench.close()

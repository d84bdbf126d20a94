"""What is written of the search's belief: from a study of trials that do not train, and from one in the middle."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from study import schema
from study.record.journal import Journal
from study.search import believing, stages
from study.search.confirming import expected_costs
from study.search.front.question import known_of, question_of
from study.settings import space
from tests.helpers.engine_helpers import lines, make_study
from tests.helpers.search_helpers import Bench
from tests.helpers.without_ray import finished_folder
from trainables.settings.run_file import load_run, without_effect

STUDY = make_study(
    search={"trials": 12, "startup_trials": 4},
    confirm={"seeds": [1], "max_points": 3, "choose": "model"},
    scheduler={"name": "none"},
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("believed")
    return finished_folder(STUDY, out)


@pytest.fixture(scope="module")
def belief(folder: Path) -> dict:
    found = schema.read_belief(folder)
    assert found is not None
    return found


def test_every_trial_is_there_with_what_is_expected_of_it(folder: Path, belief: dict) -> None:
    ends = [end for end in lines(folder / schema.TRIALS_FILE) if end["stage"] == schema.SEARCH]
    assert [t["trial_id"] for t in belief["trials"]] == [end["trial_id"] for end in ends]
    known = known_of(STUDY)
    for trial, end in zip(belief["trials"], ends, strict=True):
        assert (trial["state"], trial["observed"]) == ("finished", end["metrics"]["accuracy"])
        band = [trial["believed"][name] for name in ("low_95", "low_1sd", "accuracy", "high_1sd", "high_95")]
        assert band == sorted(band)
        assert band[0] < band[-1]
        assert trial["costs"] == known(end["params"])
    errors = [t["believed"]["accuracy"] - t["observed"] for t in belief["trials"][2:]]
    assert np.median(np.abs(errors)) < 1.5


def test_what_is_confirmed_is_what_the_file_says_the_choice_takes(folder: Path, belief: dict) -> None:
    ends = [end for end in lines(folder / schema.TRIALS_FILE) if end["stage"] == schema.SEARCH]
    expected = expected_costs(question_of(STUDY), ends, lines(folder / schema.REPORTS_FILE))
    for name, costs in (("observed", None), ("model", expected)):
        points = stages.chosen(ends, STUDY.objectives, STUDY.confirm.max_points, costs, per_method=True)
        assert belief["choices"][name] == [end["trial_id"] for end in points]
    confirmed = {end["point"] for end in lines(folder / schema.TRIALS_FILE) if end["stage"] == schema.CONFIRM}
    baselines = {end["trial_id"] for end in ends if end["baseline"]}
    assert confirmed == {*belief["choices"]["model"], *baselines}


def test_curves_run_over_the_whole_range_of_sizes(belief: dict) -> None:
    curves = {curve["method"]: curve["sizes"] for curve in belief["curves"]}
    assert set(curves) == {"kmclr", "nnclr", "none"}
    for method, ends in (("kmclr", (25, 2000)), ("nnclr", (256, 98304))):
        name = {"kmclr": "k", "nnclr": "queue_size"}[method]
        sizes = [size["costs"]["support_bytes"] for size in curves[method]]
        assert sizes == sorted(set(sizes))
        assert [sizes[0], sizes[-1]] == [known_of(STUDY)({"method": method, name: n})["support_bytes"] for n in ends]
    assert [size["costs"]["support_bytes"] for size in curves["none"]] == [0.0]
    assert max(t["believed"]["accuracy"] for t in belief["trials"]) <= 1 + max(
        size["believed"]["accuracy"] for sizes in curves.values() for size in sizes
    )


def test_the_next_point_is_new_and_its_file_is_its_run(folder: Path, belief: dict) -> None:
    ahead = belief["next"]
    assert ahead["gain"] > 0
    assert ahead["share"] > 0
    assert ahead["params"] not in [end["params"] for end in lines(folder / schema.TRIALS_FILE)]
    run = load_run(folder / schema.NEXT_FILE)
    assert run == space.to_run(STUDY, ahead["params"], seed=STUDY.seed)
    assert without_effect(folder / schema.NEXT_FILE, (), run) == []


def test_the_same_journal_gives_the_same_belief(folder: Path, belief: dict, tmp_path: Path) -> None:
    journal = Journal(folder)
    shutil.copy(folder / schema.MANIFEST_FILE, tmp_path)
    believing.write(STUDY, tmp_path, believing.look(STUDY, journal))
    journal.close()
    again = schema.read_belief(tmp_path)
    assert {**again, "time": 0} == {**belief, "time": 0}
    assert (tmp_path / schema.NEXT_FILE).read_text() == (folder / schema.NEXT_FILE).read_text()


def test_stopped_paused_running_and_failed_trials_are_named(bench: Bench, tmp_path: Path) -> None:
    for status in (None, None, schema.STOPPED, schema.FAILED, "paused", "running"):
        task = bench.next()
        if status == "paused":
            line = {"trial_id": task.trial_id, "number": task.number, "turn": 0, "until": 3}
            bench.journal.append_turn(line)
        if status in ("paused", "running"):
            for epoch in (1, 2, 3):
                more = {"support_bytes": 10, "seed": 0}
                bench.recorder.report(task, {"epoch": epoch, "accuracy": 20.0 + epoch, **more})
        else:
            bench.run(task, None if status is None else 3, status)
    found = believing.look(bench.study, bench.journal)
    states = ["finished", "finished", "stopped", "failed", "paused", "running"]
    assert [row["state"] for row in found.rows] == states
    assert [row["epochs"] for row in found.rows] == [9, 9, 3, 3, 3, 3]
    assert found.belief is not None
    believing.write(bench.study, tmp_path, found)
    assert [trial["state"] for trial in schema.read_belief(tmp_path)["trials"]] == states


def test_too_few_trials_give_the_reason_and_no_next_point(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / schema.NEXT_FILE).write_text("method: none\n")
    bench.run(bench.next())
    believing.write(bench.study, tmp_path, believing.look(bench.study, bench.journal))
    found = schema.read_belief(tmp_path)
    assert found["without"] == "1 trials have reported"
    assert (found["curves"], list(found["choices"])) == ([], ["observed"])
    assert "next" not in found
    assert not (tmp_path / schema.NEXT_FILE).exists()

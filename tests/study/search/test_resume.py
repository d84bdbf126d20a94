"""Going on with a search from what the journal holds."""

from __future__ import annotations

import pytest

from study import schema
from study.record.checkpoints import Checkpoints
from study.search.resume import replay, settle
from study.search.scheduling import Rungs
from tests.helpers.engine_helpers import make_study
from tests.helpers.record_helpers import checkpoint, result, task
from tests.helpers.search_helpers import HARMS, Bench, harm


def test_settle_ends_what_the_journal_has_decided(recorder, tmp_path) -> None:
    """Killed between the last report and the end's line."""
    rungs = Rungs({"accuracy": "max"}, 1, 2, 4)
    for number, accuracy in ((0, 50.0), (1, 40.0), (2, 30.0)):
        recorder.report(task(number), result(1, accuracy))
    for epoch in (2, 3, 4):
        recorder.report(task(0), result(epoch))
    tasks = [task(0), task(1), task(2, baseline=True), task(3)]
    kept = checkpoint(tmp_path, "search-1", "search-0002", 0, {})
    stopped = replay(rungs, recorder.journal)
    assert stopped == {"search-0001", "search-0002"}
    going_on = settle(tasks, stopped, recorder, Checkpoints(tmp_path, None))
    assert [(t.number, t.resume_from) for t in going_on] == [(2, (str(kept),)), (3, ())]
    assert {i: e["status"] for i, e in recorder.journal.ends.items()} == {
        "search-0000": "completed",
        "search-0001": "stopped",
    }


def test_resume_after_any_trial_draws_what_an_undisturbed_search_draws(tmp_path) -> None:
    study = make_study(search={"trials": 9, "startup_trials": 3})
    whole = Bench(tmp_path / "whole", study)
    expected = []
    while (task := whole.next()) != "FINISHED":
        whole.run(task)
        expected.append(task.params)
    seen = []
    for _ in range(9):  # a new process for every trial
        bench = Bench(tmp_path / "parts", study)
        assert bench.unfinished == []
        task = bench.next()
        seen.append(task.params)
        bench.run(task)
        bench.journal.close()
    assert seen == expected


def test_resume_gives_back_unfinished_trials_with_their_identity(tmp_path) -> None:
    bench = Bench(tmp_path)
    tasks = [bench.next() for _ in range(4)]
    bench.run(tasks[0])
    bench.run(tasks[2], epochs=3, status=schema.INTERRUPTED)
    again = Bench(tmp_path)
    assert [t.config() for t in again.unfinished] == [t.config() for t in (tasks[1], tasks[2], tasks[3])]
    assert again.next().number == 4


@pytest.mark.filterwarnings("ignore:.*damaged; moved to")
@pytest.mark.parametrize(
    ("sampler", "more"),
    [
        ("tpe", {}),
        ("nsga2", {}),
        ("qmc", {}),
        ("front", {}),
        ("tpe", {"space": {"method": ("kmclr", "none"), "k": (50, 100, 200, 400)}, "baselines": ()}),
    ],
)
def test_a_search_goes_on_as_undisturbed_whatever_became_of_the_storage(tmp_path, sampler, more) -> None:
    """The last of these spaces has five points, so that most draws are duplicates."""
    study = make_study(search={"trials": 12, "startup_trials": 3, "sampler": sampler}, **more)
    whole = Bench(tmp_path / "whole", study)
    expected = []
    while (task := whole.next()) != "FINISHED":
        whole.run(task, epochs=1 if task.number % 3 == 1 else None)
        expected.append((task.trial_id, task.params))
    seen = []
    for number in range(len(expected)):
        bench = Bench(tmp_path / "parts", study)
        task = bench.next()
        bench.run(task, epochs=1, status=schema.INTERRUPTED)
        bench.close()
        harm(tmp_path / "parts" / schema.OPTUNA_FILE, HARMS[number % len(HARMS)])
        again = Bench(tmp_path / "parts", study)
        assert [t.config() for t in again.unfinished] == [task.config()]
        again.run(task, epochs=1 if task.number % 3 == 1 else None)
        seen.append((task.trial_id, task.params))
        again.close()
    assert seen == expected
    again = Bench(tmp_path / "parts", study)
    assert again.next() == "FINISHED"
    told, expected = ([(t.state, t.params, t.values) for t in b.optuna_trials()] for b in (again, whole))
    assert told == expected

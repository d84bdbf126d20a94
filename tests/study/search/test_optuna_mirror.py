"""What Optuna is told, and that it is brought to what the journal holds."""

from __future__ import annotations

import pytest
from optuna.trial import TrialState

from analysis.figure_data.optuna_info import method_of, read_study
from study import schema
from tests.helpers.engine_helpers import make_study
from tests.helpers.fake_trainable import curve
from tests.helpers.search_helpers import Bench


def test_optuna_is_told_the_truth(bench) -> None:
    tasks = [bench.next() for _ in range(6)]
    bench.run(tasks[0])
    bench.run(tasks[1], epochs=1)
    bench.run(tasks[2], epochs=1, status=schema.DIVERGED, error="nan")
    bench.run(tasks[3], epochs=0, status=schema.OUT_OF_MEMORY, error="10 GB")
    bench.run(tasks[4], epochs=2, status=schema.TIMED_OUT)
    states = [t.state for t in bench.optuna_trials()]
    complete, pruned, failed, running = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING
    assert states == [complete, pruned, failed, pruned, failed, running]
    told = bench.optuna_trials()
    assert told[0].values == [pytest.approx(curve(tasks[0].params, 0, 9)), 51200]
    assert told[1].user_attrs["low_fidelity_values"] == [pytest.approx(curve(tasks[1].params, 0, 1)), 98304 * 1024]
    assert told[1].user_attrs["epochs"] == 1
    assert told[3].constraints == {"memory": 1.0}
    assert told[0].constraints == {"memory": 0.0}


def test_infeasible_points_do_not_stop_the_sampler(tmp_path) -> None:
    bench = Bench(tmp_path, make_study(search={"trials": 14, "startup_trials": 3}))
    for number in range(14):
        task = bench.next()
        bench.run(task, **({"epochs": 1, "status": schema.OUT_OF_MEMORY} if number % 3 == 2 else {}))
    assert bench.next() == "FINISHED"


def test_interrupted_trials_stay_running_in_optuna(bench) -> None:
    task = bench.next()
    bench.run(task, epochs=2, status=schema.INTERRUPTED)
    assert bench.optuna_trials()[0].state == TrialState.RUNNING
    assert not bench.journal.ended(task.trial_id)


@pytest.mark.parametrize("killed", [False, True])
def test_a_study_that_stops_leaves_no_trial_running_in_optuna(tmp_path, killed) -> None:
    bench, undisturbed = Bench(tmp_path / "stopped"), Bench(tmp_path / "whole")
    tasks = [bench.next() for _ in range(3)]
    bench.run(tasks[0])
    bench.run(tasks[1], epochs=2, status=schema.INTERRUPTED)
    if not killed:
        bench.recorder.finish(hurry=True)
        states = [trial.state for trial in bench.optuna_trials()]
        assert states == [TrialState.COMPLETE, TrialState.WAITING, TrialState.WAITING]
    bench.close()
    again = Bench(tmp_path / "stopped")
    assert [trial.state for trial in again.optuna_trials()][1:] == [TrialState.RUNNING] * 2
    assert [task.trial_id for task in again.unfinished] == ["search-0001", "search-0002"]
    whole = [undisturbed.next() for _ in range(3)]
    undisturbed.run(whole[0])
    assert again.next().params == undisturbed.next().params
    again.run(tasks[2])
    assert again.optuna_trials()[2].state == TrialState.COMPLETE


def test_killed_between_asking_and_starting_is_as_if_never_asked(tmp_path) -> None:
    bench = Bench(tmp_path)
    bench.next()
    expected = Bench(tmp_path / "other")
    expected.next()
    bench.search.mirror.study.enqueue_trial({"method": "nnclr"})
    bench.search.mirror.study.ask()
    bench.search.mirror.study.enqueue_trial({"method": "none"})
    again = Bench(tmp_path)
    assert [t.trial_id for t in again.unfinished] == ["search-0000"]
    assert [again.next().params for _ in range(3)] == [expected.next().params for _ in range(3)]


def test_end_on_record_but_not_told_is_told_on_resume(tmp_path) -> None:
    bench = Bench(tmp_path)
    task = bench.next()
    bench.recorder.tell = None  # killed after the journal line
    bench.run(task)
    again = Bench(tmp_path)
    assert again.unfinished == []
    assert again.optuna_trials()[0].state == TrialState.COMPLETE


def test_finished_trials_are_never_told_again(bench) -> None:
    task = bench.next()
    bench.run(task)
    before = bench.optuna_trials()[0]
    bench.search.learn(task, {**bench.journal.ends[task.trial_id], "status": schema.FAILED})
    assert bench.optuna_trials()[0] == before


@pytest.mark.parametrize("damage", ["missing", "cut", "garbage"])
def test_damaged_storage_is_rebuilt_from_the_journal(tmp_path, damage) -> None:
    bench = Bench(tmp_path)
    tasks = [bench.next() for _ in range(5)]
    for task, epochs in zip(tasks, (None, None, 1, None, 1), strict=True):
        bench.run(task, epochs)
    states = [(t.state, t.values, t.params) for t in bench.optuna_trials()]
    bench.search.mirror.close()
    path = tmp_path / schema.OPTUNA_FILE
    if damage == "missing":
        path.unlink()
        again = Bench(tmp_path)
    else:
        path.write_bytes(path.read_bytes()[:5000] if damage == "cut" else b"garbage" * 1000)
        with pytest.warns(UserWarning, match=r"optuna\.db: damaged; moved to optuna\.db\.damaged-"):
            again = Bench(tmp_path)
    assert [(t.state, t.values, t.params) for t in again.optuna_trials()] == states
    assert again.next().number == 5


def test_an_end_that_optuna_alone_holds_is_forgotten(tmp_path) -> None:
    bench = Bench(tmp_path)
    task = bench.next()
    bench.search.mirror.tell({"trial_id": task.trial_id, "status": "failed", "epochs": 0, "metrics": {}})
    assert bench.optuna_trials()[0].state == TrialState.FAIL
    bench.close()
    again = Bench(tmp_path)
    assert again.optuna_trials()[0].state == TrialState.RUNNING
    assert [t.config() for t in again.unfinished] == [task.config()]


def test_single_objective(tmp_path) -> None:
    bench = Bench(tmp_path, make_study(objectives={"accuracy": "max"}))
    for number in range(8):
        bench.run(bench.next(), epochs=None if number % 2 else 1)
    pruned = [t for t in bench.optuna_trials() if t.state == TrialState.PRUNED]
    assert len(pruned) == 4
    assert all(t.intermediate_values for t in pruned)


def test_an_analysis_leaves_duplicates_out_and_knows_a_method_that_is_not_searched(tmp_path) -> None:
    study = make_study(method="kmclr", space={"k": (50, 100)}, baselines=(), search={"trials": 5, "sampler": "random"})
    bench = Bench(tmp_path, study)
    while (task := bench.next()) != "FINISHED":
        bench.run(task)
    assert len(bench.optuna_trials()) > 2
    trials = read_study(tmp_path, list(study.objectives)).get_trials()
    assert sorted((method_of(t), t.params["k"]) for t in trials) == [("kmclr", 50), ("kmclr", 100)]

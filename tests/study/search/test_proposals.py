"""The searcher without a cluster: what is drawn, what Optuna is told, what survives a kill."""

from __future__ import annotations

import sqlite3

import optuna
import pytest
from optuna.trial import TrialState

from study import schema
from study.record.journal import Journal
from study.record.recorder import Ledger
from study.record.task import from_config
from study.search import stages
from study.search.mirror import Mirror
from study.search.optuna_storage import draw_seed, healthy, open_storage
from study.search.resume import make_search
from study.tune.feed import Feed
from tests.helpers.engine_helpers import BASELINES, make_study
from tests.helpers.fake_trainable import curve, support_bytes
from trainables.files import DamagedFile

BOTH = {"accuracy": "max", "support_bytes": "min"}


class Bench:
    """A search in a folder, driven by hand; opening the same folder again is a resume."""

    def __init__(self, folder, study=None) -> None:
        self.study = study or make_study()
        self.journal = Journal(folder)
        self.ledger = Ledger(self.journal, self.study.objectives)
        self.search, self.unfinished = make_search(self.study, folder, self.journal, self.ledger)
        self.feed = Feed([], self.search.draw)

    def close(self) -> None:
        self.journal.close()
        self.search.mirror.close()

    def next(self):
        config = self.feed.suggest("tune's id")
        return config if config == "FINISHED" else from_config(config)

    def run(self, task, epochs=None, status=None, error=None) -> None:
        self.ledger.start(task)
        for epoch in range(1, (task.max_epochs if epochs is None else epochs) + 1):
            metrics = {"accuracy": curve(task.params, task.seed, epoch), "support_bytes": support_bytes(task.params)}
            self.ledger.report(task, {"epoch": epoch, **metrics})
        done = schema.COMPLETED if epochs is None else schema.STOPPED
        self.ledger.end(task, status or done, error=error)

    def optuna_trials(self) -> list[optuna.trial.FrozenTrial]:
        return self.search.mirror.study.get_trials()


@pytest.fixture(autouse=True)
def benches(monkeypatch):
    """Every bench of a test is closed at its end."""
    made = []
    begin = Bench.__init__
    monkeypatch.setattr(Bench, "__init__", lambda self, *a: (made.append(self), begin(self, *a))[1])
    yield
    for bench in made:
        bench.close()


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_baselines_come_first_and_complete(bench) -> None:
    first, second, third = bench.next(), bench.next(), bench.next()
    assert (first.params["k"], second.params["queue_size"]) == (50, 98304)
    assert first.params["temperature"] == bench.study.loss.temperature
    assert (first.baseline, second.baseline, third.baseline) == (True, True, False)
    assert [t.trial_id for t in (first, second, third)] == ["search-0000", "search-0001", "search-0002"]
    assert first.run["support"]["k"] == 50
    assert first.max_epochs == 9


def test_parameters_apply_to_their_method_only(tmp_path) -> None:
    bench = Bench(tmp_path, make_study(search={"trials": 20, "sampler": "random"}))
    for _ in range(20):
        task = bench.next()
        assert ("k" in task.params) == (task.method == "kmclr")
        assert ("queue_size" in task.params) == (task.method == "nnclr")
    assert bench.next() == "FINISHED"


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


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random", "qmc"])
def test_same_seed_same_points_and_other_seed_other_points(tmp_path, sampler) -> None:
    def points(folder, seed):
        bench = Bench(folder, make_study(search={"trials": 7, "startup_trials": 3, "sampler": sampler, "seed": seed}))
        drawn = []
        for _ in range(7):
            drawn.append(bench.next())
            bench.run(drawn[-1])
        return [t.params for t in drawn]

    first = points(tmp_path / "a", 0)
    assert points(tmp_path / "b", 0) == first
    assert points(tmp_path / "c", 1)[2:] != first[2:]


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
    bench.ledger.tell = None  # killed after the journal line
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


@pytest.mark.filterwarnings("ignore:.*damaged; moved to")
@pytest.mark.parametrize(
    ("sampler", "more"),
    [
        ("tpe", {}),
        ("nsga2", {}),
        ("qmc", {}),
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


HARMS = ("none", "missing", "garbage", "cut", "asked", "edited")


def harm(path, kind: str) -> None:
    """Damage an Optuna database, or leave in it what a kill leaves."""
    if kind == "missing":
        path.unlink()
    elif kind == "garbage":
        path.write_bytes(b"garbage" * 1000)
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    elif kind == "asked":  # killed before the journal had the draw
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
        optuna.load_study(study_name="fake", storage=storage).ask()
        storage.engine.dispose()
    elif kind == "edited":
        with sqlite3.connect(path) as connection:
            connection.execute("update trial_user_attributes set value_json = '{\"a'")
        connection.close()


def test_an_end_that_optuna_alone_holds_is_forgotten(tmp_path) -> None:
    bench = Bench(tmp_path)
    task = bench.next()
    bench.search.mirror.tell({"trial_id": task.trial_id, "status": "failed", "epochs": 0, "metrics": {}})
    assert bench.optuna_trials()[0].state == TrialState.FAIL
    bench.close()
    again = Bench(tmp_path)
    assert again.optuna_trials()[0].state == TrialState.RUNNING
    assert [t.config() for t in again.unfinished] == [task.config()]


def test_a_trial_that_nobody_drew_is_refused(tmp_path) -> None:
    bench = Bench(tmp_path)
    bench.run(bench.next(), epochs=2, status=schema.INTERRUPTED)
    bench.close()
    (tmp_path / schema.DRAWS_FILE).unlink()
    (tmp_path / schema.OPTUNA_FILE).unlink()
    (tmp_path / schema.TRIALS_FILE).unlink()
    with pytest.raises(DamagedFile, match=r"reports\.jsonl: holds search-0000, which draws\.jsonl does not; restore"):
        make_search(make_study(), tmp_path, journal := Journal(tmp_path), Ledger(journal, BOTH))
    journal.close()


def test_duplicates_are_not_trained_again(tmp_path) -> None:
    space = {"method": ("kmclr", "none"), "k": (50, 100)}
    bench = Bench(tmp_path, make_study(space=space, baselines=(), search={"trials": 10, "sampler": "random"}))
    drawn = []
    while (task := bench.next()) != "FINISHED":
        bench.run(task)
        drawn.append(tuple(sorted(task.params.items(), key=str)))
    assert len(drawn) == len(set(drawn)) == 3
    assert bench.search.exhausted
    repeats = [t for t in bench.optuna_trials() if "duplicate_of" in t.user_attrs["trial"]]
    assert repeats
    originals = {t.user_attrs["trial"].get("trial_id"): t.values for t in bench.optuna_trials()}
    assert all(t.values == originals[t.user_attrs["trial"]["duplicate_of"]] for t in repeats)
    again = Bench(tmp_path, bench.study)
    asked = len(again.optuna_trials())
    assert again.next() == "FINISHED"
    assert len(again.optuna_trials()) == asked  # confirmation may have begun: an exhausted search stays so


def test_duplicate_of_a_running_point_is_pruned(tmp_path) -> None:
    bench = Bench(tmp_path, make_study(space={"method": ("none",)}, baselines=(), search={"trials": 2}))
    bench.next()
    assert bench.next() == "FINISHED"
    assert {t.state for t in bench.optuna_trials()[1:]} == {TrialState.PRUNED}


def test_grid_is_walked_once(tmp_path) -> None:
    space = {"method": ("kmclr", "nnclr"), "k": {"low": 25, "high": 100, "grid": 3}, "queue_size": (256, 512)}
    study = make_study(space=space, baselines=({"method": "kmclr", "k": 25},), search={"trials": 99, "sampler": "grid"})
    bench = Bench(tmp_path, study)
    drawn = []
    while (task := bench.next()) != "FINISHED":
        bench.run(task)
        drawn.append((task.method, task.params.get("k"), task.params.get("queue_size")))
    kmclr = [("kmclr", k, None) for k in (25, 62, 100)]
    assert sorted(drawn, key=str) == sorted([*kmclr, ("nnclr", None, 256), ("nnclr", None, 512)], key=str)


def test_single_objective(tmp_path) -> None:
    bench = Bench(tmp_path, make_study(objectives={"accuracy": "max"}))
    for number in range(8):
        bench.run(bench.next(), epochs=None if number % 2 else 1)
    pruned = [t for t in bench.optuna_trials() if t.state == TrialState.PRUNED]
    assert len(pruned) == 4
    assert all(t.intermediate_values for t in pruned)


def test_draw_seeds_differ() -> None:
    seeds = {draw_seed(s, n, a) for s in range(3) for n in range(20) for a in range(3)}
    assert len(seeds) == 180


def test_storage_is_healthy_and_two_studies_do_not_merge(tmp_path) -> None:
    storage = open_storage(tmp_path)
    assert healthy(tmp_path / schema.OPTUNA_FILE)
    assert not healthy(tmp_path / "nothing.db")
    for name in ("a", "b"):
        Mirror(make_study(name=name), lambda trial: {}, tmp_path).close()
    assert sorted(optuna.get_all_study_names(storage)) == ["a", "b"]
    storage.engine.dispose()
    with sqlite3.connect(tmp_path / schema.OPTUNA_FILE) as connection:
        assert connection.execute("select count(*) from studies").fetchone() == (2,)
    connection.close()


def test_task_list_hands_out_and_finishes(bench) -> None:
    task = bench.next()
    searcher = Feed([task])
    assert from_config(searcher.suggest("x")) == task
    assert searcher.suggest("y") == "FINISHED"


def test_confirm_takes_the_front_and_the_baselines(bench) -> None:
    def end(number, accuracy, size, status="completed", baseline=False):
        metrics = {"accuracy": accuracy, "support_bytes": size}
        base = {
            "stage": "search",
            "trial_id": f"s{number}",
            "number": number,
            "params": dict(BASELINES[0]),
            "label": f"p{number}",
        }
        return base | {"metrics": metrics, "status": status, "baseline": baseline}

    ends = [end(0, 50, 10, baseline=True), end(1, 60, 10), end(2, 70, 20), end(3, 99, 1, "stopped")]
    ends += [end(4, 65, 15), end(5, 5, 90, "stopped", baseline=True)]
    objectives = bench.study.objectives
    assert [e["trial_id"] for e in stages.confirm_points(ends, objectives, 8)] == ["s2", "s4", "s1", "s0", "s5"]
    assert [e["trial_id"] for e in stages.confirm_points(ends, objectives, 2)] == ["s2", "s1", "s0", "s5"]
    assert stages.confirm_points([], objectives, 2) == []
    study = make_study(confirm={"seeds": (7, 8), "epochs": 20})
    tasks = stages.confirm_tasks(study, ends[1:3])
    assert [(t.trial_id, t.point, t.seed, t.max_epochs) for t in tasks] == [
        ("confirm-0001-7", "s1", 7, 20),
        ("confirm-0002-7", "s2", 7, 20),
        ("confirm-0001-8", "s1", 8, 20),
        ("confirm-0002-8", "s2", 8, 20),
    ]
    assert tasks[0].run["seed"] == 7

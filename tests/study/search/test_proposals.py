"""The searcher without a cluster: what is drawn, what Optuna is told, what survives a kill."""

from __future__ import annotations

import pytest
from optuna.trial import TrialState

from tests.helpers.engine_helpers import make_study
from tests.helpers.search_helpers import Bench


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


@pytest.mark.parametrize("sampler", ["tpe", "front", "nsga2", "random", "qmc"])
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

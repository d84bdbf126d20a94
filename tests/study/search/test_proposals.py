"""The searcher without a cluster: what is drawn, what Optuna is told, what survives a kill."""

from __future__ import annotations

import pytest
from optuna.trial import TrialState

from study import schema
from study.record.journal import Journal
from study.search import proposals
from tests.helpers.engine_helpers import SPACE, make_study
from tests.helpers.learning_inputs import POINTS, end_of, learned_lines
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


# --- trials of earlier studies ---
def knowing(folder, monkeypatch, study, *ends) -> Bench:
    """A search that has learned of trials with these ends (`learning_inputs`)."""
    journal = Journal(folder)
    journal.replace_learned(learned_lines(monkeypatch, study, *ends))
    journal.close()
    return Bench(folder, study)


@pytest.mark.parametrize("sampler", ["tpe", "front", "nsga2"])
def test_a_sampler_draws_from_learned_trials(tmp_path, monkeypatch, sampler) -> None:
    study = make_study(baselines=(), search={"trials": 5, "startup_trials": 4, "sampler": sampler})
    plain, bench = Bench(tmp_path / "plain", study), knowing(tmp_path / "fake", monkeypatch, study)
    first = bench.next()
    assert first.params != plain.next().params
    assert first.trial_id == "search-0000"
    told = bench.optuna_trials()[:5]
    assert [trial.user_attrs["learned"]["of"] for trial in told] == [f"search-{n:04d}" for n in range(5)]
    assert [trial.values for trial in told] == [[*map(end["metrics"].get, study.objectives)]
                                                for end in bench.journal.learned_ends[:4]] + [None]  # fmt: skip
    assert [trial.state for trial in told[3:]] == [TrialState.COMPLETE, TrialState.PRUNED]
    bench.run(first)
    second = bench.next()
    bench.close()
    (tmp_path / "fake" / schema.OPTUNA_FILE).unlink()
    lines = (tmp_path / "fake" / schema.DRAWS_FILE).read_bytes().splitlines(keepends=True)
    (tmp_path / "fake" / schema.DRAWS_FILE).write_bytes(lines[0])
    (tmp_path / "fake" / "lines.json").unlink()
    assert Bench(tmp_path / "fake", study).next().params == second.params, "also with Optuna's copy made anew"


def test_a_learned_point_is_a_duplicate_also_as_a_baseline(tmp_path, monkeypatch) -> None:
    bench = knowing(tmp_path, monkeypatch, make_study())
    assert bench.next().number == 0
    assert [line["duplicate_of"] for line in bench.journal.draws] == ["learned-0000", "learned-0001", None]
    values = [trial.values for trial in bench.optuna_trials()]
    assert values[5:7] == values[:2]
    again = Bench(tmp_path, bench.study)
    assert again.next().number == 1


def test_a_stopped_trial_does_not_stand_for_a_baseline(tmp_path, monkeypatch) -> None:
    study = make_study(baselines=(POINTS[0],))
    bench = knowing(tmp_path, monkeypatch, study, end_of(0, POINTS[0], schema.STOPPED))
    task = bench.next()
    assert (task.params, task.baseline) == (POINTS[0], True)


def test_known_points_of_a_grid_do_not_exhaust_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(proposals, "MAX_DUPLICATES", 5)
    sizes = tuple(range(30, 38))
    study = make_study(space={"method": ("kmclr", "none"), "k": sizes}, baselines=(),
                       search={"trials": 99, "sampler": "grid"})  # fmt: skip
    ends = [end_of(n, {"method": "kmclr", "k": k}) for n, k in enumerate(sizes)]
    bench = knowing(tmp_path, monkeypatch, study, *ends)
    assert bench.next().params == {"method": "none"}
    assert bench.next() == "FINISHED"
    assert not bench.search.exhausted


def test_a_space_that_narrows_keeps_learned_points_out(tmp_path, monkeypatch) -> None:
    """Of a choice that has gone nothing is told; a value beyond a range is told still, as that of a draw."""
    knowing(tmp_path, monkeypatch, make_study(baselines=())).close()
    narrow = make_study(space={**SPACE, "method": ("kmclr", "nnclr"), "k": {"low": 25, "high": 400}}, baselines=())
    bench = Bench(tmp_path, narrow)
    assert [bool(trial.params) for trial in bench.optuna_trials()] == [True, True, False, True, True]
    assert bench.next().method in ("kmclr", "nnclr")
    bench.close()
    assert len(Bench(tmp_path, narrow).optuna_trials()) == 6, "and nothing is made anew when it is opened again"

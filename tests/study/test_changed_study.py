"""A study that is changed and gone on with: what stays, what comes, what is shown and recorded, what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from analysis.report.history import history
from analysis.results.load import load
from study import schema
from tests.helpers.engine_helpers import BASELINES, LOG_SIZES, SPACE, lines, make_study, outcome, run_fake
from tests.helpers.without_ray import finished_folder, study_in_this_process

CONFIRM = {"seeds": [1, 2], "max_points": 1}
BEFORE: dict = {"confirm": CONFIRM}


@pytest.fixture(autouse=True)
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    study_in_this_process(monkeypatch)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study: 8 trials, one point of the front and two baselines confirmed."""
    out = tmp_path_factory.mktemp("finished")
    return finished_folder(make_study(**BEFORE), out)


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(finished, tmp_path / "fake")


def go_on(folder: Path, **changes) -> int:
    return run_fake(make_study(**{**BEFORE, **changes}), folder.parent, resume=True)


def of_stage(folder: Path, stage: str) -> list[dict]:
    return [end for end in outcome(folder)[1] if end["stage"] == stage]


def draws(folder: Path) -> list[dict]:
    return lines(folder / schema.DRAWS_FILE)


def kept(folder: Path, before: tuple[list, list]) -> bool:
    """Whether every line that was there is there still, unchanged and first."""
    now = outcome(folder)
    return all(new[: len(old)] == old for old, new in zip(before, now, strict=True))


def changed(folder: Path) -> list[str]:
    """What the last session says of the change."""
    return schema.read_manifest(folder)["sessions"][-1].get("changed", [])


WIDER = {**SPACE, "k": {**LOG_SIZES["k"], "high": 9000}}
ONE_METHOD = {"method": ("kmclr",), "temperature": SPACE["temperature"], "k": {"low": 100, "high": 400, "log": True}}


def test_a_wider_range_and_more_trials(folder, capsys) -> None:
    before = outcome(folder)
    capsys.readouterr()
    assert go_on(folder, space=WIDER, search={"trials": 16, "startup_trials": 4}) == 0
    told = ["space.k.high: 2000.0 -> 9000.0", "search.trials: 8 -> 16"]
    assert f"Changed since the last session: {'; '.join(told)}\n" in capsys.readouterr().out
    assert changed(folder) == told
    assert kept(folder, before)
    assert len(of_stage(folder, "search")) == 16
    assert max(draw["params"].get("k", 0) for draw in draws(folder)) > 2000
    assert schema.read_study(folder)["space"]["k"]["high"] == 9000
    assert f"Resumed {schema.read_manifest(folder)['sessions'][-1]['started'][:10]}" in history(load(folder))
    assert ", with space.k.high: 2000.0 -> 9000.0; search.trials: 8 -> 16; ran to its end" in history(load(folder))


@pytest.mark.parametrize("sampler", ["tpe", "front", "nsga2"])
def test_a_narrower_space_keeps_old_points_and_draws_inside(folder, sampler) -> None:
    """Two methods, a parameter, a baseline and sizes go; trials of all of them stay on record."""
    before, count = outcome(folder), len(draws(folder))
    search = {"trials": 14, "startup_trials": 2, "sampler": sampler}
    narrow = {"space": ONE_METHOD, "search": search, "baselines": BASELINES[:1]}
    assert go_on(folder, **narrow) == 0
    assert kept(folder, before)
    new = draws(folder)[count:]
    assert all(draw["params"]["method"] == "kmclr" and 100 <= draw["params"]["k"] <= 400 for draw in new)
    assert len(of_stage(folder, "search")) == 14
    now = outcome(folder)
    assert go_on(folder, **narrow) == 0, "and once more, without a change"
    assert outcome(folder) == now
    assert changed(folder) == []


def test_a_method_that_comes_brings_its_parameter(tmp_path) -> None:
    settings = {"space": ONE_METHOD, "baselines": ({"method": "kmclr", "k": 200},), "confirm": {"enabled": False}}
    assert run_fake(make_study(**settings), tmp_path, quiet=True) == 0
    before = outcome(tmp_path / "fake")
    more = {**ONE_METHOD, "method": ("kmclr", "nnclr"), "queue_size": LOG_SIZES["queue_size"]}
    wider = {**settings, "space": more, "search": {"trials": 16, "startup_trials": 16}}
    assert run_fake(make_study(**wider), tmp_path, quiet=True, resume=True) == 0
    assert kept(tmp_path / "fake", before)
    assert "nnclr" in {draw["params"]["method"] for draw in draws(tmp_path / "fake")[8:]}


@pytest.mark.parametrize("name", ["hyperband", "none"])
def test_another_scheduler_decides_for_the_trials_to_come(folder, name) -> None:
    before = outcome(folder)
    scheduler = {"name": name, "grace_period": 3, "reduction_factor": 2}
    assert go_on(folder, scheduler=scheduler, search={"trials": 20, "startup_trials": 4}) == 0
    assert kept(folder, before)
    new = of_stage(folder, "search")[8:]
    assert {end["epochs"] for end in new if end["status"] == schema.STOPPED} <= {3, 6}
    assert schema.read_manifest(folder)["rungs"] == ([] if name == "none" else [3, 6])
    if name == "none":
        assert {end["status"] for end in new} == {schema.COMPLETED}


def test_more_confirm_seeds_train_those_alone(folder) -> None:
    before = outcome(folder)
    assert go_on(folder, confirm={**CONFIRM, "seeds": [1, 2, 3, 4]}) == 0
    assert kept(folder, before)
    assert changed(folder) == ["confirm.seeds: + 3, + 4"]
    points = {end["point"] for end in of_stage(folder, "confirm")}
    assert {(end["point"], end["seed"]) for end in of_stage(folder, "confirm")} == {
        (point, seed) for point in points for seed in (1, 2, 3, 4)
    }
    assert schema.read_manifest(folder)["seeds"]["confirm"] == [1, 2, 3, 4]


@pytest.mark.parametrize("where", [0, 2])
def test_a_new_baseline_is_measured_and_confirmed_wherever_it_stands(folder, where) -> None:
    """Although the search had begun all its trials."""
    before = outcome(folder)
    new = {"method": "none", "temperature": 0.3}
    baselines = (*BASELINES[:where], new, *BASELINES[where:])
    assert go_on(folder, baselines=baselines) == 0
    assert kept(folder, before)
    (end,) = of_stage(folder, "search")[8:]
    assert (end["params"], end["baseline"]) == (new, True)
    assert sum(e["point"] == end["trial_id"] and e["baseline"] for e in of_stage(folder, "confirm")) == 2
    assert [e["baseline"] for e in of_stage(folder, "search")] == [True, True, *[False] * 6, True]
    now = outcome(folder)
    assert go_on(folder, baselines=baselines) == 0
    assert outcome(folder) == now


def test_a_baseline_that_the_sampler_had_tried_is_confirmed_as_one(folder) -> None:
    tried = next(draw for draw in draws(folder)[2:] if draw["duplicate_of"] is None)
    assert go_on(folder, baselines=(*BASELINES, tried["params"])) == 0
    assert len(of_stage(folder, "search")) == 8
    confirmed = [e for e in of_stage(folder, "confirm") if e["point"] == tried["trial_id"]]
    assert [e["baseline"] for e in confirmed] == [True, True]


def test_a_grid_that_becomes_a_sampler_keeps_its_points(tmp_path) -> None:
    space = {"method": ("kmclr",), "k": {"low": 50, "high": 400, "log": True, "grid": 3}}
    settings = {"space": space, "baselines": ({"method": "kmclr", "k": 77},), "confirm": {"enabled": False}}
    grid = {**settings, "search": {"sampler": "grid", "trials": 4}}
    assert run_fake(make_study(**grid), tmp_path, quiet=True) == 0
    folder, before = tmp_path / "fake", outcome(tmp_path / "fake")
    more = {**settings, "search": {"sampler": "tpe", "trials": 7, "startup_trials": 2}}
    assert run_fake(make_study(**more), tmp_path, quiet=True, resume=True) == 0
    assert kept(folder, before)
    assert [end["baseline"] for end in of_stage(folder, "search")] == [True, *[False] * 6]


def test_more_trials_open_a_search_whose_trials_pause(tmp_path) -> None:
    settings = {"scheduler": {"name": "promote", "grace_period": 1, "reduction_factor": 3}}
    assert run_fake(make_study(**settings), tmp_path, quiet=True) == 0
    folder, before = tmp_path / "fake", outcome(tmp_path / "fake")
    assert any(end["status"] == schema.STOPPED for end in before[1])
    more = {**settings, "search": {"trials": 14, "startup_trials": 4}}
    assert run_fake(make_study(**more), tmp_path, quiet=True, resume=True) == 0
    assert kept(folder, before)
    assert len(of_stage(folder, "search")) == 14


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train": {"epochs": 10, "checkpoint_every": 1}}, r"train\.epochs: 9 -> 10 \(its trials had another budget\)"),
        ({"data": {"name": "digits"}}, r"data\.name: .* \(its trials saw other data\)"),
        ({"encoder": {"name": "small_conv"}}, r"encoder\.name: .* \(its trials trained another network\)"),
        ({"seed": 5}, r"seed: 0 -> 5 \(its trials had another seed\)"),
        ({"optimizer": {"warmup_epochs": 1}}, r"optimizer\.warmup_epochs: .* \(its trials were trained otherwise\)"),
        ({"objectives": {"accuracy": "max"}}, r"objectives\.support_bytes: .* \(its trials were judged otherwise\)"),
        ({"confirm": {**CONFIRM, "seeds": [1, 3]}}, r"confirm\.seeds: \+ 3, - 2 \(.* confirmed with seed 2"),
        ({"confirm": {**CONFIRM, "epochs": 5}}, r"confirm\.epochs: None -> 5 \(its confirm trials had"),
        ({"scheduler": {"name": "promote", "grace_period": 1}}, r"scheduler\.name: .* \(trials that pause at rungs"),
        ({"space": {k: v for k, v in SPACE.items() if k != "temperature"}}, r".* narrow it instead\)"),
        ({"space": {**SPACE, "weight_decay": [0.0, 0.1]}}, r"space\.weight_decay: .* \(its trials have no value of it"),
    ],
)  # fmt: skip
def test_what_the_old_trials_would_not_survive_is_refused_with_the_reason(folder, changes, said) -> None:
    before = {path: path.read_bytes() for path in folder.glob("*.*") if not path.name.startswith(schema.OPTUNA_FILE)}
    with pytest.raises(schema.UserError, match=rf"fake\.yaml: changed since .* was begun: {said}.*Undo the change"):
        go_on(folder, **changes)
    assert {path: path.read_bytes() for path in before} == before


def test_what_is_free_and_what_is_the_same_are_no_change(folder) -> None:
    assert go_on(folder, question="Why?", budget={"epochs": 10_000}) == 0
    assert changed(folder) == []


def test_before_anything_is_confirmed_the_confirm_stage_is_free(tmp_path) -> None:
    assert run_fake(make_study(confirm={"enabled": False, "seeds": [1, 2]}), tmp_path, quiet=True) == 0
    confirm = {"enabled": True, "seeds": [5], "epochs": 4, "max_points": 1}
    assert run_fake(make_study(confirm=confirm), tmp_path, quiet=True, resume=True) == 0
    assert {(end["seed"], end["epochs"]) for end in of_stage(tmp_path / "fake", "confirm")} == {(5, 4)}


def test_an_interrupted_study_may_change_too(folder, tmp_path) -> None:
    out = tmp_path / "stopped"
    stopped = {**BEFORE, "budget": {"epochs": 20}}
    assert run_fake(make_study(**stopped), out, quiet=True) == 0
    before = outcome(out / "fake")
    assert len(before[1]) < 8
    assert run_fake(make_study(**BEFORE, space=WIDER), out, quiet=True, resume=True) == 0
    assert kept(out / "fake", before)
    assert len(of_stage(out / "fake", "search")) == 8

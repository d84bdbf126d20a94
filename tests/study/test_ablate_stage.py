"""`--stage ablate` through the engine: what it trains, and that kills, budgets, failures and damage cost nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from analysis.figure_data.ablation_info import ablation_info
from analysis.results.load import load
from study import schema
from study.schema import UserError
from study.search import ablation
from study.settings.config import StudyConfig
from tests.helpers.engine_helpers import TO_ABLATE, lines, make_study, run_fake, timeless
from tests.helpers.without_ray import finished_folder, study_in_this_process

START = {"from": "none"}
STEPS = 2
"""Points between the two ends of the path."""
ABLATE, CONFIRM = schema.ABLATE, schema.CONFIRM


def study_with(**changes) -> StudyConfig:
    return make_study(**{**TO_ABLATE, "ablate": START, **changes})


@pytest.fixture(autouse=True)
def _without_ray(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "faults").mkdir()
    monkeypatch.setenv("FAKE_FAULTS", str(tmp_path / "faults"))
    study_in_this_process(monkeypatch)


@pytest.fixture
def folder(confirmed: Path, tmp_path: Path) -> Path:
    return shutil.copytree(confirmed, tmp_path / "fake")


@pytest.fixture(scope="module")
def whole(confirmed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder after an undisturbed ablation."""
    out = tmp_path_factory.mktemp("whole")
    shutil.copytree(confirmed, out / "fake")
    return finished_folder(study_with(), out, stage=ABLATE)


def of_stage(folder: Path, name: str = ABLATE) -> tuple[list[dict], list[dict]]:
    """Reports and ends of the stage, without times and interrupted ends."""
    reports, ends = (map(timeless, lines(folder / name)) for name in (schema.REPORTS_FILE, schema.TRIALS_FILE))
    kept = [end for end in ends if end["stage"] == name and end["status"] != schema.INTERRUPTED]
    return [line for line in reports if line["stage"] == name], kept


def run(folder: Path, study: StudyConfig | None = None, **more) -> int:
    return run_fake(study or study_with(), folder.parent, quiet=True, **more)


def test_a_study_runs_none_unless_it_is_asked_for(folder: Path) -> None:
    assert not (folder / schema.ABLATION_FILE).exists()
    assert run(folder, resume=True) == 0
    assert of_stage(folder) == ([], [])


def test_each_step_is_trained_with_the_confirm_seeds_and_tested(whole: Path) -> None:
    reports, ends = of_stage(whole)
    (path,) = ablation.on_record(whole)
    assert [(e["seed"], e["label"]) for e in ends] == [(s, p["label"]) for s in (1, 2) for p in path["steps"][1:-1]]
    assert len(ends) == 2 * STEPS
    assert len(reports) == 9 * len(ends)
    assert all(end["metrics"]["test_acc1"] == end["metrics"]["accuracy"] - 1 for end in ends)
    assert all(end["point"] == end["trial_id"].rpartition("-")[0] for end in ends)
    info = ablation_info(load(whole))
    assert (info.untrained, {step.mean.n for step in info.steps}) == (0, {2})
    assert schema.read_manifest(whole)["status"] == "finished"


def test_again_it_trains_nothing(whole: Path, folder: Path, capsys) -> None:
    shutil.rmtree(folder)
    shutil.copytree(whole, folder)
    before = of_stage(folder)
    assert run(folder, resume=True) == 0
    assert run_fake(study_with(), folder.parent, stage=ABLATE) == 0
    assert of_stage(folder) == before
    printed = capsys.readouterr().out
    assert f"Stage ablate: {2 * STEPS} trials, {2 * STEPS} already done" in printed
    assert "Ablation from none t=0.2 to " in printed
    table = printed.split("Ablation (validation, means over seeds)")[1]
    info = ablation_info(load(folder))
    assert len(table.strip().splitlines()) == 1 + len(info.steps)
    for line, step in zip(table.strip().splitlines()[1:], info.steps, strict=True):
        assert f" {step.mean.n} " in line
        assert f"{step.mean.mean + 1:.2f}" in line  # the fake trials' test accuracy is a point lower
    assert "Pareto front" not in table


@pytest.mark.parametrize(("how", "epochs"), [({"stage": ABLATE}, 0), ({"stage": ABLATE}, 9), ({"resume": True}, 13)])
def test_a_kill_in_the_middle_costs_nothing(whole: Path, folder: Path, how: dict, epochs: int) -> None:
    """As a kill after so many epochs of the stage leaves the folder: with the path, and an unfinished last trial."""
    shutil.rmtree(folder)
    shutil.copytree(whole, folder)
    cut(folder, epochs)
    assert run(folder, **how) == 0
    assert of_stage(folder) == of_stage(whole)
    assert load(folder).ablation["paths"] == load(whole).ablation["paths"]


def cut(folder: Path, epochs: int) -> None:
    """Take all lines of the stage away but those of its first epochs."""
    count = {}
    for name in (schema.REPORTS_FILE, schema.TRIALS_FILE):
        rows = (folder / name).read_text().splitlines(keepends=True)
        first = next(i for i, row in enumerate(rows) if json.loads(row)["stage"] == ABLATE)
        kept = rows[: first + (epochs if name == schema.REPORTS_FILE else epochs // 9)]
        (folder / name).write_text("".join(kept))
        count[name] = len(kept)
    path = folder / schema.LINES_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **count}))


def test_a_budget_ends_it_cleanly_and_a_larger_one_goes_on(whole: Path, folder: Path, capsys) -> None:
    done = len(lines(folder / schema.REPORTS_FILE))
    assert run(folder, study_with(budget={"epochs": done + 12}), stage=ABLATE) == 0
    assert f"stopped in the ablate stage, 1 of {2 * STEPS} trials ended." in capsys.readouterr().out
    assert run(folder, study_with(budget={"epochs": done + 100}), resume=True) == 0
    assert of_stage(folder) == of_stage(whole)


def test_a_trial_that_fails_decides_the_exit_code_and_is_tried_again(whole: Path, folder: Path, tmp_path) -> None:
    name = of_stage(whole)[1][1]["trial_id"]
    fault = tmp_path / "faults" / f"{name}.5"
    fault.write_text("error")
    assert run(folder, stage=ABLATE) == 1
    assert [end["status"] for end in of_stage(folder)[1]].count(schema.FAILED) == 1
    assert ablation_info(load(folder)).untrained == 1
    fault.unlink()
    assert run(folder, resume=True) == 0, "a resume alone leaves it, and the stage"
    assert run(folder, retry="failed") == 0
    assert ablation_info(load(folder)).untrained == 0
    assert [e for e in of_stage(folder)[1] if e["status"] != schema.FAILED] == sorted(
        of_stage(whole)[1], key=lambda end: (end["trial_id"] == name, end["number"])
    )


@pytest.mark.parametrize("lost_file", [True, False])
def test_lost_reports_are_trained_again(whole: Path, folder: Path, lost_file: bool) -> None:
    shutil.rmtree(folder)
    shutil.copytree(whole, folder)
    path = folder / schema.REPORTS_FILE
    rows = path.read_text().splitlines(keepends=True)
    place = next(i for i, row in enumerate(rows) if json.loads(row)["stage"] == ABLATE) + 3
    path.write_text("".join(rows[:place] + rows[place + 1 :]))
    if lost_file:
        (folder / schema.ABLATION_FILE).unlink()
    assert run(folder, resume=True) == 0
    assert of_stage(folder) == of_stage(whole)


def test_a_search_in_the_middle_gives_a_path_too(tmp_path: Path) -> None:
    few = {"search": {"trials": 6, "startup_trials": 4}}
    study = study_with(**few, budget={"epochs": 39, "reserve_for_confirm": False})
    assert run_fake(study, tmp_path, quiet=True) == 0
    assert run_fake(study_with(**few), tmp_path, stage=ABLATE, quiet=True) == 0
    info = ablation_info(load(tmp_path / "fake"))
    assert (info.untrained, {step.mean.n for step in info.steps}) == (0, {2})
    assert of_stage(tmp_path / "fake", CONFIRM) == ([], [])
    assert run_fake(study_with(**few), tmp_path, resume=True, quiet=True) == 0
    assert of_stage(tmp_path / "fake", CONFIRM)[1]


def test_without_a_confirm_stage_test_data_are_not_read(folder: Path) -> None:
    study = study_with(confirm={**TO_ABLATE["confirm"], "enabled": False}, ablate={**START, "seeds": [5]})
    assert run(folder, study, stage=ABLATE) == 0
    _, ends = of_stage(folder)
    assert {end["seed"] for end in ends} == {5}
    assert not any("test_acc1" in end["metrics"] for end in ends)
    assert ablation_info(load(folder)).score.column == schema.ACCURACY


def test_settings_of_the_stage_may_change_and_its_budget_may_not(whole: Path, folder: Path, tmp_path) -> None:
    assert run(folder, study_with(ablate={"from": "none", "seeds": [1, 2, 3]}), stage=ABLATE) == 0
    session = schema.read_manifest(folder)["sessions"][-1]
    assert session["changed"] == ["ablate.seeds: None -> [1, 2, 3]", "ablate.from: None -> none"]
    assert {end["seed"] for end in of_stage(folder)[1]} == {1, 2, 3}
    searched = tmp_path / "searched" / "fake"
    shutil.copytree(whole, searched)
    with pytest.raises(UserError, match=r"confirm\.epochs: None -> 5 \(its confirm trials had another budget\)"):
        run(searched, study_with(confirm={**TO_ABLATE["confirm"], "epochs": 5}), stage=ABLATE)


def test_it_needs_a_search_and_a_baseline(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--stage ablate needs a finished search stage here"):
        run_fake(study_with(), tmp_path / "elsewhere", stage=ABLATE, quiet=True)
    before = {name: (folder / name).read_bytes() for name in (schema.MANIFEST_FILE, schema.STUDY_FILE)}
    with pytest.raises(UserError, match="no baselines to begin at"):
        run(folder, study_with(baselines=(), ablate={}), stage=ABLATE)
    with pytest.raises(UserError, match=r"ablate\.to is 'search-99', no trial of the search"):
        run(folder, study_with(ablate={"to": "search-99"}), stage=ABLATE)
    assert {name: (folder / name).read_bytes() for name in before} == before, "the study stays finished"
    assert not (folder / schema.ABLATION_FILE).exists()

"""Trials that failed are listed, decide the exit code, and can be tried again once their cause is mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.results.load import load
from study import schema
from study.record.budget import Budget
from study.schema import UserError
from study.search import stages
from tests.helpers.engine_helpers import lines, make_study, outcome, run_fake
from tests.helpers.without_ray import study_in_this_process

STUDY = make_study(confirm={"seeds": [1, 2], "max_points": 2})


@pytest.fixture(autouse=True)
def faults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of faults of the fake trials; no Ray."""
    folder = tmp_path / "faults"
    folder.mkdir()
    monkeypatch.setenv("FAKE_FAULTS", str(folder))
    study_in_this_process(monkeypatch)
    return folder


@pytest.fixture
def undisturbed(tmp_path: Path) -> tuple[list[dict], list[dict]]:
    assert run_fake(STUDY, tmp_path / "undisturbed", quiet=True) == 0
    return outcome(tmp_path / "undisturbed" / "fake")


def by_trial(found: list[dict]) -> list[dict]:
    return sorted(found, key=lambda line: (line["trial_id"], line.get("epoch", 0)))


def last_ends(folder: Path) -> dict[str, dict]:
    return {end["trial_id"]: end for end in lines(folder / schema.TRIALS_FILE)}


def test_failed_confirm_trials_are_listed_exit_1_and_a_retry_mends_them(
    undisturbed, faults, tmp_path, capsys, monkeypatch
) -> None:
    """At the last epoch: as an image of the test data that cannot be read."""
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)  # started without uv
    folder = tmp_path / "fake"
    (faults / "confirm-0001-1.9").write_text("test")
    (faults / "confirm-0000-2.4").write_text("memory")
    assert run_fake(STUDY, tmp_path, quiet=True) == 1
    printed = capsys.readouterr().out
    assert "2 trials did not reach the end:\n" in printed
    assert "  confirm-0001-1 failed after epoch 8 of 9: OSError: a test image that cannot be read\n" in printed
    assert "  confirm-0000-2 out of memory after epoch 3 of 9: out of memory: shrink" in printed
    assert "train them again with: python run_study.py fake.yaml --retry failed\n" in printed
    assert all(len(line) <= 200 for line in printed.splitlines())
    assert schema.read_manifest(folder)["status"] == "finished"
    assert run_fake(STUDY, tmp_path, resume=True, quiet=True) == 1, "a resume alone leaves them"
    for fault in faults.iterdir():
        fault.unlink()
    assert run_fake(STUDY, tmp_path, retry="failed") == 0
    assert "Tried again: confirm-0001-1, confirm-0000-2\n" in capsys.readouterr().out
    assert [by_trial(found) for found in outcome_without_failures(folder)] == [by_trial(f) for f in undisturbed]
    assert schema.read_manifest(folder)["sessions"][-1]["retry"] == {"which": "failed", "trials": 2}
    assert load(folder).stage(schema.CONFIRM)["test_acc1"].notna().all()
    assert set(load(folder).trials["status"]) == {schema.COMPLETED, schema.STOPPED}


def outcome_without_failures(folder: Path) -> tuple[list[dict], list[dict]]:
    reports, ends = outcome(folder)
    return reports, [end for end in ends if end["status"] not in schema.UNSUCCESSFUL]


def test_a_retried_trial_goes_on_from_its_last_checkpoint(faults, tmp_path, monkeypatch) -> None:
    (faults / "confirm-0001-1.6").write_text("error")
    assert run_fake(STUDY, tmp_path, quiet=True) == 1
    (faults / "confirm-0001-1.6").unlink()
    (faults / "confirm-0001-1.5").write_text("error")  # it would fail again if it began anew
    assert run_fake(STUDY, tmp_path, retry="failed", quiet=True) == 0


def test_a_retry_that_fails_again_says_so_again(faults, tmp_path, capsys) -> None:
    (faults / "confirm-0001-1.6").write_text("diverge")
    assert run_fake(STUDY, tmp_path, quiet=True) == 1
    assert run_fake(STUDY, tmp_path, retry="all", quiet=True) == 1
    assert capsys.readouterr().out.count("confirm-0001-1 diverged after epoch 5 of 9: Diverged: loss is nan") == 2
    assert [
        e["status"] for e in lines(tmp_path / "fake" / schema.TRIALS_FILE) if e["trial_id"] == "confirm-0001-1"
    ] == [
        "diverged",
        "interrupted",
        "diverged",
    ]


def test_a_killed_retry_is_gone_on_with_by_a_resume(faults, tmp_path, monkeypatch) -> None:
    """What is to be tried again is on disk before anything runs."""
    (faults / "confirm-0001-1.6").write_text("error")
    assert run_fake(STUDY, tmp_path, quiet=True) == 1
    (faults / "confirm-0001-1.6").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Budget, "spent", lambda self: "killed")
        run_fake(STUDY, tmp_path, retry="failed", quiet=True)
    assert last_ends(tmp_path / "fake")["confirm-0001-1"]["status"] == schema.INTERRUPTED
    assert run_fake(STUDY, tmp_path, resume=True, quiet=True) == 0
    assert last_ends(tmp_path / "fake")["confirm-0001-1"]["status"] == schema.COMPLETED


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_a_retried_search_trial_is_told_and_confirmed_points_stay(faults, tmp_path, capsys, sampler) -> None:
    """The failed trial would have been on the front; the points that were confirmed before keep names and numbers."""
    study = make_study(
        confirm={"seeds": [1, 2], "max_points": 2}, search={"trials": 8, "startup_trials": 4, "sampler": sampler}
    )
    folder = tmp_path / "fake"
    (faults / "search-0001.4").write_text("error")
    (faults / "search-0004.1").write_text("diverge")
    assert run_fake(study, tmp_path, quiet=True) == 0, "failures of the search alone are no failure"
    assert "search-0001 failed after epoch 3 of 9" in capsys.readouterr().out
    before = {t: e["number"] for t, e in last_ends(folder).items() if e["stage"] == "confirm"}
    for fault in faults.iterdir():
        fault.unlink()
    assert run_fake(study, tmp_path, retry="failed", quiet=True) == 0
    ends = last_ends(folder)
    assert set(schema.UNSUCCESSFUL).isdisjoint(end["status"] for end in ends.values())
    after = {t: e["number"] for t, e in ends.items() if e["stage"] == "confirm"}
    assert {trial_id: after[trial_id] for trial_id in before} == before
    assert sorted(after.values()) == list(range(len(after)))
    drawn = [line for line in lines(folder / schema.DRAWS_FILE) if line["duplicate_of"] is None]
    assert len(drawn) == len([t for t in ends if t.startswith("search")]) == 8
    reports = lines(folder / schema.REPORTS_FILE)
    for trial_id, end in ends.items():
        epochs = [line["epoch"] for line in reports if line["trial_id"] == trial_id]
        assert sorted(epochs) == list(range(1, end["epochs"] + 1))
    text = (folder / schema.DRAWS_FILE).read_text()
    assert run_fake(study, tmp_path, resume=True, quiet=True) == 0
    assert (folder / schema.DRAWS_FILE).read_text() == text
    load(folder)


def test_only_the_stage_that_runs_is_tried_again(faults, tmp_path) -> None:
    (faults / "search-0001.4").write_text("error")
    (faults / "confirm-0000-1.4").write_text("error")
    assert run_fake(STUDY, tmp_path, quiet=True) == 1
    for fault in faults.iterdir():
        fault.unlink()
    assert run_fake(STUDY, tmp_path, retry="failed", stage="confirm", quiet=True) == 0
    ends = last_ends(tmp_path / "fake")
    assert (ends["search-0001"]["status"], ends["confirm-0000-1"]["status"]) == ("failed", "completed")


def test_nothing_to_try_again_is_said(undisturbed, tmp_path, capsys) -> None:
    assert run_fake(STUDY, tmp_path / "undisturbed", retry="all") == 0
    assert "No trial is to be tried again." in capsys.readouterr().out
    with pytest.raises(UserError, match="--retry: expected one of failed, interrupted, all, got 'most'"):
        run_fake(STUDY, tmp_path, retry="most")


def test_a_new_point_takes_the_next_free_numbers() -> None:
    ends = [
        {"number": n, "trial_id": stages.search_id(n), "label": "x", "params": {"method": "none"}, "baseline": False}
        for n in (1, 0)
    ]
    recorded = {"confirm-0000-1": 0, "confirm-0000-2": 1}
    tasks = stages.confirm_tasks(STUDY, ends, recorded)
    assert {t.trial_id: t.number for t in tasks} == {**recorded, "confirm-0001-1": 2, "confirm-0001-2": 3}

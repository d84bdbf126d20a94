"""confirm.choose: model, through the engine: its front is confirmed, after a resume too; else the observed one."""

from __future__ import annotations

from pathlib import Path

import pytest

from study import schema
from study.search import confirming, stages
from study.search.front.question import question_of
from tests.helpers.engine_helpers import lines, make_study, run_fake
from tests.helpers.without_ray import study_in_this_process

MODEL = {"seeds": [1, 2], "max_points": 3, "choose": "model"}


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    study_in_this_process(monkeypatch)


def confirmed(folder: Path) -> set[str]:
    return {end["point"] for end in lines(folder / schema.TRIALS_FILE) if end["stage"] == schema.CONFIRM}


def test_the_front_of_the_model_is_confirmed_also_after_a_resume(tmp_path: Path) -> None:
    study = make_study(confirm=MODEL, search={"trials": 16, "startup_trials": 4})
    folder = tmp_path / "fake"
    assert run_fake(study, tmp_path, quiet=True, stage=schema.SEARCH) == 0
    assert run_fake(study, tmp_path, quiet=True, resume=True) == 0
    ends = [end for end in lines(folder / schema.TRIALS_FILE) if end["stage"] == schema.SEARCH]
    expected = confirming.expected_costs(question_of(study), ends, lines(folder / schema.REPORTS_FILE))
    points = stages.confirm_points(ends, study.objectives, 3, (), expected, per_method=True)
    assert confirmed(folder) == {end["trial_id"] for end in points}
    assert run_fake(study, tmp_path, quiet=True, resume=True) == 0
    assert confirmed(folder) == {end["trial_id"] for end in points}


def test_without_a_model_the_observed_front_is_confirmed_and_a_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_study(confirm=MODEL, search={"trials": 1, "startup_trials": 1})
    assert run_fake(study, tmp_path) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "confirm.choose: model has no model, so the observed front is confirmed: 1 trials have reported" in said
    assert len(confirmed(tmp_path / "fake")) == 1

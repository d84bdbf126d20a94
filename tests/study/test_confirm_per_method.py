"""confirm.per_method, through the engine: on where a study has several methods, off in folders of earlier versions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from study import schema
from study.search import stages
from study.settings.space import confirms_per_method
from tests.helpers.engine_helpers import lines, make_study, run_fake
from tests.helpers.without_ray import study_in_this_process

CONFIRM = {"seeds": [1], "max_points": 4}


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    study_in_this_process(monkeypatch)


def searched(folder: Path) -> list[dict]:
    return [end for end in lines(folder / schema.TRIALS_FILE) if end["stage"] == schema.SEARCH]


def confirmed(folder: Path) -> set[str]:
    return {end["point"] for end in lines(folder / schema.TRIALS_FILE) if end["stage"] == schema.CONFIRM}


def wanted(folder: Path, per_method: bool) -> set[str]:
    objectives = make_study().objectives
    return {e["trial_id"] for e in stages.confirm_points(searched(folder), objectives, 4, per_method=per_method)}


def without_the_word(folder: Path) -> None:
    """As an earlier version left it: neither manifest nor study knows of the setting."""
    path = folder / schema.MANIFEST_FILE
    record = json.loads(path.read_text())
    assert record.pop("per_method") is True
    path.write_text(json.dumps(record))
    path = folder / schema.STUDY_FILE
    text = path.read_text()
    assert "  per_method: null\n" in text
    path.write_text(text.replace("  per_method: null\n", ""))


def test_each_method_of_a_new_study_is_confirmed_but_a_folder_of_an_earlier_version_stays_with_its_front(
    tmp_path: Path,
) -> None:
    study = make_study(confirm=CONFIRM, search={"trials": 10}, scheduler={"name": "none"})
    assert run_fake(study, tmp_path / "new", quiet=True, stage=schema.SEARCH) == 0
    shutil.copytree(tmp_path / "new", tmp_path / "old")
    without_the_word(tmp_path / "old" / "fake")
    for place, per_method in (("new", True), ("old", False)):
        folder = tmp_path / place / "fake"
        for _ in range(1 if per_method else 2):  # and again, once the folder holds the setting
            assert run_fake(study, tmp_path / place, quiet=True, resume=True) == 0
            assert confirmed(folder) == wanted(folder, per_method) != wanted(folder, not per_method)
    methods = {end["method"] for end in lines(tmp_path / "new" / "fake" / schema.TRIALS_FILE) if end["point"]}
    assert methods == {"kmclr", "nnclr", "none"}


@pytest.mark.parametrize(
    ("asked", "methods", "on"),
    [
        (None, ["kmclr", "none"], True),
        (None, ["kmclr"], False),
        (False, ["kmclr", "none"], False),
        (True, ["kmclr"], True),
    ],
)
def test_it_is_on_where_several_methods_are_declared_unless_the_study_says_otherwise(
    asked: bool | None, methods: list[str], on: bool
) -> None:
    space = {"method": methods, "temperature": [0.1, 0.2]}
    assert confirms_per_method(make_study(space=space, baselines=(), confirm={"per_method": asked})) is on

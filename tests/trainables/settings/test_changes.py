"""Differences between settings, and those that a resume allows."""

from __future__ import annotations

import pytest

from study.settings.config import StudyConfig
from trainables.settings import edge
from trainables.settings.changes import FREE_ON_RESUME, NOT_SET, differences, refused_on_resume
from trainables.settings.config import RunConfig


def test_differences_are_dotted_and_a_missing_section_is_one() -> None:
    before = {"a": {"b": 1, "c": 2}, "d": {"e": {"f": 1}}, "g": [1]}
    after = {"a": {"b": 1, "c": 3}, "d": {}, "g": [1], "h": None}
    assert differences(before, after) == [("a.c", 2, 3), ("d.e", {"f": 1}, NOT_SET), ("h", NOT_SET, None)]
    assert differences(before, before) == []


@pytest.mark.parametrize(
    ("name", "free"),
    [("budget.epochs", True), ("budget", True), ("budgets", False), ("data.root", True), ("data", False)],
)
def test_what_a_resume_may_change(name: str, free: bool) -> None:
    change = (name, 1, 2)
    assert refused_on_resume([change]) == ([] if free else [change])


def test_every_free_name_is_a_setting() -> None:
    study = StudyConfig(name="x", space={}).model_dump(mode="json")
    known = {*edge.flatten(study), *study, *edge.flatten(RunConfig().model_dump(mode="json"))}
    assert set(FREE_ON_RESUME) <= known

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


def test_a_new_setting_at_its_default_is_no_change() -> None:
    """A folder of an earlier version goes on when a setting is added."""
    usual = {"scheduler": {"max_paused": 100}, "choose": "observed"}
    for name, value, refused in (
        ("scheduler.max_paused", 100, False),
        ("scheduler.max_paused", 5, True),
        ("choose", "observed", False),
        ("choose", "model", True),
        ("other", 1, True),
    ):
        change = (name, NOT_SET, value)
        assert refused_on_resume([change], usual) == ([change] if refused else [])
        assert refused_on_resume([(name, 7, value)], usual) == [(name, 7, value)]
        assert refused_on_resume([change]) == [change]

"""Which epochs must be on record, which are not, and which lost lines they stood in."""

from __future__ import annotations

from pathlib import Path

from trainables.lines import CHANGED, MISSING, TWICE, Damage
from trainables.reported import contradictions, epochs_in_words, lost_epochs, name_lost

PATH = Path("reports.jsonl")


def rows(*known: tuple[int, str, int]) -> list[tuple[int, dict]]:
    return [(number, {"trial_id": trial_id, "epoch": epoch}) for number, trial_id, epoch in known]


def test_epochs_before_a_report_or_an_end_are_missed() -> None:
    reports = [line for _, line in rows((1, "a", 1), (2, "a", 3), (3, "b", 1))]
    assert lost_epochs(reports, {}) == {"a": [2]}
    assert lost_epochs(reports, {"a": 5, "b": 1, "c": 2, "d": 0}) == {"a": [2, 4, 5], "c": [1, 2]}
    assert lost_epochs([], {}) == {}


def test_epochs_in_words() -> None:
    assert epochs_in_words({"a": [4]}) == "a, epoch 4"
    assert epochs_in_words({"a": [2, 3, 4, 9], "b": [1, 3]}) == "a, epochs 2 to 4 and 9; b, epochs 1 and 3"


def test_lost_epochs_are_found_in_the_holes_where_they_stood() -> None:
    """Two trials at once: a1 b1 [a2] b2 [b3 a3] a4, and c whose lines are not counted."""
    there = rows((1, "a", 1), (2, "b", 1), (4, "b", 2), (7, "a", 4))
    holes = [Damage(PATH, 3, 3, CHANGED), Damage(PATH, 4, 4, TWICE), Damage(PATH, 5, 6, MISSING)]
    named, left = name_lost(holes, there, {"a": [2, 3], "b": [3], "c": [1]})
    assert [(one.first, one.who) for one in named] == [(3, "a, epoch 2"), (4, ""), (5, "a, epoch 3; b, epoch 3")]
    assert left == {"c": [1]}


DRAW = {"trial_id": "search-0001", "number": 1, "params": {"k": 50}}
END = {**DRAW, "stage": "search", "seed": 0, "epochs": 2, "point": None, "metrics": {"accuracy": 5.0, "loss": None}}
CONFIRM = {**END, "trial_id": "confirm-0001-7", "stage": "confirm", "number": 0, "seed": 7, "point": "search-0001"}


def report(end: dict, epoch: int = 2, **more: object) -> dict:
    return {**{name: end[name] for name in ("trial_id", "stage", "number", "seed")}, "epoch": epoch, **more}


def found(draws: list, reports: list, ends: list) -> list[tuple[str, str]]:
    return list(contradictions([*draws, {**DRAW, "trial_id": None}], reports, ends, ("accuracy", "loss")))


def test_lines_of_one_study_agree() -> None:
    reports = [report(END, 1, accuracy=1.0), report(END, accuracy=5.0, loss=3.0), report(CONFIRM, accuracy=5.0)]
    assert found([DRAW], reports, [END, CONFIRM]) == []
    assert found([DRAW], reports, []) == found([], reports, [END]) == found([], reports, []) == []


def test_lines_of_two_studies_do_not() -> None:
    other = {**DRAW, "params": {"k": 51}}
    assert found([other], [], [END]) == [("ends and draws", "search-0001: params is {'k': 50} and {'k': 51}")]
    assert found([other], [], [CONFIRM]) == [("ends and draws", "confirm-0001-7: params is {'k': 50} and {'k': 51}")]
    assert found([], [report(END, accuracy=5.5)], [END]) == [
        ("reports and ends", "search-0001, epoch 2: accuracy is 5.5 and 5.0")
    ]
    assert found([], [{**report(END, 1), "seed": 3}], [END]) == [
        ("reports and ends", "search-0001, epoch 1: seed is 3 and 0")
    ]
    assert found([DRAW], [{**report(END), "number": 3}], []) == [
        ("reports and draws", "search-0001, epoch 2: number is 3 and 1")
    ]

"""Which epochs must be on record, which are not, and which lost lines they stood in."""

from __future__ import annotations

from pathlib import Path

from trainables.lines import CHANGED, MISSING, TWICE, Damage
from trainables.reported import epochs_in_words, lost_epochs, name_lost

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

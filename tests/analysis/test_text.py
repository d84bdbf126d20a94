"""Numbers, names and ticks in words."""

from __future__ import annotations

from analysis.text import (
    byte_ticks,
    few_note,
    heading,
    in_sentence,
    joined,
    n_cell,
    n_in_words,
    nice_ticks,
    seeds_in_words,
)
from study.schema import METRICS


def test_byte_ticks_are_decades_or_finer():
    assert byte_ticks(1e4, 1e8)[1] == ["10 kB", "100 kB", "1 MB", "10 MB", "100 MB"]
    assert byte_ticks(1.5e5, 6e5)[1] == ["200 kB", "500 kB"]
    assert byte_ticks(1.5e9, 3.2e9)[1] == ["1.5 GB", "2 GB", "2.5 GB", "3 GB"]


def test_ticks_are_round_and_inside() -> None:
    assert nice_ticks(0, 18) == [0, 5, 10, 15]
    assert nice_ticks(9.7, 61.2) == [10, 20, 30, 40, 50, 60]
    assert nice_ticks(-0.3, 0.3) == [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3]


def test_titles_in_sentences_and_at_axes() -> None:
    assert in_sentence("Support set") == "support set"
    assert in_sentence("GPU-hours per run") == "GPU-hours per run"
    assert [joined(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    assert heading(METRICS["epoch_s"]) == "Time per epoch (s)"
    assert heading(METRICS["neighbour_purity"]) == "Neighbour purity"


def test_fewer_than_three_seeds_are_marked_everywhere() -> None:
    assert seeds_in_words([3, 3]) == "n = 3 seeds"
    assert seeds_in_words([3, 5]) == "n = 3 to 5 seeds"
    assert seeds_in_words([2, 2]) == "n = 2 seeds, fewer than 3"
    assert seeds_in_words([2, 3]) == "n = 2 to 3 seeds, some fewer than 3"
    assert seeds_in_words([1]) == "n = 1 seed, fewer than 3"
    assert (n_in_words(3), n_in_words(2)) == ("n = 3", "n = 2 only")
    assert [n_cell(n) for n in (1, 2, 3)] == ["1 †", "2 †", "3"]
    assert (few_note([3, 4]), few_note([2, 4]), few_note([])) == ("", " † fewer than 3 seeds.", "")

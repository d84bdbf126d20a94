"""Numbers, names and ticks in words."""

from __future__ import annotations

from analysis.text import byte_ticks, heading, in_sentence, joined, nice_ticks
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

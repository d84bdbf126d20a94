"""Each method's own front: who is on it, and what is the line to beat."""

from __future__ import annotations

import pandas as pd

from analysis.figures.by_method import best_of_each, by_method_info, draw_by_method, front_by_method
from analysis.figures.figure import Figure, Skipped
from analysis.figures.style import STYLES
from analysis.results.load import Results

TABLE = pd.DataFrame(
    {
        "method": ["none", "none", "kmclr", "kmclr", "kmclr", "nnclr"],
        "label": ["none t=1", "none t=2", "kmclr k=10", "kmclr k=50", "kmclr k=90", "nnclr queue=9"],
        "support_bytes": [0.0, 0.0, 1e3, 5e3, 9e3, 1e6],
        "y": [60.0, 61.0, 50.0, 55.0, 54.0, 56.0],
        "low": 40.0,
        "high": 70.0,
        "n": 3,
        "on_front": [False, True, False, False, False, False],
    }
)


def test_each_method_has_a_staircase_of_its_own_and_what_costs_nothing_a_level_line() -> None:
    free = TABLE["support_bytes"] == 0
    lines, info = best_of_each(TABLE[free]), by_method_info(TABLE[~free], "support_bytes", "min", "Accuracy (%)")
    assert lines[["label", "y"]].values.tolist() == [["none t=2", 61.0]]
    on = info.points[info.points["on_front"]]
    assert on["label"].tolist() == ["kmclr k=10", "kmclr k=50", "nnclr queue=9"]
    assert info.steps.groupby("study")["y"].max().to_dict() == {"kmclr": 55.0, "nnclr": 56.0}
    drawn = draw_by_method(info, lines, STYLES["web"]).data
    level = next(t for t in drawn if t.name == "none, the line to beat")
    assert set(level.y) == {61.0}
    assert sum(t.line.shape == "hv" for t in drawn) == 2


def test_it_is_of_one_study_with_two_methods(full: Results) -> None:
    found = front_by_method([full], STYLES["web"])
    assert isinstance(found, Figure)
    assert "Level lines, the ones to beat: none" in found.caption
    assert "degrees of freedom" in found.caption
    assert isinstance(front_by_method([full, full], STYLES["web"]), Skipped)

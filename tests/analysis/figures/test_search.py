"""Figures over the search: captions say what is drawn."""

from __future__ import annotations

from analysis.figures.figure import Figure
from analysis.results.load import load
from tests.helpers.figure_inputs import make_all
from tests.helpers.synthetic_results import write_results


def test_the_caption_speaks_of_a_right_panel_only_where_there_is_one(drawn: dict[str, Figure], tmp_path) -> None:
    assert "Right:" in drawn["hypervolume_over_time"].caption
    write_results(tmp_path / "storing", trials=8, methods=("kmclr", "nnclr"))
    figures, _ = make_all([load(tmp_path / "storing")], modules=("search",))
    assert "Right:" not in figures["hypervolume_over_time"].caption

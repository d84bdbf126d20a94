"""Curves over training: possible axes, lines or bands."""

from __future__ import annotations

from analysis.results.load import Results, load
from tests.helpers.figure_inputs import make_all
from tests.helpers.synthetic_results import write_results


def test_axes_of_percentages_and_shares_stay_possible(tmp_path) -> None:
    write_results(tmp_path / "two", trials=5, confirm_seeds=(1, 2))
    figures, _ = make_all([load(tmp_path / "two")], modules=("training",))
    low, high = figures["acc5_per_epoch"].figure.layout.yaxis.range
    assert low >= -2
    assert high <= 102
    assert max(figures["support_diagnostics"].figure.layout.yaxis3.range) <= 1.02


def test_two_points_are_lines_and_three_have_a_band(tmp_path) -> None:
    def bands(results: Results) -> set[str]:
        figure = make_all([results], modules=("training",))[0]["accuracy_per_epoch"].figure
        return {trace.legendgroup for trace in figure.data if trace.fill == "tonexty"}

    write_results(tmp_path / "two", trials=4, confirm_seeds=(1, 2))  # two points of kmclr; one each of the others
    assert bands(load(tmp_path / "two")) == set()
    write_results(tmp_path / "three", trials=4, confirm_seeds=(1, 2, 3))
    assert bands(load(tmp_path / "three")) == {"nnclr", "none"}  # three seeds of their only point

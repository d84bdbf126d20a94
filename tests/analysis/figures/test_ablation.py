"""The figure of an ablation: what stands where, and names that fit their room."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.figure_data.ablation_info import ablation_info
from analysis.figures.ablation import ablation
from analysis.figures.figure import Figure
from analysis.figures.style import WARN, get_style, rgba
from analysis.results.load import Results, load
from tests.helpers.ablation_inputs import write_ablation
from tests.helpers.synthetic_results import write_results


def test_means_and_differences_stand_at_their_steps(full: Results) -> None:
    info, drawn = ablation_info(full), ablation([full], get_style("web"))
    assert isinstance(drawn, Figure)
    traces = drawn.figure.data
    means = {y: x for trace in traces if trace.name in ("none", "kmclr") for x, y in zip(trace.x, trace.y, strict=True)}
    assert means == {i: step.mean.mean for i, step in enumerate(info.steps)}
    (right,) = [trace for trace in traces if trace.name == "difference"]
    assert list(right.y) == list(range(1, len(info.steps)))
    assert list(right.x) == [step.difference.mean for step in info.steps[1:]]
    bars = [trace for trace in traces if trace.name in ("gain", "loss")]
    for bar, before, after in zip(bars, info.steps, info.steps[1:], strict=False):
        assert {bar.x[0], bar.x[1]} == {before.mean.mean, after.mean.mean}
        assert (bar.fillcolor == rgba(WARN, 0.22)) == (after.mean.mean < before.mean.mean)
    assert [line.x0 for line in drawn.figure.layout.shapes] == [0]  # what no difference is
    for axis, trace in ((drawn.figure.layout.xaxis2, right),):
        low, high = axis.range
        assert all(low < x - d and x + u < high for x, d, u in zip(trace.x, *ends(trace), strict=True))


def ends(trace) -> tuple[list[float], list[float]]:
    return trace.error_x.arrayminus, trace.error_x.array


def test_the_csv_has_each_step_and_the_whole(full: Results) -> None:
    table = ablation([full], get_style("web")).data
    info = ablation_info(full)
    assert list(table["step"]) == [*map(str, range(len(info.steps))), "total"]
    assert table["difference"].iloc[-1] == info.total.mean
    assert table["values"].iloc[0].startswith("1: ")
    assert table["expected_accuracy"].notna().sum() == len(info.steps)
    assert list(table["n"]) == [3] * len(table)


@pytest.mark.parametrize("style", ["paper", "slides", "web"])
def test_names_fit_their_room(full: Results, style: str) -> None:
    look = get_style(style)
    figure = ablation([full], look).figure
    lines = [line for text in figure.layout.yaxis.ticktext for line in text.split("<br>")]
    assert max(map(len, lines)) * 0.5 * look.font <= 0.28 * look.wide
    assert "with k = 400" in " ".join(lines)


def test_a_path_with_gaps_one_seed_and_no_model(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "one", trials=12, epochs=4, confirm_seeds=(1,))
    write_ablation(folder, seeds=(1,), missing=2, to="search-0009", without="1 trials have reported")
    drawn = ablation([load(folder)], get_style("paper"))
    assert "2 of 5 trainings missing" in drawn.caption
    assert "no intervals, as nothing is repeated" in drawn.caption.lower()
    assert "there was no model (1 trials have reported)" in drawn.caption
    assert "flatters" not in drawn.caption
    (right,) = [trace for trace in drawn.figure.data if trace.name == "difference"]
    assert list(right.y) == [1, 2]

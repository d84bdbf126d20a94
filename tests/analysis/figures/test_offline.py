"""The bars of the offline evaluation: published values, room for names and values."""

from __future__ import annotations

import pytest

from analysis.figures import offline
from analysis.figures.style import get_style
from analysis.results.load import Results, load
from tests.helpers.figure_inputs import make_all
from tests.helpers.synthetic_results import write_results


def test_published_values_stand_in_the_bars_of_the_same_points_only(full: Results, tmp_path) -> None:
    bars, _ = make_all([full], modules=("offline",))
    table = bars["offline_accuracy"].data.dropna(subset="published").set_index(["label", "metric"])["published"]
    assert table["kmclr t=0.2 k=400 f=3"].to_dict() == {"test_acc1": 56.86, "test_acc5": 84.70}
    marks = [t for t in bars["offline_accuracy"].figure.data if t.name == "published"]
    assert sorted(x for trace in marks for x in trace.x) == pytest.approx(sorted(table))
    assert "Rossini" in bars["offline_accuracy"].caption
    write_results(tmp_path / "r", trials=6, confirm_seeds=(1, 2), rehearsal=True)
    bars, _ = make_all([load(tmp_path / "r")], modules=("offline",))
    assert not [t for t in bars["offline_accuracy"].figure.data if t.name == "published"]


@pytest.mark.parametrize("style", ["paper", "slides", "web"])
def test_offline_bars_leave_room_for_names_and_values(full: Results, style: str) -> None:
    look = get_style(style)
    figure = make_all([full], style, modules=("offline",))[0]["offline_accuracy"].figure
    lines = [line for text in figure.layout.yaxis.ticktext for line in text.split("<br>")]
    assert max(map(len, lines)) * 0.5 * look.font <= 0.28 * look.wide
    values = [trace for trace in figure.data if trace.name == "values"]
    for trace, axis in zip(values, (figure.layout.xaxis, figure.layout.xaxis2), strict=True):
        bars = [bar for bar in figure.data if bar.type == "bar" and bar.xaxis == trace.xaxis]
        ends = {y: x + (up or 0) for bar in bars for y, x, up in zip(bar.y, bar.x, bar.error_x.array, strict=True)}
        assert all(x >= ends[y] - 1e-9 for y, x in zip(trace.y, trace.x, strict=True))
        assert trace.textfont.size >= 0.9 * look.font
        panel = (axis.domain[1] - axis.domain[0]) * (look.wide - 0.28 * look.wide - 4 * look.font)
        room = panel * (1 - max(trace.x) / axis.range[1])
        assert room >= 0.5 * trace.textfont.size * max(map(len, trace.text))
        assert max(axis.tickvals) <= 100
    assert figure.layout.xaxis2.domain[0] - figure.layout.xaxis.domain[1] >= 0.03


def test_names_of_points_are_broken_between_parameters() -> None:
    label = "kmclr k=11 prototype_update=ema half_life=10.3 prototype_dtype=float16 t=0.409"
    assert offline.point_lines(label, "1.45 kB", 30) == [
        "kmclr k=11 update=ema", "half_life=10.3 dtype=float16", "t=0.409 · 1.45\u00a0kB"
    ]  # fmt: skip
    assert offline.point_lines("nnclr queue_size=8", "2 kB", 18) == ["nnclr size=8", "2\u00a0kB"]
    assert offline.point_lines("none", "0 B", 30) == ["none · 0\u00a0B"]


def test_a_running_study_and_a_single_seed(tmp_path) -> None:
    write_results(tmp_path / "running", trials=10, confirm_seeds=(1,), running=3)
    figures, _ = make_all([load(tmp_path / "running")])
    bar = figures["offline_accuracy"].figure.data[0]
    assert "(n = 1 only)" in "".join(map(str, bar.text))
    assert bar.error_x.array is None  # not even the cap of an interval of no width
    assert "n = 1 seed, fewer than 3)" in figures["offline_accuracy"].caption

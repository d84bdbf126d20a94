"""What a picture of a front holds, and how it is drawn."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.figure_data.pareto_info import ParetoInfo, pareto_info
from analysis.figures.pareto import FADED, STORED, WANTED, draw_pareto
from analysis.figures.style import LOOKS, STYLES


def table(**columns) -> pd.DataFrame:
    base = {
        "method": ["none", "kmclr", "kmclr", "nnclr"],
        "label": ["none", "k=50", "k=400", "queue"],
        "support_bytes": [0.0, 1e5, 8e5, 1e8],
        "y": [53.0, 52.0, 57.0, 57.5],
    }
    return pd.DataFrame({**base, **columns})


def info_of(df: pd.DataFrame, x: str = "support_bytes") -> ParetoInfo:
    return pareto_info(df, x)


def test_zero_bytes_have_a_slot_left_of_the_log_axis():
    info = info_of(table())
    none = info.points.iloc[0]
    assert none["x"] == 0
    assert none["x_drawn"] == info.zero_at
    assert 0 < info.x_range[0] < info.zero_at < 1e5 / 2
    assert info.points["x_drawn"].iloc[1:].tolist() == [1e5, 8e5, 1e8]
    ticks = dict(
        zip(*(lambda a: (a.tickvals, a.ticktext))(draw_pareto([info], STYLES["web"]).layout.xaxis), strict=True)
    )
    assert ticks[info.zero_at].startswith("0")
    assert ticks[1e6] == "1 MB"


def test_all_points_without_support_set():
    info = info_of(table(support_bytes=[0.0] * 4))
    assert info.points["on_front"].tolist() == [False, False, False, True]
    assert draw_pareto([info], STYLES["paper"]).layout.xaxis.type == "log"


def test_drawing_has_one_colour_per_method_and_fades_the_dominated():
    fig = draw_pareto([info_of(table(low=[52.0] * 4, high=[58.0] * 4, n=[3] * 4))], STYLES["web"])
    markers = [t for t in fig.data if t.mode == "markers"]
    assert {t.name: t.marker.color for t in markers} == {m: LOOKS[m].colour for m in ("kmclr", "nnclr", "none")}
    shown = [t for t in markers if t.showlegend is not False]
    assert sorted(t.name for t in shown) == ["kmclr", "nnclr", "none"]
    assert all(t.opacity is None for t in shown)  # also where a method's points are all faded
    dominated = next(t for t in markers if t.y[0] == 52.0)
    assert dominated.opacity == FADED < 0.7
    assert dominated.error_y.array[0] == 6.0
    line = next(t for t in fig.data if t.mode == "lines")
    assert line.line.shape == "hv"


def test_drawing_of_nothing():
    assert len(draw_pareto([info_of(table().iloc[:0])], STYLES["web"]).data) == 0


def test_where_a_point_of_no_bytes_beats_all_the_front_of_those_that_store_something_is_drawn_too():
    info = info_of(table(y=[60.0, 52.0, 57.0, 56.0]))
    assert info.points.loc[info.points["on_stored"], "label"].tolist() == ["k=50", "k=400"]
    assert info.stored["y"].tolist() == [52.0, 57.0, 57.0]
    for style in STYLES.values():
        lines = {t.name: t for t in draw_pareto([info], style).data if t.mode == "lines"}
        assert list(lines) == ["front", STORED]
        assert lines[STORED].showlegend
        assert lines[STORED].line.dash == "dash"
    usual = info_of(table())
    assert not usual.points["on_stored"].any()
    assert [t.name for t in draw_pareto([usual], STYLES["web"]).data if t.mode == "lines"] == ["front"]


@pytest.mark.parametrize("style", STYLES.values(), ids=list(STYLES))
@pytest.mark.parametrize(("cost", "least"), [(1e6, 55.0), (1e6, None), (None, 55.0), (None, 95.0)])
def test_a_wanted_region_is_shaded_with_its_edge_in_view_and_named_once(style, cost, least):
    info = info_of(table())._replace(wanted=(cost, least))
    fig = draw_pareto([info, info], style)
    shapes = [shape for shape in fig.layout.shapes if shape.name == WANTED]
    lines = [trace for trace in fig.data if trace.name == WANTED]
    assert len(shapes) == len(lines) == 2
    assert [line.showlegend for line in lines] == [True, False]
    assert max(lines[0].x) == (cost or info.x_range[1]) == shapes[0].x1
    assert shapes[0].y0 == (52.0 if least is None else least)
    assert 57.5 < shapes[0].y1 < 70 or least == 95.0
    assert min(lines[0].y) <= max(lines[0].y)
    if least is not None:
        assert min(lines[0].y) == least
    assert not [t for t in draw_pareto([info_of(table())], style).data if t.name == WANTED]


def test_a_region_of_no_bytes_ends_where_the_strip_of_the_zeros_does():
    info = info_of(table())._replace(wanted=(0.0, 50.0))
    (shape,) = [one for one in draw_pareto([info], STYLES["web"]).layout.shapes if one.name == WANTED]
    assert 0 < shape.x0 < info.zero_at < shape.x1 < 1e5

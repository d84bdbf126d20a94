"""Fronts and hypervolumes against pymoo, on random and degenerate sets; what a picture of a front holds."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from pymoo.indicators.hv import HV
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from analysis.figure_data.pareto_info import pareto_info
from analysis.figures.pareto import draw_pareto
from analysis.figures.style import COLOURS, STYLES
from analysis.results.front import AXES, Reference, hypervolume, on_front, reference_for
from analysis.text import byte_ticks, bytes_in_words

LINEAR = Reference(1.0, 0.0, False)


def sets(kind: str) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(7)
    if kind == "random":
        return [(rng.random(n), rng.random(n)) for n in (2, 3, 10, 60, 200)]
    if kind == "ties":
        return [(rng.integers(0, 4, n) / 4, rng.integers(0, 4, n) / 4) for n in (5, 20, 80) for _ in range(5)]
    if kind == "duplicates":
        return [(np.repeat(rng.random(6), 3), np.repeat(rng.random(6), 3))]
    if kind == "one value":
        return [(np.full(5, 0.3), np.full(5, 0.6)), (np.full(5, 0.3), rng.random(5)), (rng.random(5), np.full(5, 0.5))]
    return [(np.array([0.2]), np.array([0.7])), (np.array([1.5]), np.array([0.7]))]


KINDS = ("random", "ties", "duplicates", "one value", "one point")


@pytest.mark.parametrize("kind", KINDS)
def test_front_agrees_with_pymoo(kind):
    for x, y in sets(kind):
        theirs = NonDominatedSorting().do(np.column_stack([x, -y]), only_non_dominated_front=True)
        assert set(np.flatnonzero(on_front(x, y))) == set(theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_hypervolume_agrees_with_pymoo(kind):
    for x, y in sets(kind):
        theirs = HV(ref_point=np.array([1.0, 0.0]))(np.column_stack([x, -y]))
        assert hypervolume(x, y, LINEAR) == pytest.approx(float(theirs), abs=1e-12)


def test_hypervolume_on_bytes_agrees_with_pymoo():
    rng = np.random.default_rng(1)
    x, y = np.concatenate([[0.0], 10 ** rng.uniform(3, 8, 30)]), rng.uniform(40, 60, 31)
    reference = reference_for(AXES["support_bytes"], x)
    costs = np.column_stack([np.log10(1 + x), -y])
    theirs = HV(ref_point=np.array([math.log10(1 + 2**30), 0.0]))(costs)
    assert hypervolume(x, y, reference) == pytest.approx(float(theirs))


def test_nan_is_nowhere():
    x, y = np.array([1.0, math.nan, 2.0, 3.0]), np.array([5.0, 99.0, math.nan, 6.0])
    assert on_front(x, y).tolist() == [True, False, False, True]
    assert hypervolume(x, y, Reference(10, 0, False)) == hypervolume(x[[0, 3]], y[[0, 3]], Reference(10, 0, False))


def test_empty():
    assert on_front([], []).tolist() == []
    assert hypervolume([], [], LINEAR) == 0.0


def test_hypervolume_by_hand():
    # steps of 10 from 2 to 5 and of 20 from 5 to 10
    assert hypervolume([2, 5], [10, 20], Reference(10, 0, False)) == 3 * 10 + 5 * 20


def table(**columns) -> pd.DataFrame:
    base = {
        "method": ["none", "kmclr", "kmclr", "nnclr"],
        "label": ["none", "k=50", "k=400", "queue"],
        "support_bytes": [0.0, 1e5, 8e5, 1e8],
        "y": [53.0, 52.0, 57.0, 57.5],
    }
    return pd.DataFrame({**base, **columns})


def test_zero_bytes_have_a_slot_left_of_the_log_axis():
    info = pareto_info(table())
    none = info.points.iloc[0]
    assert none["x"] == 0
    assert none["x_drawn"] == info.zero_at
    assert 0 < info.x_range[0] < info.zero_at < 1e5 / 2
    assert info.points["x_drawn"].iloc[1:].tolist() == [1e5, 8e5, 1e8]
    ticks = dict(zip(*(lambda a: (a.tickvals, a.ticktext))(draw_pareto(info, STYLES["web"]).layout.xaxis), strict=True))
    assert ticks[info.zero_at].startswith("0")
    assert ticks[1e6] == "1 MB"


def test_no_slot_without_zeros_and_none_on_a_linear_axis():
    assert pareto_info(table(support_bytes=[1e4, 1e5, 8e5, 1e8])).zero_at is None
    info = pareto_info(table(epoch_s=[0.0, 1.0, 2.0, 3.0]), x="epoch_s")
    assert info.zero_at is None
    assert info.points["x_drawn"].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_all_points_without_support_set():
    info = pareto_info(table(support_bytes=[0.0] * 4))
    assert info.points["on_front"].tolist() == [False, False, False, True]
    assert draw_pareto(info, STYLES["paper"]).layout.xaxis.type == "log"


def test_front_and_its_steps():
    info = pareto_info(table())
    assert info.points["on_front"].tolist() == [True, False, True, True]
    assert info.steps["y"].tolist() == [53.0, 57.0, 57.5, 57.5]
    assert info.steps["x_drawn"].tolist() == [info.zero_at, 8e5, 1e8, info.x_range[1]]


def test_stopped_runs_are_shown_but_never_on_the_front():
    info = pareto_info(table(y=[53.0, 99.0, 57.0, 57.5], hollow=[False, True, False, False]))
    assert info.points["on_front"].tolist() == [True, False, True, True]


def test_points_without_finite_values_are_dropped():
    info = pareto_info(table(y=[53.0, math.nan, math.inf, 57.5]))
    assert info.points["label"].tolist() == ["none", "queue"]


def test_one_front_per_study():
    both = pd.concat([table(study="a"), table(study="b", y=[50.0, 51.0, 40.0, 39.0])], ignore_index=True)
    info = pareto_info(both)
    assert info.points["on_front"].tolist() == [True, False, True, True, True, True, False, False]


def test_drawing_has_one_colour_per_method_and_fades_the_dominated():
    fig = draw_pareto(pareto_info(table(low=[52.0] * 4, high=[58.0] * 4, n=[3] * 4)), STYLES["web"])
    markers = [t for t in fig.data if t.mode == "markers"]
    assert {t.name: t.marker.color for t in markers} == {m: COLOURS[m] for m in ("kmclr", "nnclr", "none")}
    shown = [t for t in markers if t.showlegend is not False]
    assert sorted(t.name for t in shown) == ["kmclr", "nnclr", "none"]
    assert all(t.opacity is None for t in shown)  # also where a method's points are all faded
    dominated = next(t for t in markers if t.y[0] == 52.0)
    assert dominated.opacity < 0.5
    assert dominated.error_y.array[0] == 6.0
    line = next(t for t in fig.data if t.mode == "lines")
    assert line.line.shape == "hv"


def test_drawing_of_nothing():
    assert len(draw_pareto(pareto_info(table().iloc[:0]), STYLES["web"]).data) == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999 B"), (1000, "1 kB"), (409_600, "410 kB"), (999_900, "1 MB"), (100_663_296, "101 MB"),
     (math.nan, "?")],
)  # fmt: skip
def test_bytes_in_words(value, text):
    assert bytes_in_words(value) == text


def test_byte_ticks_are_decades_or_finer():
    assert byte_ticks(1e4, 1e8)[1] == ["10 kB", "100 kB", "1 MB", "10 MB", "100 MB"]
    assert byte_ticks(1.5e5, 6e5)[1] == ["200 kB", "500 kB"]

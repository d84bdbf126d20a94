"""What a picture of a front holds."""

from __future__ import annotations

import math

import pandas as pd

from analysis.figure_data.pareto_info import ParetoInfo, pareto_info


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


def test_no_slot_without_zeros_and_none_on_a_linear_axis():
    assert info_of(table(support_bytes=[1e4, 1e5, 8e5, 1e8])).zero_at is None
    info = info_of(table(epoch_s=[0.0, 1.0, 2.0, 3.0]), x="epoch_s")
    assert info.zero_at is None
    assert info.points["x_drawn"].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_front_and_its_steps():
    info = info_of(table())
    assert info.points["on_front"].tolist() == [True, False, True, True]
    assert info.steps["y"].tolist() == [53.0, 57.0, 57.5, 57.5]
    assert info.steps["x_drawn"].tolist() == [info.zero_at, 8e5, 1e8, info.x_range[1]]


def test_stopped_runs_are_shown_but_never_on_the_front():
    info = info_of(table(y=[53.0, 99.0, 57.0, 57.5], hollow=[False, True, False, False]))
    assert info.points["on_front"].tolist() == [True, False, True, True]


def test_points_without_finite_values_are_dropped():
    info = info_of(table(y=[53.0, math.nan, math.inf, 57.5]))
    assert info.points["label"].tolist() == ["none", "queue"]


def test_one_front_per_study():
    both = pd.concat([table(study="a"), table(study="b", y=[50.0, 51.0, 40.0, 39.0])], ignore_index=True)
    info = info_of(both)
    assert info.points["on_front"].tolist() == [True, False, True, True, True, True, False, False]


def test_more_of_a_cost_may_be_better():
    info = pareto_info(table(support_bytes=[4e5, 3e5, 2e5, 1e5]), "support_bytes", sense="max")
    assert info.points["on_front"].tolist() == [True, False, True, True]
    assert info.steps["y"].tolist() == [53.0, 57.0, 57.5, 57.5]
    assert info.steps["x_drawn"].tolist() == [4e5, 2e5, 1e5, info.x_range[0]]


def test_the_front_of_all_objectives_may_hold_points_below_the_staircase():
    info = pareto_info(table(on_front=[True, True, True, True]), "support_bytes")
    assert info.points["on_front"].all()
    assert info.steps["y"].tolist() == [53.0, 57.0, 57.5, 57.5]

"""Bars of the offline evaluation against hand-computed values."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.figure_data.common import NotEnough
from analysis.figure_data.offline_info import offline_bars
from tests.helpers.figure_inputs import trial_row


def test_bars_average_seeds_and_come_by_method_then_bytes() -> None:
    confirm = {"stage": "confirm"}
    trials = pd.DataFrame(
        [
            trial_row("1", **confirm, point="big", support_bytes=9e6, test_acc1=50.0, test_acc5=80.0),
            trial_row("2", **confirm, seed=1, point="big", support_bytes=9e6, test_acc1=52.0, test_acc5=84.0),
            trial_row("3", **confirm, point="none", method="none", support_bytes=0, test_acc1=40.0, test_acc5=70.0),
            trial_row("4", **confirm, point="small", support_bytes=1e3, test_acc1=45.0, test_acc5=75.0),
        ]
    )
    bars = offline_bars(trials, ["support_bytes"])
    assert [bar.point for bar in bars] == ["small", "big", "none"]
    assert bars[1].acc5.mean == pytest.approx(82)
    assert 82 - bars[1].acc5.low == pytest.approx(stats.t.ppf(0.975, 1) * 2)
    assert bars[1].acc5.high == 100  # the t interval reaches 107
    assert math.isnan(bars[0].acc1.low)
    with pytest.raises(NotEnough, match="test split"):
        offline_bars(trials.assign(test_acc1=np.nan, test_acc5=np.nan), ["support_bytes"])

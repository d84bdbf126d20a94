"""Accuracy over the search space: ranges and shared axes."""

from __future__ import annotations

import pandas as pd

from analysis.figure_data import space_info
from analysis.figures import space
from analysis.figures.figure import Figure
from tests.helpers.figure_inputs import trial_row


def test_intervals_of_two_do_not_flatten_accuracy_over_k(tmp_path) -> None:
    rows = [
        trial_row(f"k{i}", p_k=k, accuracy=a) for i, (k, a) in enumerate([(7, 81.0), (7, 86.0), (50, 82), (90, 83)])
    ]
    found = space_info.accuracy_by_k(pd.DataFrame(rows))
    assert found.means[0].low < 60
    low, high = space.shown_range(found)
    assert 80 < low < 81
    assert 86 < high < 87


def test_maps_share_their_temperature_axis(drawn: dict[str, Figure]) -> None:
    layout = drawn["temperature_map"].figure.layout
    assert layout.yaxis.range == layout.yaxis2.range
    temperatures = drawn["temperature_map"].data["temperature"]
    assert 10 ** layout.yaxis.range[0] < temperatures.min() < temperatures.max() < 10 ** layout.yaxis.range[1]

"""Pictures of tuning curves: a colour per method, over trials and epochs, and what is said after equal effort."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from analysis.figure_data.tuning_info import Curve
from analysis.figures.figure import Figure, Skipped
from analysis.figures.style import STYLES, look
from analysis.figures.tuning import apart, frame, tuning_curves
from analysis.results.load import load
from tests.helpers.synthetic_results import write_results


def curve(method: str, *ends: tuple[float, float, float]) -> Curve:
    """A curve of these medians and ends of bands."""
    table = pd.DataFrame(ends, columns=["median", "low", "high"])
    table.insert(0, "trials", range(1, len(ends) + 1))
    return Curve(method, table["median"].to_numpy(), table.assign(epochs=2.0 * table["trials"]))


def test_bands_are_apart_only_where_one_is_above_the_other():
    best = curve("kmclr", (50, 40, 60), (60, 55, 90), (70, 65, 100))
    assert apart(best, curve("none", (30, 10, 39), (31, 10, 60), (32, 10, 64))) == [1, 3]
    assert apart(best, curve("nnclr", (30, 10, 100))) == []


def test_a_frame_holds_every_median_and_no_more_of_the_bands_than_half_as_much_again():
    low, high = frame([curve("kmclr", (50, 0, 100), (60, 20, 100))])
    assert (low, high) == (45, 65)


def test_it_is_drawn_of_random_trials_over_trials_and_epochs(tmp_path):
    results = load(write_results(tmp_path / "a", trials=28, epochs=9, confirm_seeds=()))
    random = dataclasses.replace(results, study={**results.study, "search": {"sampler": "random"}})
    found = tuning_curves([random], STYLES["paper"])
    assert isinstance(found, Figure)
    assert [axis.title.text for axis in found.figure.select_xaxes()] == [
        "Random trials of the method", "Epochs that they train",
    ]  # fmt: skip
    for trace in found.figure.data:
        if trace.name:
            assert trace.line.color == look(trace.name).colour
    assert sum(trace.showlegend is True for trace in found.figure.data) == 3
    assert "Lourie, Cho and He 2023" in found.caption
    assert "random trials each" in found.caption
    assert np.isfinite(found.data[["median", "low", "high", "epochs"]].to_numpy()).all()
    assert isinstance(tuning_curves([results], STYLES["web"]), Skipped)

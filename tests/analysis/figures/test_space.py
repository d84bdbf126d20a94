"""Accuracy over the search space: ranges and shared axes."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd

from analysis.figure_data import space_info
from analysis.figure_data.saturation import LawSet, Saturation
from analysis.figures import space
from analysis.figures.figure import Figure
from analysis.figures.style import get_style
from analysis.results.load import load
from tests.helpers.figure_inputs import trial_row
from tests.helpers.synthetic_results import write_results


def test_intervals_of_two_do_not_flatten_accuracy_over_k(tmp_path) -> None:
    rows = [
        trial_row(f"k{i}", p_k=k, seed=i, accuracy=a)
        for i, (k, a) in enumerate([(7, 81.0), (7, 86.0), (50, 82), (90, 83)])
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


SIZES = np.array([50.0, 200.0, 400.0, 600.0])


def law(name: str, best: float = math.nan, low: float = math.nan, high: float = math.nan) -> LawSet:
    return LawSet(name, best, low, high, np.array([]), np.array([]))


def words(power: LawSet, exponential: LawSet) -> str:
    return space.saturation_words(Saturation("", (power, exponential), 50.0, 600.0, 3))


def test_a_point_is_named_only_where_every_law_that_fits_puts_it_within_the_sizes() -> None:
    inside = words(law("power"), law("exponential", 300, 261, 343))
    assert inside.startswith("Saturates at k = 261 to 343 (3 seeds at each k; an exponential allows 300 [261, 343]; ")
    assert "a power law does not fit" in inside
    both = words(law("power", 320, 290, 400), law("exponential", 300, 261, 343))
    assert both.startswith("Saturates at k = 261 to 400 (")
    beyond = words(law("power", 1600, 420, 9e4), law("exponential", 300, 261, 343))
    assert beyond == (
        "No saturation point can be named from the sizes tried and the laws cannot be told apart: it is not below 261 "
        "(3 seeds at each k; a power law allows none below 420 and an exponential allows 300 [261, 343]; 95 % sets)."
    )
    assert "1,600" not in beyond  # nothing beyond the largest size is a number


def test_what_cannot_be_told_is_refused_with_a_reason() -> None:
    anything = words(law("power", 70, 1, 9e4), law("exponential", 70, 2, 9e4))
    assert "it may be anywhere (3 seeds at each k; a power law allows any and an exponential allows any" in anything
    flat = words(law("power", 20, 1, 90), law("exponential", 20, 2, 80))
    assert "it is not above 90" in flat
    assert "neither a power law nor an exponential" in words(law("power"), law("exponential"))
    assert space.saturation_words(Saturation("3 sizes")) == "No saturation point can be told: 3 sizes."


def test_both_laws_are_drawn_where_they_cannot_be_told_apart(tmp_path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        trial_row(
            f"{k:g}-{s}", stage="confirm", seed=s, p_k=k, accuracy=60 - 0.5 * (k / 1600) ** -0.6 + rng.normal(0, 0.3)
        )
        for k in SIZES
        for s in (1, 2, 3)
    ]
    results = dataclasses.replace(load(write_results(tmp_path / "s", trials=4, epochs=2)), trials=pd.DataFrame(rows))
    figure = space.accuracy_vs_k([results], get_style("web"))
    lines = {trace.name: trace.line.dash for trace in figure.figure.data if trace.mode == "lines"}
    assert lines == {"a − b k<sup>−c</sup>": "solid", "a − b e<sup>−ck</sup>": "dash"}
    assert any(note.text.startswith("saturation not below k = ") for note in figure.figure.layout.annotations)
    assert "cannot be told apart" in figure.caption
    assert {"fit, power", "fit, exponential"} <= set(figure.data["what"])

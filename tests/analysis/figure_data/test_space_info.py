"""Numbers behind the figures of the search space (accuracy over k, map): intervals, interpolation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.figure_data import space_info as space
from analysis.figure_data.common import NotEnough
from tests.helpers.figure_inputs import trial_row


def test_accuracy_by_k_takes_the_stage_with_enough_sizes_and_refers_to_the_others() -> None:
    rows = [
        trial_row(f"k{k}", p_k=k, p_temperature=0.1 * i, accuracy=40.0 + i) for i, k in enumerate((10, 20, 40, 80), 1)
    ]
    rows += [trial_row("q", method="nnclr", accuracy=60.0), trial_row("n", method="none", accuracy=30.0)]
    rows += [trial_row("c", stage="confirm", p_k=40, accuracy=99.0)]
    found = space.accuracy_by_k(pd.DataFrame(rows))
    assert found.stage == "search"
    np.testing.assert_array_equal(found.sizes, [10, 20, 40, 80])
    assert {m: i.mean for m, i in found.references.items()} == {"nnclr": 60.0, "none": 30.0}
    assert found.vary == ("temperature",)
    assert "4 sizes with 1 seed in common" in found.saturation.reason  # a search has one seed
    with pytest.raises(NotEnough, match="fewer than two values of k"):
        space.accuracy_by_k(pd.DataFrame(rows[:1]))


def test_accuracy_by_k_has_the_seed_for_its_unit() -> None:
    rows = [
        trial_row(
            f"{k}-{seed}-{t}",
            stage="confirm",
            seed=seed,
            p_k=k,
            p_temperature=t,
            accuracy=50 + seed + t + k * seed % 7 / 100,
        )
        for k in (50, 200, 400, 600)
        for seed in (1, 2, 3)
        for t in (0.1, 0.2)
    ]
    rows += [
        trial_row(f"q{s}{t}", stage="confirm", method="nnclr", seed=s, accuracy=60.0 + s + t)
        for s in (1, 2)
        for t in (0, 1)
    ]
    found = space.accuracy_by_k(pd.DataFrame([row for row in rows if row["trial_id"] != "600-3-0.2"]))
    assert [mean.n for mean in found.means] == [3, 3, 3, 3]  # not 6 trials
    assert found.means[0].mean == pytest.approx(52.17)
    assert (found.references["nnclr"].mean, found.references["nnclr"].n) == (62.0, 2)
    assert found.saturation.seeds == 3
    missing = space.accuracy_by_k(pd.DataFrame([row for row in rows if not row["trial_id"].startswith("600-3")]))
    assert missing.saturation.seeds == 2  # a seed counts where it has every size


def test_map_interpolates_linearly_in_logarithms_and_only_within_the_hull() -> None:
    corners = [(10, 0.1, 40.0), (1000, 0.1, 50.0), (10, 0.4, 42.0), (1000, 0.4, 52.0)]
    rows = [trial_row(str(i), p_k=k, p_temperature=t, accuracy=a) for i, (k, t, a) in enumerate(corners)]
    rows.append(trial_row("stopped", status="stopped", p_k=5000, p_temperature=0.9, accuracy=1.0))
    found = space.space_map(pd.DataFrame(rows))
    assert len(found.points) == 5
    assert found.grid_size[[0, -1]] == pytest.approx([10, 1000])
    row, column = 30, 20
    expected = 40 + 10 * column / 59 + 2 * row / 59
    assert found.grid_accuracy[row, column] == pytest.approx(expected)
    on_a_line = [trial_row(str(i), p_k=10**i, p_temperature=0.1 * 2**i, accuracy=40.0) for i in (1, 2, 3)]
    assert space.space_map(pd.DataFrame(on_a_line)).grid_accuracy is None
    with pytest.raises(NotEnough, match="no trial of nnclr"):
        space.space_map(pd.DataFrame(rows), "nnclr")

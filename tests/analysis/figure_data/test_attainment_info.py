"""Attainment surfaces: by hand, against moocore, and which seeds, points and studies they are of."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from analysis.figure_data.attainment_info import levels, over_seeds, over_studies, shared, surface
from analysis.figure_data.common import NotEnough
from analysis.results.load import load
from study import schema
from tests.helpers.synthetic_results import write_lines, write_results

RUNS = [
    np.array([[1.0, 5], [2, 6]]),
    np.array([[1.0, 4], [2, 7]]),
    np.array([[1.0, 6], [3, 8]]),
    np.array([[1.0, 3], [2, 9]]),
]


@pytest.mark.parametrize(
    ("level", "corners"),
    [(1, [[1, 6], [2, 9]]), (2, [[1, 5], [2, 7], [3, 8]]), (3, [[1, 4], [2, 6], [3, 7]]), (4, [[1, 3], [2, 6]])],
)
def test_a_surface_is_what_so_many_runs_attain(level, corners):
    assert surface(RUNS, level).tolist() == corners


def test_one_run_is_its_own_staircase_and_a_cost_to_maximise_is_turned():
    run = np.array([[1.0, 50], [2, 40], [3, 60], [3, 55]])
    assert surface([run], 1).tolist() == [[1, 50], [3, 60]]
    assert surface([run], 1, "max").tolist() == [[3, 60]]
    assert surface([np.array([[3.0, 50], [1, 60]])], 1, "max").tolist() == [[3, 50], [1, 60]]


def test_a_run_that_begins_later_attains_nothing_before():
    assert surface([np.array([[1.0, 50]]), np.array([[5.0, 40]])], 2).tolist() == [[5, 40]]
    assert surface([np.array([[1.0, 50]]), np.empty((0, 2))], 2).tolist() == []


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_as_moocore_has_them(count):
    moocore = pytest.importorskip("moocore")
    generator = np.random.default_rng(count)
    runs = [np.column_stack([generator.integers(0, 9, 6), generator.normal(50, 5, 6)]) for _ in range(count)]
    sets = np.repeat(np.arange(count), 6)
    mirrored = np.concatenate(runs) * [1, -1]
    for level, share in zip(levels(runs, "min"), (100 / count, 50, 100), strict=True):
        theirs = moocore.eaf(mirrored, sets=sets, percentiles=[share])[:, :2] * [1, -1]
        np.testing.assert_allclose(level.corners, theirs[np.argsort(theirs[:, 0])], err_msg=level.name)


def test_seeds_of_a_study_are_runs_of_its_points(results):
    info = over_seeds(results, "support_bytes")
    assert info.runs == ["seed 1", "seed 2", "seed 3"]
    assert [(level.name, level.of) for level in info.levels] == [("best", 1), ("median", 2), ("worst", 3)]
    confirmed = results.stage("confirm")
    assert len(info.table) == len(confirmed)
    assert info.levels[0].corners[-1, 1] == confirmed["test_acc1"].max()
    assert info.levels[2].corners[-1, 1] == confirmed.groupby("seed")["test_acc1"].max().min()
    assert info.left_out == []


def test_what_not_all_share_is_left_out(tmp_path):
    folder = write_results(tmp_path / "a", trials=8, epochs=3, confirm_seeds=(1, 2, 3))
    rows = [json.loads(row) for row in (folder / schema.TRIALS_FILE).read_text().splitlines()]
    confirm = [row for row in rows if row["stage"] == "confirm"]
    last = confirm[-1]["point"]
    gone = [row["trial_id"] for row in confirm if row["seed"] == 3 and row["point"] != last]
    gone += [row["trial_id"] for row in confirm if row["seed"] == 2 and row["point"] == last]
    for name in (schema.TRIALS_FILE, schema.REPORTS_FILE):
        lines = [json.loads(row) for row in (folder / name).read_text().splitlines()]
        write_lines(folder / name, [line for line in lines if line["trial_id"] not in gone])
    info = over_seeds(load(folder), "support_bytes")
    assert info.runs == ["seed 1", "seed 2"]
    assert info.left_out == [confirm[-1]["label"], "seed 3"]


@pytest.mark.parametrize(
    ("values", "seeds"),
    [
        ([{1, 2, 3}, {1, 2, 3}], {1, 2, 3}),
        ([{1, 2, 3}, {1, 2}], {1, 2}),
        ([{1, 2, 3, 4, 5}, {1}], {1, 2, 3, 4, 5}),
        ([{1}, {2}], set()),
        ([{1}], set()),
        ([], set()),
    ],
)
def test_seeds_that_points_share(values, seeds):
    assert shared(values) == seeds


def test_studies_are_runs_where_they_can_be_compared(results, rehearsal, search_only):
    other = dataclasses.replace(results, name="b")
    info = over_studies([results, other], "support_bytes")
    assert info.runs == [results.name, "b"]
    assert info.levels[0].corners.tolist() == info.levels[2].corners.tolist()
    with pytest.raises(NotEnough, match="drawn for several studies"):
        over_studies([results], "support_bytes")
    with pytest.raises(NotEnough, match="no point of search is confirmed"):
        over_studies([results, search_only], "support_bytes")
    with pytest.raises(NotEnough, match="differ in data or score"):
        over_studies([results, rehearsal], "support_bytes")


def test_a_search_alone_has_no_seeds(search_only):
    with pytest.raises(NotEnough, match="no point is confirmed"):
        over_seeds(search_only, "support_bytes")

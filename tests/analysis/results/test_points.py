"""Points of the confirm stage and the score they are measured by."""

from __future__ import annotations

import dataclasses
import math

import pytest

from analysis.report import answer, history, page
from analysis.results import points
from analysis.results.intervals import intervals
from analysis.results.load import load
from study import schema
from tests.helpers.synthetic_results import write_lines, write_results


def values_of(results, point: str, column: str) -> list[float]:
    trials = results.trials
    return trials.loc[trials["point"] == point, column].tolist()


def test_confirmed_points_hold_mean_and_interval_of_their_seeds(results):
    table = points.confirmed(results, "test_acc1")
    means = intervals(dict(zip(table["point"], table["values"], strict=True)))
    for row in table.itertuples():
        assert row.y == pytest.approx(sum(values_of(results, row.point, "test_acc1")) / 3)
        assert (row.y, row.low, row.high, row.n) == means[row.point][:4]
        assert sorted(row.values) == [1, 2, 3]


def test_score_is_the_test_counterpart_of_the_studys_score(results, rehearsal, search_only):
    assert points.confirm_score(results).column == "test_acc1"
    assert points.confirm_score(rehearsal).column == "test_few_shot_acc1"
    assert points.confirm_score(search_only) is None
    bare = dataclasses.replace(results, trials=results.trials.assign(test_acc1=math.nan))
    assert points.confirm_score(bare).column == "accuracy"


def test_a_trial_that_waits_at_a_rung_is_paused_and_not_running(tmp_path) -> None:
    folder = write_results(tmp_path / "p", trials=6, epochs=4, confirm_seeds=(), running=3)  # two epochs each
    turns = [("search-0000", 0, 4), ("search-0006", 0, 1), ("search-0006", 1, 2), ("search-0007", 0, 3)]
    line = {"schema": schema.SCHEMA_VERSION, "number": 0}
    write_lines(folder / schema.TURNS_FILE, [{**line, "trial_id": t, "turn": n, "until": e} for t, n, e in turns])
    found = load(folder)
    assert found.paused == {"search-0006"}
    shown = points.running(found)
    assert list(shown["label"]) == ["search-0006 (paused)", "search-0007 (running)", "search-0008 (running)"]
    assert list(shown["status"]) == ["paused", "running", "running"]
    assert page.stages(found).endswith("; 1 trial paused at a rung")
    assert history.history(found).endswith(" So far 1 trial paused at a rung.")
    assert answer.answer(found)[1].startswith(
        "The study is still running (6 trials ended, 1 trial paused at a rung; last"
    )
    write_lines(folder / schema.TURNS_FILE, [{**line, "trial_id": "search-0006", "turn": 0, "until": "3"}])
    with pytest.raises(schema.files.DamagedFile, match=r"turns\.jsonl:1: until must be a whole number"):
        load(folder)

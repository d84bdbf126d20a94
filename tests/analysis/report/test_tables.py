"""Tables and sentences: numbers as computed by hand from the trials, formats that their readers can parse."""

from __future__ import annotations

import dataclasses

import pytest

from analysis.report import tables
from analysis.results import points
from analysis.results.intervals import intervals


def test_front_table_lists_the_front_by_cost(results):
    table = tables.front_table(results)
    front = table.data[table.data["on_front"]]
    assert front["support_bytes"].is_monotonic_increasing
    assert front["y"].is_monotonic_increasing
    assert table.rows["Point"].tolist() == table.data["label"].tolist()
    assert table.rows.loc[table.rows["On front"] == "yes", "Point"].tolist() == front["label"].tolist()
    assert table.rows["Probability"].astype(float).tolist() == pytest.approx(table.data["p_front"].tolist(), abs=0.0051)
    assert set(table.rows["n"]) == {"3"}
    first = table.data.iloc[0]
    assert table.rows.iloc[0, 3] == f"{first['y']:.2f} [{first['low']:.2f}, {first['high']:.2f}]"


def test_front_of_a_search_has_no_intervals(search_only):
    table = tables.front_table(search_only)
    assert "Single runs: no intervals" in table.caption
    assert not {"On front", "Probability"} & set(table.rows)
    assert not table.rows.iloc[:, 3].str.contains(r"\[").any()


def test_published_values_stand_beside_the_same_point_only(results):
    table = tables.offline_table(results)
    beside = table.data[table.data["published_acc1"].notna()].set_index("label")["published_acc1"]
    assert beside.to_dict() == {
        "kmclr t=0.2 k=50 f=3": 54.66, "kmclr t=0.2 k=400 f=3": 56.86, "nnclr t=0.2 queue=98304": 57.60,
    }  # fmt: skip
    assert "Rossini" in table.caption


def test_published_values_are_left_out_where_data_differ(rehearsal):
    table = tables.offline_table(rehearsal)
    assert "Published acc@1" not in table.rows
    assert table.data["published_acc1"].isna().all()
    assert "not comparable" in table.caption


def test_paired_table_is_against_the_largest_baseline_queue(results):
    table = tables.paired_table(results)
    assert table.data["reference"].unique().tolist() == ["nnclr t=0.2 queue=98304"]
    assert "nnclr t=0.2 queue=98304" not in table.data["label"].tolist()
    done = points.confirmed(results, "test_acc1").set_index("label")["values"]
    row = table.data[table.data["label"] == "none t=0.2"].iloc[0]
    reference = done["nnclr t=0.2 queue=98304"]
    others = {label: {s: v - reference[s] for s, v in one.items()} for label, one in done.items()}
    others.pop("nnclr t=0.2 queue=98304")
    alone = intervals(others, confidence=1 - 0.05 / len(others))["none t=0.2"]
    assert (row["difference"], row["low"], row["high"]) == pytest.approx(alone[:3])
    assert f"there being {len(others)} comparisons (Bonferroni)" in table.caption


def test_failed_trials_are_listed(results):
    rows = tables.failed_table(results).rows
    assert set(rows["Status"]) <= {"failed", "diverged"}
    assert len(rows) == results.trials["status"].isin(["failed", "diverged"]).sum() > 0


def test_no_tables_without_finished_trials(results):
    empty = dataclasses.replace(results, trials=results.trials.iloc[:0], reports=results.reports.iloc[:0])
    assert tables.front_table(empty) is None
    assert tables.offline_table(empty) is None
    assert tables.paired_table(empty) is None
    assert tables.failed_table(empty) is None


def test_csv_of_points_holds_seeds_values_and_trial_ids(results):
    row = tables.front_table(results).data.iloc[0]
    assert [part.split(":")[0] for part in row["values"].split("; ")] == ["1", "2", "3"]
    assert row["trials"].split() == results.trials.loc[results.trials["point"] == row["point"], "trial_id"].tolist()

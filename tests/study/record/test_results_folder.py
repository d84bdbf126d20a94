"""A results folder is made, or gone on with, or refused."""

from __future__ import annotations

import pytest

from study import schema
from study.record import manifest, results_folder
from tests.helpers.engine_helpers import make_study
from tests.helpers.record_helpers import DATA


def test_a_folder_whose_making_was_killed_is_new_and_not_to_be_resumed(tmp_path) -> None:
    manifest.save_study(tmp_path, make_study())
    (tmp_path / f".{schema.MANIFEST_FILE}.1.partial").touch()
    assert not results_folder.check_target(tmp_path, resume=False, stage=None)
    with pytest.raises(ValueError, match="nothing to resume here"):
        results_folder.check_target(tmp_path, resume=True, stage=None)
    (tmp_path / schema.TRIALS_FILE).touch()
    with pytest.raises(ValueError, match="exists already"):
        results_folder.check_target(tmp_path, resume=False, stage=None)


def test_the_manifest_names_the_device_that_a_resume_changes_to(tmp_path, record) -> None:
    results_folder.create(tmp_path, make_study(), {**record, "device": "cuda"})
    assert results_folder.reopen(tmp_path, make_study(), "x.yaml", DATA)[0]["device"] == "cuda"
    assert results_folder.reopen(tmp_path, make_study(device="cpu"), "x.yaml", DATA)[0]["device"] == "cpu"


def test_reopen_refuses_other_data(tmp_path, record) -> None:
    results_folder.create(tmp_path, make_study(), record)
    with pytest.raises(ValueError, match=r"data set has changed .*fingerprint abc -> def"):
        results_folder.reopen(tmp_path, make_study(), "x.yaml", {"fingerprint": "def"})
    assert results_folder.reopen(tmp_path, make_study(), "x.yaml", DATA)[0]["data"] == DATA


def test_hours_count_killed_sessions_to_their_last_report(record) -> None:
    start, end, later = (
        "2026-01-01T00:00:00.000+00:00",
        "2026-01-01T01:00:00.000+00:00",
        "2026-01-01T01:30:00.000+00:00",
    )
    record["sessions"] = [{"started": start, "ended": end}, {"started": end, "ended": None}]
    assert results_folder.hours_used(record, []) == pytest.approx(1.0)
    assert results_folder.hours_used(record, [{"time": later}, {"time": end}]) == pytest.approx(1.5)

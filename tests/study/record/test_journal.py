"""The journal and the lock: nothing lost, nothing doubled, nothing corrupt accepted."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import psutil
import pytest

from study import schema
from study.record.journal import Journal, JournalWriteError, metrics_of, plain
from tests.helpers.engine_helpers import lines
from trainables.files import DamagedFile
from trainables.lines import read_json_lines

NOW = "2026-01-01T00:00:00.000+00:00"


def report(trial_id="search-0000", epoch=1, **more) -> dict:
    return {"stage": "search", "trial_id": trial_id, "number": 0, "seed": 0, "epoch": epoch, "time": NOW, **more}


def end(trial_id="search-0000", status="completed", number=0) -> dict:
    return {
        **dict.fromkeys(schema.TRIAL_FIELDS),
        **{"stage": "search", "trial_id": trial_id, "status": status, "number": number, "method": "kmclr"},
        **{"label": "kmclr k=50", "seed": 0, "params": {}, "metrics": {}, "epochs": 0, "max_epochs": 4},
        **{"baseline": False, "started": NOW, "ended": NOW},
    }


@pytest.fixture
def journal(tmp_path):
    opened = Journal(tmp_path)
    yield opened
    opened.close()


def test_a_report_is_on_disk_before_the_call_returns(journal, tmp_path) -> None:
    assert journal.append_report(report(accuracy=50.0))
    (line,) = [json.loads(t) for t in (tmp_path / schema.REPORTS_FILE).read_text().splitlines()]
    assert (line.pop("line"), len(line.pop("check"))) == (1, 8)
    assert line == {"schema": 1, **report(accuracy=50.0)}


def test_the_same_epoch_is_written_once_also_by_a_later_session(journal, tmp_path) -> None:
    assert journal.append_report(report(epoch=1))
    assert not journal.append_report(report(epoch=1, accuracy=99.0))
    journal.close()
    again = Journal(tmp_path)
    assert not again.append_report(report(epoch=1))
    assert again.append_report(report(epoch=2))
    assert again.append_report(report("search-0001", epoch=1))
    again.close()
    assert len(lines(tmp_path / schema.REPORTS_FILE)) == 3
    assert again.last_epoch == {"search-0000": 2, "search-0001": 1}


def test_an_interrupted_end_is_not_final(journal, tmp_path) -> None:
    assert journal.append_end(end(status=schema.INTERRUPTED))
    assert not journal.ended("search-0000")
    assert journal.append_end(end(status=schema.COMPLETED))
    assert not journal.append_end(end(status=schema.FAILED))
    assert journal.ended("search-0000")
    assert [e["status"] for e in lines(tmp_path / schema.TRIALS_FILE)] == ["interrupted", "completed"]


def test_final_ends_are_by_number(journal) -> None:
    for number in (2, 0, 1):
        journal.append_end(end(f"search-{number}", number=number))
    journal.append_end(end("search-9", status=schema.INTERRUPTED, number=9))
    assert [e["number"] for e in journal.final_ends("search")] == [0, 1, 2]
    assert journal.final_ends("confirm") == []


@pytest.mark.parametrize("torn", [b'{"schema": 1, "trial', b"\xff\xfe", b"x"])
def test_a_torn_last_line_is_dropped_with_a_warning_and_cut_off(journal, tmp_path, torn) -> None:
    journal.append_report(report(epoch=1))
    journal.close()
    path = tmp_path / schema.REPORTS_FILE
    with path.open("ab") as file:
        file.write(torn)
    with pytest.warns(UserWarning, match=f"reports.jsonl: dropped a torn last line of {len(torn)} bytes"):
        again = Journal(tmp_path)
    again.append_report(report(epoch=2))
    again.close()
    assert [line["epoch"] for line in lines(path)] == [1, 2]


def test_a_file_of_another_version_is_refused(journal, tmp_path) -> None:
    journal.close()
    (tmp_path / schema.REPORTS_FILE).write_text('{"schema": 7}\n')
    (tmp_path / schema.LINES_FILE).unlink()
    with pytest.raises(DamagedFile, match=r"reports\.jsonl:1: expected schema version 1, got 7"):
        Journal(tmp_path)


@pytest.mark.parametrize("bad", ["not json", "[1]", '{"schema": 7}', "\xff"])
def test_damaged_lines_are_named_and_taken_out_and_a_copy_is_kept(journal, tmp_path, bad) -> None:
    for number in range(2):
        for epoch in (1, 2, 3):
            journal.append_report(report(f"search-{number:04d}", epoch, number=number))
        journal.append_end({**end(f"search-{number:04d}", number=number), "epochs": 3})
    journal.close()
    path = tmp_path / schema.REPORTS_FILE
    rows = path.read_text().splitlines()
    harmed = "\n".join([*rows[:1], bad, *rows[2:3], *rows[4:]]) + "\n"
    path.write_text(harmed, encoding="latin-1")
    again = Journal(tmp_path)
    named, missing, kept = again.damage
    assert named == f"{path}:2: this line is not as it was written (search-0000, epoch 2)"
    assert missing == f"{path}:4: this line is missing (search-0001, epoch 1)"
    copy = Path(kept.removesuffix(": the damaged file is kept here"))
    assert copy.name.startswith("reports.jsonl.damaged-")
    assert copy.read_text(encoding="latin-1") == harmed
    assert again.lost == {"search-0000": [2], "search-0001": [1]}
    assert [again.whole_until(f"search-{n:04d}") for n in (0, 1)] == [1, 0]
    for trial_id, epoch, number in (("search-0001", 1, 1), ("search-0000", 2, 0)):
        assert again.append_report(report(trial_id, epoch, number=number))
    again.close()
    assert again.lost == {}
    assert [(line["number"], line["epoch"]) for line in lines(path)] == [(n, e) for n in (0, 1) for e in (1, 2, 3)]
    assert read_json_lines(path) == list(enumerate(again.reports, 1))
    (last := Journal(tmp_path)).close()
    assert last.damage == []


def test_lost_ends_go_back_to_their_place(journal, tmp_path) -> None:
    for number in range(4):
        journal.append_end(end(f"search-{number:04d}", number=number))
    journal.close()
    path = tmp_path / schema.TRIALS_FILE
    rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join(rows[2:]))
    again = Journal(tmp_path)
    assert again.damage[0] == f"{path}:1: lines 1 to 2 are missing"
    for number in (0, 1):
        assert again.append_end(end(f"search-{number:04d}", number=number))
    again.close()
    assert [line["number"] for line in lines(path)] == [0, 1, 2, 3]
    assert [e["number"] for e in again.ends_in_order("search")] == [0, 1, 2, 3]


def test_reports_that_an_end_speaks_of_are_missed_without_any_numbers(journal, tmp_path) -> None:
    journal.append_report(report(epoch=1))
    journal.append_end({**end(), "epochs": 3})
    journal.close()
    (tmp_path / schema.LINES_FILE).unlink()
    again = Journal(tmp_path)
    again.close()
    assert again.damage == [f"{tmp_path / schema.REPORTS_FILE}: not there: search-0000, epochs 2 to 3"]


def test_a_full_disk_stops_the_study_and_leaves_no_half_line(journal, tmp_path) -> None:
    journal.append_report(report(epoch=1))
    full = open("/dev/full", "ab", buffering=0)  # noqa: SIM115 (closed by the journal)
    journal._files._files[schema.REPORTS_FILE].close()
    journal._files._files[schema.REPORTS_FILE] = full
    with pytest.raises(JournalWriteError, match=r"No space left.*reports\.jsonl") as caught:
        journal.append_report(report(epoch=2))
    assert caught.value.errno == errno.ENOSPC
    assert journal.last_epoch == {"search-0000": 1}
    assert len(lines(tmp_path / schema.REPORTS_FILE)) == 1


def test_missing_files_are_an_empty_journal(journal) -> None:
    assert (journal.draws, journal.reports, journal.ends) == ([], [], {})


def test_plain_values() -> None:
    value = {"a": np.float32(1.5), "b": float("nan"), "c": (np.int64(2), float("inf")), "d": None, "e": True}
    assert plain(value) == {"a": 1.5, "b": None, "c": [2, None], "d": None, "e": True}
    assert plain(object).startswith("<class")
    assert metrics_of({"a": np.float64(1), "x": 2}, ("a", "b")) == {"a": 1.0}


def test_a_study_of_many_trials_keeps_no_picture_files_open(journal, tmp_path) -> None:
    picture = {"epoch": 1, "vectors": [[0.0, 1.0]], "sample": [], "labels": []}
    before = psutil.Process().num_fds()
    for number in range(20):
        journal.append_picture(f"search-{number:04d}", picture)
        journal.append_end(end(f"search-{number:04d}", number=number))
    journal.append_picture("search-0000", {**picture, "epoch": 2})
    assert psutil.Process().num_fds() <= before + 1
    assert len(read_json_lines(tmp_path / schema.PROJECTIONS_DIR / "search-0000.jsonl")) == 2

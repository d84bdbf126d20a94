"""The journal and the lock: nothing lost, nothing doubled, nothing corrupt accepted."""

from __future__ import annotations

import errno
import json

import numpy as np
import pytest

from study import schema
from study.record.journal import Journal, JournalWriteError, metrics_of, plain
from tests.helpers.engine_helpers import lines
from trainables.files import DamagedFile

NOW = "2026-01-01T00:00:00.000+00:00"


def report(trial_id="search-0000", epoch=1, **more) -> dict:
    return {"stage": "search", "trial_id": trial_id, "number": 0, "seed": 0, "epoch": epoch, "time": NOW, **more}


def end(trial_id="search-0000", status="completed", number=0) -> dict:
    fields = dict.fromkeys(schema.TRIAL_FIELDS)
    return {**fields, "stage": "search", "trial_id": trial_id, "status": status, "number": number}


@pytest.fixture
def journal(tmp_path):
    opened = Journal(tmp_path)
    yield opened
    opened.close()


def test_a_report_is_on_disk_before_the_call_returns(journal, tmp_path) -> None:
    assert journal.append_report(report(accuracy=50.0))
    (line,) = [json.loads(t) for t in (tmp_path / schema.REPORTS_FILE).read_text().splitlines()]
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


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ("not json", r"reports\.jsonl:2: not JSON"),
        ("[1]", r"reports\.jsonl:2: expected an object, got list"),
        ('{"schema": 7}', r"reports\.jsonl:2: expected schema version 1, got 7"),
    ],
)
def test_anything_else_is_an_error_with_file_and_line(journal, tmp_path, bad, match) -> None:
    journal.append_report(report(epoch=1))
    journal.close()
    path = tmp_path / schema.REPORTS_FILE
    path.write_text(path.read_text() + bad + "\n" + path.read_text())
    with pytest.raises(DamagedFile, match=match):
        Journal(tmp_path)


def test_a_full_disk_stops_the_study_and_leaves_no_half_line(journal, tmp_path) -> None:
    journal.append_report(report(epoch=1))
    full = open("/dev/full", "ab", buffering=0)  # noqa: SIM115 (closed by the journal)
    journal._files[schema.REPORTS_FILE].close()
    journal._files[schema.REPORTS_FILE] = full
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

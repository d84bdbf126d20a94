"""Files that are whole or not there; lines of JSON that are complete or named in an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainables.files import SCHEMA_VERSION, DamagedFile, atomically, checked, read_json_lines, write_atomically
from trainables.vocabulary.errors import UserError

LINE = json.dumps({"schema": SCHEMA_VERSION, "epoch": 1})


def test_a_file_is_replaced_as_a_whole(tmp_path) -> None:
    path = tmp_path / "a.txt"
    write_atomically(path, "first, é")
    write_atomically(str(path), b"second")
    assert path.read_bytes() == b"second"
    write_atomically(path, "é")
    assert path.read_text(encoding="utf-8") == "é"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path) -> None:
    path = tmp_path / "a.txt"
    write_atomically(path, "before")
    for place, fault in ((path, RuntimeError("in the middle")), (tmp_path / "new", KeyboardInterrupt())):
        with pytest.raises(type(fault)):
            _write_half(place, fault)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def _write_half(path: Path, fault: BaseException) -> None:
    with atomically(path) as file:
        file.write(b"half")
        raise fault


def test_a_file_is_not_there_before_it_is_whole(tmp_path) -> None:
    path = tmp_path / "a.txt"
    with atomically(path) as file:
        file.write(b"x")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"x"


def test_a_missing_folder_is_an_error(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "nowhere" / "a.txt", "x")


def test_lines_carry_their_numbers(tmp_path) -> None:
    path = tmp_path / "a.jsonl"
    assert read_json_lines(path) == []
    path.write_text(f"{LINE}\n\n{LINE}\n")
    assert [number for number, _ in read_json_lines(path)] == [1, 3]
    assert read_json_lines(path)[0][1] == {"schema": SCHEMA_VERSION, "epoch": 1}


@pytest.mark.parametrize("torn", [LINE[:9], LINE])
@pytest.mark.parametrize("repair", [False, True])
def test_a_torn_last_line_is_dropped_and_cut_off_by_a_repair(tmp_path, torn, repair) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{LINE}\n{torn}")
    with pytest.warns(UserWarning, match=rf"a.jsonl: dropped a torn last line of {len(torn)} bytes"):
        assert len(read_json_lines(path, repair=repair)) == 1
    assert path.read_text() == f"{LINE}\n" + ("" if repair else torn)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"{", r"a.jsonl:2: not JSON \(.*\); restore the file from a backup"),
        (b'{"a": "\xff"}', r"a.jsonl:2: not UTF-8 text \(invalid start byte\)"),
        (b"[1]", r"a.jsonl:2: expected an object, got list"),
        (b"{}", rf"a.jsonl:2: expected schema version {SCHEMA_VERSION}, got None; use the version"),
        (b'{"schema": 99}', r"got 99"),
    ],
)
def test_anything_else_is_an_error_that_names_file_and_line(tmp_path, bad, message) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINE.encode() + b"\n" + bad + b"\n" + LINE.encode() + b"\n")
    with pytest.raises(DamagedFile, match=message):
        read_json_lines(path)


def test_an_object_is_checked_by_itself() -> None:
    assert checked({"schema": SCHEMA_VERSION}, "here") == {"schema": SCHEMA_VERSION}
    with pytest.raises(UserError, match="here: expected an object, got NoneType"):
        checked(None, "here")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"schema": ' + "9" * 5000 + "}"])
def test_a_line_that_no_program_of_ours_wrote_is_damage(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.jsonl").write_text(f"{text}\n")
    with pytest.raises(DamagedFile, match=r"a\.jsonl:1: nested too deeply, or a number with too many digits"):
        read_json_lines(tmp_path / "a.jsonl")

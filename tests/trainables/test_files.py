"""Files that are whole or not there, and objects of another version."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainables.files import SCHEMA_VERSION, atomically, checked, write_atomically
from trainables.vocabulary.errors import UserError


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


def test_an_object_is_checked_by_itself() -> None:
    assert checked({"schema": SCHEMA_VERSION}, "here") == {"schema": SCHEMA_VERSION}
    with pytest.raises(UserError, match="here: expected an object, got NoneType"):
        checked(None, "here")

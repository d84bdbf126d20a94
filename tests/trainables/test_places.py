"""A home and a folder for temporary files, whatever this machine has instead."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from trainables import places
from trainables.vocabulary.errors import UserError

MINE = f"kmclr-{os.getuid()}"


@pytest.fixture
def tmp(tmp_path, monkeypatch) -> Path:
    """The system's only folder for temporary files; $HOME and $TMPDIR are as they are."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(places, "SYSTEM_FOLDERS", (str(folder),))
    monkeypatch.setattr(tempfile, "tempdir", None)
    for name in ("TMPDIR", *places.HOME_VARIABLES):
        monkeypatch.setenv(name, "x")  # to be as it was afterwards
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return folder


def settled() -> list[str]:
    said: list[str] = []
    places.settle(said.append)
    return said


def test_nothing_is_moved_or_said_where_all_is_well(tmp) -> None:
    before = dict(os.environ)
    assert settled() == []
    assert dict(os.environ) == before
    assert list(tmp.iterdir()) == []


@pytest.mark.parametrize("home", ["/nonexistent", "/proc", None, "relative"])
def test_without_a_home_caches_and_tokens_go_to_a_private_folder(tmp, monkeypatch, home) -> None:
    """/proc stands for a home that is there and cannot be written to, by root either."""
    if home is None:
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(places.Path, "home", lambda: places.Path("/nonexistent"))
    else:
        monkeypatch.setenv("HOME", home)
    (line,) = settled()
    private = tmp / MINE
    why = {"/proc": "cannot be written to", None: "is not set"}.get(home, "is not there")
    named = f"HOME={home}" if home else "HOME"
    assert line == f"{named} {why}; caches, configuration and Ray's token are in {private}"
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert os.environ["XDG_CACHE_HOME"] == str(private / "cache")
    assert os.environ["HOME"] == ("/proc" if home == "/proc" else str(private))


def test_what_the_user_has_set_stays(tmp, monkeypatch) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    settled()
    assert os.environ["XDG_CACHE_HOME"] == "/elsewhere"
    assert os.environ["XDG_CONFIG_HOME"] == str(tmp / MINE / "config")


@pytest.mark.parametrize("given", ["/nonexistent", "/proc", "long"])
def test_a_folder_for_temporary_files_that_cannot_be_used_is_replaced(tmp, tmp_path, monkeypatch, given) -> None:
    long = tmp_path / ("d" * places.SOCKET_BYTES)
    long.mkdir()
    why = "is too long for the sockets in it" if given == "long" else "cannot be written to"
    given = str(long) if given == "long" else given
    monkeypatch.setenv("TMPDIR", given)
    (line,) = settled()
    assert line.startswith(f"TMPDIR={given[:150]}")
    assert line.endswith(f" {why}; temporary files go to {tmp / MINE}")
    assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(tmp / MINE)
    assert places.private_folder() == tmp / MINE  # not one in the other


def test_a_relative_folder_for_temporary_files_is_made_absolute(tmp, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", "tmp")
    monkeypatch.setattr(places, "SOCKET_BYTES", 1000)
    assert settled() == []
    assert os.environ["TMPDIR"] == str(tmp)


def test_the_private_folder_is_closed_to_others(tmp) -> None:
    (tmp / MINE).mkdir(mode=0o755)
    assert places.private_folder() == tmp / MINE
    assert stat.S_IMODE((tmp / MINE).stat().st_mode) == 0o700


def test_a_folder_that_somebody_else_put_there_is_not_taken(tmp, tmp_path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp / MINE).symlink_to(tmp_path / "theirs")
    found = places.private_folder()
    assert found.parent == tmp
    assert found != tmp / MINE
    assert stat.S_IMODE(found.stat().st_mode) == 0o700


def test_a_folder_that_is_too_deep_is_passed_over(tmp, monkeypatch) -> None:
    deep = tmp / "deep"
    deep.mkdir()
    monkeypatch.setenv("TMPDIR", str(deep))
    assert places.private_folder() == deep / MINE
    assert places.private_folder(longest=len(str(tmp / MINE))) == tmp / MINE


def test_no_folder_at_all_is_one_line(tmp, monkeypatch) -> None:
    monkeypatch.setattr(places, "SYSTEM_FOLDERS", ("/proc", "/nonexistent"))
    monkeypatch.setenv("TMPDIR", "/sys")
    with pytest.raises(UserError, match=r"^no folder .* \(tried /sys, /proc, /nonexistent\); set TMPDIR to one$"):
        places.private_folder()


def test_a_user_whom_the_system_does_not_know_has_a_name(tmp, monkeypatch) -> None:
    def unknown() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(places.getpass, "getuser", unknown)
    monkeypatch.setenv("USER", "")
    settled()
    assert os.environ["USER"] == str(os.getuid())

"""Ray's token is there before Ray is, and its user's alone."""

from __future__ import annotations

import os
import stat

import pytest

from study.schema import UserError
from study.tune import auth_token
from trainables import places


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in auth_token.NAMED_BY:
        monkeypatch.setenv(name, "x")  # to be as it was afterwards
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(places, "private_folder", lambda: tmp_path / "private")
    return tmp_path


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_token_is_made_once_and_closed_to_others(home) -> None:
    before = os.umask(0)
    try:
        auth_token.provide()
    finally:
        os.umask(before)
    path = home / ".ray" / "auth_token"
    token = path.read_text()
    assert len(token) == 64
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert [one.name for one in path.parent.iterdir()] == ["auth_token"]
    auth_token.provide()
    assert path.read_text() == token
    assert "RAY_AUTH_TOKEN_PATH" not in os.environ


def test_one_that_ray_left_open_is_closed(home) -> None:
    path = home / ".ray" / "auth_token"
    path.parent.mkdir()
    path.write_text("abc")
    path.chmod(0o644)
    auth_token.provide()
    assert (path.read_text(), mode(path)) == ("abc", 0o600)


@pytest.mark.parametrize("obstacle", ["/nonexistent", "/proc", "a file"])
def test_without_a_home_it_is_in_the_private_folder(home, monkeypatch, obstacle) -> None:
    if obstacle == "a file":
        (home / ".ray").write_text("")
    else:
        monkeypatch.setenv("HOME", obstacle)
    auth_token.provide()
    path = home / "private" / "auth_token"
    assert os.environ["RAY_AUTH_TOKEN_PATH"] == str(path)
    assert (len(path.read_text()), mode(path)) == (64, 0o600)


def test_a_token_of_the_user_s_own_is_left_alone(home, monkeypatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "mine")
    auth_token.provide()
    assert not (home / ".ray").exists()


def test_no_place_for_it_is_one_line(home, monkeypatch) -> None:
    (home / ".ray").write_text("")
    (home / "private").write_text("")
    with pytest.raises(UserError, match=r"private/auth_token: Ray's token cannot be written there; set RAY_AUTH_TOKEN"):
        auth_token.provide()

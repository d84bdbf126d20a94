"""What is said in one line, and what keeps its traceback."""

from __future__ import annotations

import io
import sys

import pytest

from trainables import exit_codes
from trainables.vocabulary.errors import UserError


def raising(error: Exception):
    def work() -> int:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UserError("set  a.b to 3"), "set a.b to 3"),
        (UserError("a.b: no\n\na.c: neither"), "a.b: no\na.c: neither"),
        (OSError(28, "No space left on device", "a.json"), "a.json: No space left on device"),
        (IsADirectoryError(21, "Is a directory", "a.partial", None, "a"), "a: Is a directory"),
        (IsADirectoryError(21, "Is a directory", b"a\xff"), "a\\udcff: Is a directory"),
        (OSError(36, "File name too long"), "[Errno 36] File name too long"),
        (PermissionError(13, "Permission denied"), "[Errno 13] Permission denied"),
        (ConnectionRefusedError("nobody answers"), "nobody answers"),
    ],
)
def test_what_the_user_can_put_right_is_a_line_a_problem(error: Exception, said: str, capsys):
    assert exit_codes.exit_code(raising(error), "run_study.py") == exit_codes.USER_ERROR
    assert capsys.readouterr().err == f"run_study.py: {said}\n"


@pytest.mark.parametrize(
    "error",
    [ValueError("a bug"), KeyError("a bug"), OSError("a bug"), OSError(9, "a bug"), AssertionError("a bug")],
)
def test_a_fault_of_the_program_passes_through(error: Exception):
    with pytest.raises(type(error), match="a bug"):
        exit_codes.exit_code(raising(error))


def test_the_code_of_the_work_is_handed_on():
    assert exit_codes.exit_code(lambda: exit_codes.ENDED_EARLY) == 3


def test_what_a_terminal_cannot_show_does_not_end_the_program(monkeypatch: pytest.MonkeyPatch):
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, "ascii", "strict"))
    exit_codes.show_any_text()
    print("Käse \udcff →", flush=True)
    assert shown.getvalue() == b"K?se ? ?\n"

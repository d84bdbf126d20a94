"""What is said in one line, and what keeps its traceback."""

from __future__ import annotations

import pytest

from trainables import exit_codes
from trainables.vocabulary import UserError


def raising(error: Exception):
    def work() -> int:
        raise error

    return work


@pytest.mark.parametrize("error", [UserError("set a.b\nto 3"), OSError(28, "No space left on device", "a.json")])
def test_what_the_user_can_put_right_is_one_line(error: Exception, capsys: pytest.CaptureFixture[str]):
    assert exit_codes.exit_code(raising(error), "run_study.py") == exit_codes.USER_ERROR
    said = capsys.readouterr().err
    assert said == f"run_study.py: {' '.join(str(error).split())}\n"


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyError("a bug"), OSError("a bug"), AssertionError("a bug")])
def test_a_fault_of_the_program_passes_through(error: Exception):
    with pytest.raises(type(error), match="a bug"):
        exit_codes.exit_code(raising(error))


def test_the_code_of_the_work_is_handed_on():
    assert exit_codes.exit_code(lambda: exit_codes.ENDED_EARLY) == 3

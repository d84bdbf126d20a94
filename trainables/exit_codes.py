"""How an entry point ends: its exit code, and one line for what the user can put right.

Standard library only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from trainables.vocabulary import UserError

DONE = 0
FAILED = 1
"""A study of which a part failed; a bug too, by Python's own doing."""
USER_ERROR = 2
"""One line on standard error says what to put right."""
ENDED_EARLY = 3
"""A run that diverged or ran out of time."""
INTERRUPTED = 130


def for_the_user(error: BaseException) -> bool:
    """Whether the user can put it right: a UserError, or the system's word on a path, a disk or a host.

    An OSError without an error number is raised by programs, not by the system.
    """
    return isinstance(error, UserError) or (isinstance(error, OSError) and error.errno is not None)


def exit_code(work: Callable[[], int], prefix: str = "error") -> int:
    """The exit code of `work`; USER_ERROR, after one line on standard error, for what the user can put right.

    Any other exception is a fault of this program and passes through with its traceback.
    """
    try:
        return work()
    except (UserError, OSError) as error:
        if not for_the_user(error):
            raise
        print(f"{prefix}: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_ERROR

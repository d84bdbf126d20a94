"""How an entry point ends: its exit code, and one line for what the user can put right.

Standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

from trainables.vocabulary.errors import UserError

DONE = 0
FAILED = 1
"""A study that could not go on, or a confirm trial of which failed; a bug too, by Python's own doing."""
USER_ERROR = 2
"""One line on standard error says what to put right."""
ENDED_EARLY = 3
"""A run that diverged or ran out of time."""
INTERRUPTED = 130
TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a cluster sends it before it takes a machine back."""


@contextlib.contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Within this context SIGTERM raises Terminated, as Ctrl-C raises KeyboardInterrupt. In the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


PATHS_AND_HOSTS = (
    PermissionError,
    FileNotFoundError,
    FileExistsError,
    NotADirectoryError,
    IsADirectoryError,
    ConnectionError,
)
DISKS_AND_NAMES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENAMETOOLONG, errno.ELOOP)


def for_the_user(error: BaseException) -> bool:
    """Whether the user can put it right: a UserError, or the system's word on a path, a disk or a host."""
    if isinstance(error, OSError):
        return isinstance(error, PATHS_AND_HOSTS) or error.errno in DISKS_AND_NAMES
    return isinstance(error, UserError)


def show_any_text() -> None:
    """Printing what the terminal's encoding cannot show gives `?` instead of an error. Called first by each program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def exit_code(work: Callable[[], int], prefix: str = "error") -> int:
    """The exit code of `work`; USER_ERROR, after a line a problem on standard error, for what the user can put right.

    Any other exception is a fault of this program and passes through with its traceback.
    """
    try:
        return work()
    except (UserError, OSError) as error:
        if not for_the_user(error):
            raise
        problems = "\n".join(" ".join(line.split()) for line in _said(error).splitlines() if line.strip())
        print(f"{prefix}: {problems}".encode("utf-8", "backslashreplace").decode(), file=sys.stderr)
        return USER_ERROR


def _said(error: UserError | OSError) -> str:
    """The message; of the system's word on a file, the file first: `/a/b: Is a directory`."""
    name = isinstance(error, OSError) and error.strerror and (error.filename2 or error.filename)
    if isinstance(name, str | bytes):
        return f"{os.fsdecode(name)}: {error.strerror}"
    return str(error)

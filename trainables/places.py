"""Where files go that are no results: the user's home and the folder for temporary files, or what stands in for them.

A home may be read-only, missing or somebody else's (containers, batch systems, `nobody`), and so may $TMPDIR. Caches,
tokens and configuration then go to a folder that only this user can enter. Standard library only.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from trainables.vocabulary.errors import UserError
from trainables.wording import shorten

SYSTEM_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
SOCKET_BYTES = 107
"""Bytes that Linux allows the path of a socket to have."""
FORK_SERVER_BYTES = 32
"""Bytes that Python's fork servers, which Ray's dashboard uses, add to the folder for temporary files."""
HOME_VARIABLES = {
    "XDG_CACHE_HOME": "cache",
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data",
    "TORCH_HOME": "cache/torch",
    "MPLCONFIGDIR": "config/matplotlib",
    "WANDB_CACHE_DIR": "cache/wandb",
    "WANDB_CONFIG_DIR": "config/wandb",
    "WANDB_DATA_DIR": "data/wandb",
}
"""What libraries ask before they look for the home, and the folder below the private one that it gets."""


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def can_write(folder: str | Path) -> bool:
    """Whether a file can be made there now: rights, read-only file systems and quotas in one question."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except (OSError, ValueError):
        return False


def _ours_alone(folder: Path) -> bool:
    """Make the folder if it is not there; whether it is this user's, and nobody else can enter it."""
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700)
    try:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return False
        if stat.S_IMODE(found.st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError:
        return False
    return can_write(folder)


def private_folder(longest: int | None = None) -> Path:
    """A folder for temporary files that this user alone can enter (0700), the same each time: `/tmp/kmclr-1000`.

    longest: bytes that its path may have; another folder than $TMPDIR is taken if that one is too deep.
    Raises UserError if no folder for temporary files can be written to.
    """
    tried, name = [], f"kmclr-{os.getuid()}"
    for place in map(Path, _temporary_folders()):
        folder = place if place.name == name else place / name  # `settle` may have made it $TMPDIR
        if longest is not None and len(os.fsencode(folder)) > longest:
            continue
        if can_write(place):
            if _ours_alone(folder):
                return folder
            return Path(tempfile.mkdtemp(prefix="kmclr-", dir=place))  # somebody else was there first
        tried.append(shorten(str(place)))
    raise UserError(f"no folder for temporary files can be used (tried {', '.join(tried)}); set TMPDIR to one")


def _temporary_folders() -> Iterable[str]:
    given = os.environ.get("TMPDIR")
    return [*([given] if given else []), *SYSTEM_FOLDERS]


def settle(say: Callable[[str], None] = _say) -> None:
    """Make sure that this process and those it starts have a home and a folder for temporary files, or what serves.

    To be called once, before anything looks for them. What had to be moved is told in a line each.
    """
    _settle_temporary(say)
    _settle_user()
    _settle_home(say)


def _settle_temporary(say: Callable[[str], None]) -> None:
    given = os.environ.get("TMPDIR")
    if not given:
        return
    os.environ["TMPDIR"] = os.path.abspath(given)
    long = len(os.fsencode(os.environ["TMPDIR"])) + FORK_SERVER_BYTES > SOCKET_BYTES
    if not long and can_write(os.environ["TMPDIR"]):
        return
    del os.environ["TMPDIR"]
    folder = private_folder()
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    why = "is too long for the sockets in it" if long else "cannot be written to"
    say(f"TMPDIR={shorten(given)} {why}; temporary files go to {folder}")


def _settle_user() -> None:
    """Libraries that make folders in /tmp name them by the user, whom a container need not know."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = str(os.getuid())


def home() -> Path | None:
    """The user's home, None if there is none."""
    try:
        found = Path.home()
    except RuntimeError:
        return None
    return found if found.is_absolute() and found.is_dir() else None


def _settle_home(say: Callable[[str], None]) -> None:
    found = home()
    if found is not None and can_write(found):
        return
    folder = private_folder()
    named = f"HOME={shorten(os.environ['HOME'])}" if os.environ.get("HOME") else "HOME"
    if found is None and named != "HOME":
        why = "is not there"
    else:
        why = "is not set" if found is None else "cannot be written to"
    if found is None:
        os.environ["HOME"] = str(folder)  # a read-only one stays: it may hold credentials
    for variable, name in HOME_VARIABLES.items():
        os.environ.setdefault(variable, str(folder / name))
    say(f"{named} {why}; caches, configuration and Ray's token are in {folder}")

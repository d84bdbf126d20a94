"""What the user has to put right while a study runs: a disk without room, a storage of checkpoints that is gone.

The journal, the Optuna storage, Tune's state, the manifest, the data cache and the report all write; each fails in its
own words and some wrap the cause. Here these become one line that says where, and the command to go on with.

A trial that finds no room for its checkpoint is interrupted while the others go on (`study.tune.durable`; each node has
a disk of its own); the study says so when the stage ends, and a resume trains it on. Trials outlast a storage that does
not answer; Tune's driver does not: it reads the storage when a stage begins and when it ends.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shlex
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from study.record import results_folder
from study.schema import UserError

DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
DISK_FULL_WORDS = ("no space left on device", "database or disk is full", "quota exceeded")
VAGUE_WORDS = ("disk i/o error", "unable to open database file", "attempt to write a readonly database")
"""What SQLite says when it cannot make its journal: of a full disk, or of something else."""
NO_ROOM_BYTES = 2**20
TUNE_WORDS = ("no experiment snapshot file", "unable to set up cluster storage")
"""What Tune says of a storage that answers but does not hold what Tune put there."""


class DiskFull(UserError):
    """The user has to make room; the message says where, and the command to go on with."""


class StorageGone(UserError):
    """The user has to bring the storage back; the message says which, and the command to go on with."""


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it was raised from, and so on; each once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def command_again(
    argv: Sequence[str], *, resume: bool = False, retry: str | None = None, sets: Mapping[str, str] = {}
) -> str:
    """The command to go on with (resume), to try trials again with (retry), or to start again with, begun as this
    process was. Everything else stays as it was written. sets: settings that differ from now on."""
    rest, words = [], iter(argv[1:])
    for word in words:
        if word in ("--set", "--out", "--device", "--stage", "--address", "--storage"):
            value = list(itertools.islice(words, 1))  # whatever follows is its value
            if word != "--set" or not _sets_one_of(value, sets):
                rest += [word, *value]
        elif word == "--retry":
            next(words, None)
        elif word.startswith("--set=") and _sets_one_of([word.removeprefix("--set=")], sets):
            continue
        elif word != "--resume" and not word.startswith("--retry="):
            rest.append(word)
    begin = ["uv", "run"] if "UV_RUN_RECURSION_DEPTH" in os.environ else ["python"]
    how = ["--retry", retry] if retry else ["--resume"] * resume
    how += [word for name, value in sets.items() for word in ("--set", f"{name}={value}")]
    return shlex.join([*begin, _script(argv[0]), *rest, *how])


def _script(path: str) -> str:
    """The program as it is reached from the current folder."""
    found = Path(path)
    elsewhere = found.name == "run_study.py" and found.is_file() and found.resolve().parent != Path.cwd()
    return path if elsewhere else found.name


def _sets_one_of(value: Sequence[str], sets: Mapping[str, str]) -> bool:
    return any(one.partition("=")[0].strip() in sets for one in value)


# --- a full disk ---


def is_disk_full(error: BaseException) -> bool:
    """Whether the system reports, by number, that a disk or a quota is used up."""
    return isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS


def free_bytes(path: Path) -> int | None:
    """Free bytes for this user where `path` lies (or will lie); None if nobody can tell."""
    place = next((p for p in (path, *path.absolute().parents) if p.exists()), None)
    with contextlib.suppress(OSError):
        return None if place is None else shutil.disk_usage(place).free
    return None


def disk_full_cause(error: BaseException, folder: Path) -> BaseException | None:
    """The error of the chain that says best that a disk is full: one that names a file, else the innermost; or None.

    SQLite's vague errors count if there is hardly any room in `folder`.
    """
    best = None
    for link in causes(error):
        said = str(link).lower()
        full = is_disk_full(link)
        vaguely = any(words in said for words in VAGUE_WORDS) and (free_bytes(folder) or 0) < NO_ROOM_BYTES
        if full or vaguely or any(words in said for words in DISK_FULL_WORDS):
            best = link
            if full and isinstance(link, OSError) and link.filename:
                break
    return best


def _full_place(cause: BaseException, places: Sequence[Path]) -> str:
    """Where there is no room: the file that the system names, else the fullest of the places that a study writes to."""
    if isinstance(cause, OSError) and cause.filename:
        return str(cause.filename)
    return str(min(places, key=lambda place: free_bytes(place) or 0))


def _reason(cause: BaseException) -> str:
    """The first line of an error, without the number and the file."""
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return (text.strip().splitlines() or [type(cause).__name__])[0][:200]


@contextlib.contextmanager
def raise_disk_full(folder: Path, argv: Sequence[str], storage: str | None = None) -> Iterator[None]:
    """Within this context a full disk raises DiskFull; any other error passes as it is. storage: path or URI."""
    try:
        yield
    except DiskFull:
        raise
    except Exception as error:
        cause = disk_full_cause(error, folder)
        if cause is None:
            raise
        elsewhere = [Path(storage)] if storage and "://" not in storage else []
        place = _full_place(cause, [folder, *elsewhere, Path(tempfile.gettempdir())])
        begun = results_folder.begun(folder)
        raise DiskFull(
            f"{place}: disk full ({_reason(cause)}); make room, then {'continue' if begun else 'start again'} "
            f"with: {command_again(argv, resume=begun)}"
        ) from error


def check_room(without_room: Mapping[str, str], kept_in: str, again: str) -> None:
    """Raise DiskFull if a stage ended with trials that had no room for their checkpoints.

    without_room: what the system said, by trial. kept_in: where checkpoints go. again: the command to go on with.
    """
    if without_room:
        first, *more = without_room
        others = f" and {len(more)} more trials" if len(more) > 1 else "".join(f" and {name}" for name in more)
        raise DiskFull(
            f"{without_room[first]} (checkpoints of {first}{others}, kept in {kept_in}); make room, then continue "
            f"with: {again}"
        )


# --- a storage that is gone ---


def _from_arrow(error: BaseException) -> bool:
    """Whether pyarrow raised it, through which every storage is read and written."""
    frames = traceback.extract_tb(error.__traceback__)
    return isinstance(error, OSError) and bool(frames) and "pyarrow" in frames[-1].filename


def storage_reason(error: BaseException) -> str | None:
    """The first line of a chain's error that comes from the storage; None if none does, or if a disk is full."""
    links = list(causes(error))
    if any(is_disk_full(link) for link in links):
        return None
    for link in links:
        said = str(link).strip()
        if _from_arrow(link) or said.lower().startswith(TUNE_WORDS):
            return said.splitlines()[0].rstrip(".")
    return None


@contextlib.contextmanager
def raise_storage_gone(uri: str, again: Callable[[], str]) -> Iterator[None]:
    """Within this context a storage that cannot be used raises StorageGone; any other error passes as it is.

    uri: the study's folder in the storage. again: gives the command to go on with.
    """
    try:
        yield
    except Exception as error:
        reason = storage_reason(error)
        if reason is None:
            raise
        raise StorageGone(
            f"{uri}: the storage of checkpoints cannot be used ({reason}); once it can, continue with: {again()}"
        ) from error

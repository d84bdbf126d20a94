"""Files that are whole or not there, and paths as people write them.

Standard library only.
"""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from trainables.vocabulary.errors import UserError
from trainables.wording import printable, shorten

PARTIAL = ".partial"
"""Ending of a file that is being written; one that lies around is of a process that was killed."""


SCHEMA_VERSION = 1
"""Of every JSON object and YAML file that a run or a study writes."""
STUDY_FILE = "study.yaml"
"""In a results folder: the fully resolved study."""
MANIFEST_FILE = "manifest.json"
"""In a results folder: git commit, versions, hardware, seeds, start and end."""
TRIALS_FILE = "trials.jsonl"
"""In a results folder: one line per trial end, append-only."""
REPORTS_FILE = "reports.jsonl"
"""In a results folder and in a run's: one line per trial and epoch, append-only."""
RAY_DIR = "ray"
"""In a results folder: Tune's own state and checkpoints."""
TOO_MUCH = (RecursionError, ValueError)
"""What Python's readers of JSON and YAML raise for well-formed text that no program of ours has written."""
TOO_MUCH_WORDS = "nested too deeply, or a number with too many digits"


MAX_PATH_BYTES, MAX_NAME_BYTES = 4095, 255
"""Of a whole path, and of each name in it, as file systems have it."""


def user_path(path: str | Path, option: str = "") -> Path:
    """A path as a person wrote it, with `~` and `~user` resolved.

    Raises UserError, naming the option, for what no file system takes and for a home that nobody knows.
    """
    text, prefix = str(path), f"{option}: " if option else ""
    try:
        raw = _as_the_system_has_it(text)
        text = os.fsdecode(raw)
        if b"\0" in raw:
            raise UserError(f"{prefix}a path cannot hold a zero character; take it out")
        if len(raw) > MAX_PATH_BYTES or max(map(len, raw.split(b"/"))) > MAX_NAME_BYTES:
            raise UserError(
                f"{prefix}'{shorten(text)}' is too long for a path: at most {MAX_PATH_BYTES:,} bytes, "
                f"{MAX_NAME_BYTES} in each name"
            )
        if text.startswith("~"):
            return Path(text).expanduser()
        return Path(text).absolute() if text.startswith("./~") else Path(text)  # a Path forgets that ./~ is no home
    except UnicodeEncodeError:
        raise UserError(f"{prefix}{shorten(ascii(text))} holds characters that no path can hold") from None
    except RuntimeError:
        raise UserError(f"{prefix}'{shorten(text)}': no home folder is known for it; write the path in full") from None


def _as_the_system_has_it(text: str) -> bytes:
    """A path's bytes; what the locale has no bytes for counts as UTF-8, as a file of settings is."""
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        return text.encode("utf-8")


def what_it_is(path: Path) -> str:
    """`got a folder`, for messages about an entry that is not what it should be."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"got a link that leads nowhere ({error.strerror})"
    kinds = {"a folder": stat.S_ISDIR, "a file": stat.S_ISREG, "a pipe": stat.S_ISFIFO, "a socket": stat.S_ISSOCK}
    return f"got {next((name for name, is_one in kinds.items() if is_one(mode)), 'a device')}"


class DamagedFile(UserError):
    """A file that cannot be what this program wrote; the message names the file and, if it has lines, the line."""


@contextmanager
def atomically(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary file to write; `path` becomes it at the end, or stays as it was if an exception passes through.

    The folder must exist. Safe when the machine dies: the content is on disk before the name is.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}{PARTIAL}")  # several machines may share the folder
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_atomically(path: str | Path, content: bytes | str) -> None:
    """Write a whole file (text as UTF-8, what that cannot hold escaped) or leave what was there."""
    with atomically(path) as file:
        file.write(printable(content).encode() if isinstance(content, str) else content)


def checked(found: Any, place: str) -> dict[str, Any]:
    """The object if it is one of this schema version; DamagedFile, naming `place`, otherwise."""
    if not isinstance(found, dict):
        raise DamagedFile(f"{place}: expected an object, got {type(found).__name__}")
    if found.get("schema") != SCHEMA_VERSION:
        raise DamagedFile(
            f"{place}: expected schema version {SCHEMA_VERSION}, got {found.get('schema')!r}; "
            f"use the version of this program that wrote it"
        )
    return found

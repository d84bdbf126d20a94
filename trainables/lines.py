"""Files of one JSON object a line, added to and never changed: each line carries its number and a check.

So a line that is gone, doubled, moved or changed is noticed, and named. Beside them `lines.json` counts the lines, so
that an end that was cut off is noticed too. Standard library only.

A kill may leave a torn last line, which is dropped, or one line more than were counted. Lines without numbers, as
earlier versions wrote them, may stand before numbered ones.
"""

from __future__ import annotations

import bisect
import contextlib
import errno
import json
import os
import re
import shutil
import warnings
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

from trainables.files import SCHEMA_VERSION, TOO_MUCH, TOO_MUCH_WORDS, DamagedFile, checked, write_atomically
from trainables.wording import shorten

LINE, CHECK = "line", "check"
"""Keys that each line of JSON carries: its running number, and the CRC-32 of all that stands before the check."""
COUNTS_FILE = "lines.json"
"""Beside files of lines: how many each had when its last line was written, to see that its end was cut off."""
MOST_NAMED = 12
"""Damaged lines that an error names one by one."""
REPEATED = "restore the file from a backup, or go on with --resume, which repeats what was lost"
_MARKED = re.compile(rb', "check": "([0-9a-f]{8})"\}$')
_MARKS = (b'"line": ', b'"check": ')


class Damage(NamedTuple):
    """What became of the lines `first` to `last` of a file, in words; of which trial and epoch as far as known."""

    path: Path
    first: int
    last: int
    what: str
    who: str = ""

    def __str__(self) -> str:
        who = f" ({shorten(self.who)})" if self.who else ""
        if self.first == self.last:
            return f"{self.path}:{self.first}: this line is {self.what}{who}"
        return f"{self.path}:{self.first}: lines {self.first} to {self.last} are {self.what}{who}"

    @property
    def lost(self) -> bool:
        """Whether the file holds the line no more; one that is there twice is not lost."""
        return self.what in (MISSING, CHANGED)


MISSING, CHANGED = "missing", "not as it was written"
TWICE, MOVED, FOREIGN = "there twice", "out of its place", "not one that belongs here"


class Lines(NamedTuple):
    """What a file of lines holds: number and object of each whole line in order, what is damaged, bytes of a torn end.

    numbered: the lines carry numbers, or it is known how many there were (not so in files of an earlier version).
    """

    rows: list[tuple[int, dict[str, Any]]]
    damage: list[Damage]
    torn: int
    numbered: bool

    @property
    def count(self) -> int:
        """The last line's number, lost ones included."""
        return max((*(number for number, _ in self.rows), *(d.last for d in self.damage if d.lost)), default=0)


def who(line: Any) -> str:
    """`search-0002, epoch 3`: whose line it is, as far as it says so."""
    line = line if isinstance(line, dict) else {}
    epoch = f"epoch {line['epoch']}" if isinstance(line.get("epoch"), int) else ""
    return ", ".join(filter(None, [line["trial_id"] if isinstance(line.get("trial_id"), str) else "", epoch]))


def line_text(line: Mapping[str, Any], number: int) -> bytes:
    """An object as a line of a file, with its number and check."""
    plain = {key: value for key, value in line.items() if key not in ("schema", LINE, CHECK)}
    body = json.dumps({"schema": SCHEMA_VERSION, LINE: number, **plain}, allow_nan=False)[:-1].encode()
    return body + f', "{CHECK}": "{zlib.crc32(body):08x}"}}\n'.encode()


def read_counts(folder: str | Path) -> dict[str, int]:
    """File name -> lines, as `lines.json` says; {} if it is not there or cannot be read: then less can be noticed."""
    try:
        found = json.loads((Path(folder) / COUNTS_FILE).read_bytes())
    except (OSError, *TOO_MUCH):
        return {}
    found = found if isinstance(found, dict) else {}
    return {name: count for name, count in found.items() if name != "schema" and type(count) is int and count >= 0}


def examine_lines(path: str | Path) -> Lines:
    """What a file of lines holds. Changes nothing.

    Raises DamagedFile, naming file and line, for what is not ours: lines of another schema version, or no JSON in a
    file whose lines are not numbered.
    """
    path = Path(path)
    if path.is_symlink() and not path.exists():
        raise DamagedFile(f"{path}: a link that leads nowhere; restore what it led to, or take it away")
    known = read_counts(path.parent).get(path.name, 0)
    raw = path.read_bytes() if path.exists() else b""
    end = raw.rfind(b"\n") + 1
    texts = [(place, text) for place, text in enumerate(raw[:end].split(b"\n"), 1) if text.strip()]
    numbered = known > 0 or any(mark in text for _, text in texts for mark in _MARKS)
    found: list[tuple[int | None, dict[str, Any] | None, bytes]] = []
    earlier = True  # lines of an earlier version, without numbers, may stand before numbered ones
    for index, (place, text) in enumerate(texts, 1):
        marked = any(mark in text for mark in _MARKS)
        number, line = _numbered(text, path) if marked else (None, None)
        if not marked and earlier:
            with contextlib.suppress(DamagedFile if numbered else ()):
                number, line = index, _parse(text, f"{path}:{place}")
        earlier = earlier and not marked
        found.append((number, line, text))
    rows, damage = _in_order(path, found, known)
    return Lines(rows, damage, len(raw) - end, numbered)


def _numbered(text: bytes, path: Path) -> tuple[int | None, dict[str, Any] | None]:
    """Number and object of a line that is as it was written, else two times None."""
    match = _MARKED.search(text)
    if match is None or f"{zlib.crc32(text[: match.start()]):08x}".encode() != match[1]:
        return None, None
    line = json.loads(text)
    number = line.pop(LINE)
    del line[CHECK]
    return number, checked(line, f"{path}:{number}")


def _in_order(
    path: Path, found: Sequence[tuple[int | None, dict[str, Any] | None, bytes]], known: int
) -> tuple[list[tuple[int, dict[str, Any]]], list[Damage]]:
    """The whole lines by number, and what is wrong; changed lines are taken for those missing where they stand."""
    whole: dict[int, dict[str, Any]] = {}
    changed: list[tuple[int, bytes]] = []
    damage: list[Damage] = []
    last = 0
    for number, line, text in found:
        if number is None:
            changed.append((last, text))
        elif number in whole:
            damage.append(Damage(path, number, number, TWICE, who(line)))
        else:
            if number < last:
                damage.append(Damage(path, number, number, MOVED, who(line)))
            whole[number] = line
            last = max(last, number)
    numbers, taken, number = sorted(whole), set(whole), 0
    for after, text in changed:
        number = max(number, after) + 1
        while number in whole:
            number += 1
        following = bisect.bisect_right(numbers, after)
        if following < len(numbers) and number > numbers[following]:
            number = after
            damage.append(Damage(path, after, after, FOREIGN))
        else:
            taken.add(number)
            damage.append(Damage(path, number, number, CHANGED, _said_by(text)))
    missing = [number for number in range(1, max(known, *taken, 0) + 1) if number not in taken]
    damage += [Damage(path, first, last, MISSING) for first, last in runs(missing)]
    return [(n, whole[n]) for n in numbers], sorted(damage, key=lambda d: d.first)


def _said_by(text: bytes) -> str:
    """Whose line a changed one says that it is."""
    try:
        return who(json.loads(text))
    except TOO_MUCH:
        return ""


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Rising numbers as first and last of each unbroken run.

    >>> runs([1, 2, 3, 7])
    [(1, 3), (7, 7)]
    """
    found: list[tuple[int, int]] = []
    for number in numbers:
        joins = bool(found) and found[-1][1] == number - 1
        found[-1:] = [(found[-1][0], number)] if joins else [*found[-1:], (number, number)]
    return found


def read_json_lines(path: str | Path) -> list[tuple[int, dict[str, Any]]]:
    """(line number, object) of each line of the file; [] if it does not exist.

    A torn last line (killed while writing, or being written now) is dropped with a warning. DamagedFile, with a line
    for each thing that is wrong, for anything else that is not as it was written.
    """
    path = Path(path)
    found = examine_lines(path)
    if found.torn:
        warnings.warn(f"{path}: dropped a torn last line of {found.torn} bytes", stacklevel=2)
    if found.damage:
        raise DamagedFile(in_words(found.damage))
    return found.rows


def in_words(damage: Sequence[object]) -> str:
    """What is damaged, one line each, and the way out."""
    more = [f"and {len(damage) - MOST_NAMED} more"] if len(damage) > MOST_NAMED else []
    return "\n".join([*map(str, damage[:MOST_NAMED]), *more, REPEATED])


class LineFiles:
    """The files of lines in a folder, to be added to: lines are numbered, checked, and fsynced one by one.

    One process at a time. Raises OSError for a line that cannot be written, and leaves no half one behind.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.kept: list[Path] = []
        """Copies of files that were damaged."""
        self._counts = read_counts(folder)
        self._width = 0
        self._files: dict[str, IO[bytes]] = {}

    def open(self, name: str) -> Lines:
        """What the file holds, and get ready to add to it.

        A torn last line is cut off, with a warning. Of a damaged file a copy is kept, and its whole lines stay.
        """
        path = self.folder / name
        found = examine_lines(path)
        if found.torn:
            warnings.warn(f"{path}: dropped a torn last line of {found.torn} bytes", stacklevel=2)
        if found.damage:
            if path.exists():
                self._keep_copy(path)
            self.replace(name, [line for _, line in found.rows])
            return found
        if found.torn:
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size - found.torn)
                os.fsync(file.fileno())
        self._files[name] = path.open("ab", buffering=0)
        self._count(name, found.count)
        return found

    def _keep_copy(self, path: Path) -> None:
        copy = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
        shutil.copy2(path, copy)
        self.kept.append(copy)

    def append(self, name: str, line: Mapping[str, Any]) -> None:
        """Write one line; it is on disk when this returns."""
        file = self._files[name]
        data = line_text(line, self._counts[name] + 1)
        start = os.fstat(file.fileno()).st_size
        try:
            if file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):  # a torn line is dropped later
                os.ftruncate(file.fileno(), start)
            raise
        self._count(name, self._counts[name] + 1)

    def replace(self, name: str, lines: Sequence[Mapping[str, Any]]) -> None:
        """Write a whole file anew, numbered from 1."""
        self._count(name, min(len(lines), self._counts.get(name, 0)))  # too low a count is always true
        write_atomically(self.folder / name, b"".join(line_text(line, n) for n, line in enumerate(lines, 1)))
        if name in self._files:
            self._files[name].close()
        self._files[name] = (self.folder / name).open("ab", buffering=0)
        self._count(name, len(lines))

    def _count(self, name: str, count: int) -> None:
        """Note how many lines there are, in one write. Where that fails the count stays too low, which is true."""
        self._counts[name] = count
        text = json.dumps({"schema": SCHEMA_VERSION, **self._counts}).encode()
        self._width = max(self._width, len(text) + 1)
        with contextlib.suppress(OSError):
            descriptor = os.open(self.folder / COUNTS_FILE, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                self._width = max(self._width, os.fstat(descriptor).st_size)
                os.pwrite(descriptor, text.ljust(self._width - 1) + b"\n", 0)
            finally:
                os.close(descriptor)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def shut(self, name: str) -> None:
        """Close one file, if it is open; it may be opened again."""
        if name in self._files:
            self._files.pop(name).close()

    def close(self) -> None:
        """Close the files; closing twice is fine."""
        for file in self._files.values():
            file.close()


def _parse(row: bytes, place: str) -> dict[str, Any]:
    try:
        found = json.loads(row.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DamagedFile(f"{place}: not UTF-8 text ({error.reason}); restore the file from a backup") from None
    except json.JSONDecodeError as error:
        raise DamagedFile(f"{place}: not JSON ({error.msg}); restore the file from a backup") from None
    except TOO_MUCH:
        raise DamagedFile(f"{place}: {TOO_MUCH_WORDS}; restore the file from a backup") from None
    return checked(found, place)

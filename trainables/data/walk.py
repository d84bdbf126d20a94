"""What lies in a folder: links are followed, loops and dead links refused, what systems leave behind is told apart."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from trainables.data.source import DataError, byte_order

LEFT_BEHIND = frozenset(
    ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "lost+found", "__pycache__")
)
"""Names, in lower case, of what systems and tools put among one's files; names with a leading dot are more of them."""


class Listing(NamedTuple):
    """Entries of a folder, or of all folders below it, in the order of their names' bytes."""

    folders: list[Path]
    files: list[Path]
    hidden: list[Path]
    """Never opened: a leading dot, a name of LEFT_BEHIND, or neither a file nor a folder."""


def is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in LEFT_BEHIND


def listing(folder: Path) -> Listing:
    """The folder's own entries. Raises DataError if it cannot be read or holds a link to nowhere."""
    found = Listing([], [], [])
    try:
        for path in sorted(map(folder.joinpath, os.listdir(folder)), key=byte_order):
            if is_hidden(path.name):
                found.hidden.append(path)
            elif path.is_dir():
                found.folders.append(path)
            elif path.is_file():
                found.files.append(path)
            elif path.exists():  # a pipe or a device: reading it might never end
                found.hidden.append(path)
            else:
                raise DataError(f"{path}: a link to {os.readlink(path)}, which is not there: mend or remove it")
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror or error})") from error
    return found


def walk(folder: Path, above: tuple[Path, ...] = ()) -> Listing:
    """Everything below the folder. `above`: the folders on the way to it; a link back to one of them is a loop."""
    found, trail = listing(folder), (*above, folder)
    files, hidden = list(found.files), list(found.hidden)
    for inner in found.folders:
        for outer in trail:
            if os.path.samefile(inner, outer):
                raise DataError(f"{inner}: a link back to {outer}, which it lies in: remove it")
        below = walk(inner, trail)
        files += below.files
        hidden += below.hidden
    return Listing(found.folders, sorted(files, key=byte_order), sorted(hidden, key=byte_order))

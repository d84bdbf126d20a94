"""Arrays on disk that are computed once: memory-mapped read-only, published atomically, checked when opened.

An entry is a folder `<cache>/<name>-<key>/` with images.npy (uint8 NCHW), labels.npy (int64), ids.npy (int64) and
entry.json. It is written under a temporary name and renamed, so a reader sees all of it or nothing; processes that
want the same entry at once wait for the first one by a file lock (without locks, as on some network file systems,
each builds its own copy and the first rename wins). Opening compares file sizes, the checksums of labels and ids, and
that of 64 blocks spread over the images: a truncated or overwritten entry is rebuilt.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trainables.data.source import DataError, Progress, byte_order
from trainables.files import user_path, write_atomically

FORMAT = 1  # of the entries; part of every key
_BLOCKS, _BLOCK_BYTES = 64, 65536
_WHOLE_BYTES, _WHOLE_FILES = 64 << 20, 2000  # of data that are read whole each time
_SETTLED_NS = 2 * 10**9


class Entry(NamedTuple):
    images_NCHW: np.ndarray
    labels_N: np.ndarray
    ids_N: np.ndarray
    meta: dict[str, Any]


def cache_folder(configured: str | None) -> Path:
    """`data.cache_dir`, else $KMCLR_CACHE, else the user's cache folder. Created; DataError if that is impossible."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kmclr"
    folder = user_path(configured or os.environ.get("KMCLR_CACHE") or user, "data.cache_dir or $KMCLR_CACHE")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    return folder


def _cannot_write(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"cannot write decoded images to {folder} ({error.strerror or error}): "
        "set data.cache_dir or $KMCLR_CACHE to a writable folder with space"
    )


def digest(*parts: object) -> str:
    """SHA-256 (hex) of the parts' text; names of files count as the bytes that they are."""
    return hashlib.sha256("\0".join(str(part) for part in parts).encode("utf-8", "surrogateescape")).hexdigest()


def content_hash(files: Sequence[Path], root: Path, folder: Path) -> str:
    """SHA-256 (hex) of the files' names below `root` and of all their bytes.

    Up to 2,000 files of 64 MiB together are read each time: any change is noticed. Reading more would be paid by each
    trial, so that hash is remembered in `folder` under the files' names, sizes, inodes and times of modification and of
    last change (`ctime`, which the system sets and archives and `touch` cannot set back), and under the bytes of 128
    sampled blocks. A change that keeps size and modification time is noticed by its ctime or inode; where a file
    system keeps neither, only if it touches a sampled block. Files changed in the last 2 s are not remembered: a clock
    that ticks slowly could hide the next change.
    """
    begun, files = time.time_ns(), sorted(files, key=byte_order)
    stats = [path.stat() for path in files]
    names = [os.fsencode(path.relative_to(root).as_posix()) for path in files]
    sizes = [stat.st_size for stat in stats]
    if sum(sizes) <= _WHOLE_BYTES and len(files) <= _WHOLE_FILES:
        return _hash_all(files, names, sizes)
    times = [(stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino) for stat in stats]
    memo = folder / "contents" / digest(FORMAT, root.resolve(), names, sizes, times, _sampled(files))
    with contextlib.suppress(OSError, UnicodeDecodeError):
        known = memo.read_text(encoding="utf-8").strip()
        if len(known) == 64:
            return known
    found = _hash_all(files, names, sizes)
    if max(ctime for _, ctime, _ in times) < begun - _SETTLED_NS:
        try:
            memo.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(memo, found)
        except OSError as error:
            raise _cannot_write(memo.parent, error) from error
    return found


def _hash_all(files: Sequence[Path], names: Sequence[bytes], sizes: Sequence[int]) -> str:
    total = hashlib.sha256()
    for path, name, size in zip(files, names, sizes, strict=True):
        total.update(name + f"\0{size}\0".encode())
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
    return total.hexdigest()


def _sampled(files: Sequence[Path]) -> int:
    """CRC-32 of blocks of 64 KiB: the last one and evenly spread others of up to 64 files."""
    chosen = sorted({(len(files) - 1) * i // (_BLOCKS - 1) for i in range(_BLOCKS)})
    each, value = max(2, 2 * _BLOCKS // len(chosen)), 0
    for number in chosen:
        with open(files[number], "rb") as file:
            last = max(0, os.fstat(file.fileno()).st_size - _BLOCK_BYTES)
            for block in range(each):
                file.seek(last * block // (each - 1))
                value = zlib.crc32(file.read(_BLOCK_BYTES), value)
    return value


def cached(folder: Path, name: str, key: str, build: Callable[[Path], dict[str, Any]], progress: Progress) -> Entry:
    """The entry `name`-`key`, built at most once.

    `build(path)` writes images.npy, labels.npy and ids.npy into the empty folder `path` and returns what to remember
    (JSON). Raises what it raises; DataError if the cache cannot be written.
    """
    place = folder / f"{name}-{digest(FORMAT, key)[:20]}"
    entry = _open(place)
    if entry is not None:
        return entry
    with file_lock(place.with_suffix(".lock"), progress):
        entry = _open(place)  # another process may have built it meanwhile
        if entry is None:
            if place.exists():
                progress(f"{place.name}: the cached images are damaged; decoding again")
                _remove(place)
            _publish(place, build)
            entry = _open(place)
    if entry is None:
        raise DataError(f"{place} was written but reads back damaged: check the disk or set data.cache_dir")
    return entry


def _publish(place: Path, build: Callable[[Path], dict[str, Any]]) -> None:
    temporary = place.with_name(f".{place.name}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.mkdir()
        meta = build(temporary)
        meta |= {"format": FORMAT, "sizes": _sizes(temporary), "checksums": _checksums(temporary)}
        meta |= {"seal": _seal(meta)}
        write_atomically(temporary / "entry.json", json.dumps(meta, indent=1))
        try:
            os.rename(temporary, place)
        except OSError:
            if not place.exists():  # else another process without locks was first: theirs is as good
                raise
    except OSError as error:
        raise _cannot_write(place.parent, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove(place: Path) -> None:
    """Moved away first, so that no reader sees half a folder."""
    grave = place.with_name(f".{place.name}.{uuid.uuid4().hex}.bad")
    with contextlib.suppress(FileNotFoundError):
        os.rename(place, grave)
    shutil.rmtree(grave, ignore_errors=True)


def _open(place: Path) -> Entry | None:
    """The entry, or None if it is missing or damaged."""
    try:
        meta = json.loads((place / "entry.json").read_text(encoding="utf-8"))
        if (
            meta.pop("seal") != _seal(meta)
            or meta["format"] != FORMAT
            or meta["sizes"] != _sizes(place)
            or meta["checksums"] != _checksums(place)
        ):
            return None
        images = np.load(place / "images.npy", mmap_mode="r")
        labels, ids = np.load(place / "labels.npy"), np.load(place / "ids.npy")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if images.dtype != np.uint8 or images.ndim != 4 or not len(images) == len(labels) == len(ids):
        return None
    labels.flags.writeable = ids.flags.writeable = False
    return Entry(images, labels, ids, meta)


def _seal(meta: dict[str, Any]) -> int:
    """CRC-32 of what an entry remembers: a changed mean would go unnoticed."""
    return zlib.crc32(json.dumps(meta, sort_keys=True).encode())


_ARRAYS = ("images.npy", "labels.npy", "ids.npy")


def _sizes(place: Path) -> dict[str, int]:
    return {name: (place / name).stat().st_size for name in _ARRAYS}


def _checksums(place: Path) -> dict[str, int]:
    return {name: _checksum(place / name, sample=name == "images.npy") for name in _ARRAYS}


def _checksum(path: Path, *, sample: bool) -> int:
    """CRC-32 of the file, or of 64 blocks of 64 KiB from its first to its last one."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        if not sample or size <= _BLOCKS * _BLOCK_BYTES:
            return zlib.crc32(file.read())
        value = 0
        for block in range(_BLOCKS):
            file.seek((size - _BLOCK_BYTES) * block // (_BLOCKS - 1))
            value = zlib.crc32(file.read(_BLOCK_BYTES), value)
        return value


@contextlib.contextmanager
def file_lock(path: Path, progress: Progress) -> Iterator[None]:
    """Exclusive between processes while held; released by the system if the holder dies."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        yield
        return
    try:
        file = open(path, "ab")  # noqa: SIM115 - closed by the `with` below
    except OSError as error:
        raise _cannot_write(path.parent, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"{path.stem}: another process prepares these images; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            pass
        yield

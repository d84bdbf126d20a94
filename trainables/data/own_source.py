"""A data source of one's own as the house sees it: what it hands over is looked at as it comes, and hashed."""

from __future__ import annotations

import hashlib
import inspect
import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.source import DataError, Item, Progress, Shape, Source, SplitName
from trainables.wording import shorten


class OwnSource(Source):
    """What the source of one's own says, checked. All methods raise DataError for what nothing could be made of."""

    def __init__(self, inner: Source) -> None:
        self.inner, self.cfg, self.name, self.options = inner, inner.cfg, inner.name, inner.options

    @property
    def root(self) -> Path:
        return self.inner.root

    @property
    def shape(self) -> Shape | None:  # type: ignore[override]
        shape = self.inner.shape
        if shape is None:
            return None
        if not isinstance(shape, tuple) or len(shape) != 3 or None in map(_whole, shape):
            raise DataError(f"{self.name}: shape is {_shown(shape)}; give Shape(channels, image_size, classes) or None")
        return Shape(*shape)

    def missing(self) -> str:
        return self.inner.missing()

    def check(self, split: SplitName) -> None:
        self.inner.check(split)

    def prepare(self, progress: Progress) -> None:
        self.inner.prepare(progress)

    def files(self, split: SplitName) -> list[Path]:
        found = self.inner.files(split)
        if not isinstance(found, list | tuple) or not all(isinstance(path, Path) for path in found):
            raise DataError(f"{self.name}: files({split!r}) gives {_shown(found)}; give a list of pathlib.Path")
        if gone := next((path for path in found if not path.is_file()), None):
            raise DataError(
                f"{self.name}: no file {gone}, which files({split!r}) names; is data.root the right folder?"
            )
        return list(found)

    def settings(self) -> tuple[object, ...]:
        return tuple(self.inner.settings())

    def reading(self) -> tuple[object, ...]:
        """The options, and the file that the class stands in: what an earlier form of it read is read again."""
        try:
            code = hashlib.sha256(Path(inspect.getfile(type(self.inner))).read_bytes()).hexdigest()
        except (OSError, TypeError):  # no file: typed into an interpreter
            code = ""
        return self.cfg.name, sorted(self.cfg.options.items()), code

    def count(self, split: SplitName) -> int:
        given = self.inner.count(split)
        found = _whole(given)
        if found is None or found < 0:
            raise DataError(f"{self.name}: count({split!r}) gives {_shown(given)}; give the number of images")
        return found

    def class_names(self) -> tuple[str, ...]:
        names = self.inner.class_names()
        texts = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
        if not texts or len(names) < 2 or len(set(names)) < len(names):
            raise DataError(f"{self.name}: class_names gives {_shown(names)}; give two or more different texts")
        return tuple(names)

    def items(self, split: SplitName) -> Iterator[Item]:
        found, classes, total = self.inner.items(split), len(self.class_names()), hashlib.sha256()
        if not hasattr(found, "__iter__"):
            raise DataError(f"{self.name}: items({split!r}) gives {_shown(found)}; yield an Item for each image")
        for number, item in enumerate(found):
            place = f"{self.name}, item {number} of {split}"
            if not isinstance(item, Item):
                raise DataError(f"{place} is {_shown(item)}; yield trainables.data.source.Item(payload, label, where)")
            label = _whole(item.label)
            if label is None or not 0 <= label < classes:
                raise DataError(f"{place} has the label {_shown(item.label)}; class_names has 0 .. {classes - 1}")
            total.update(f"{label} {_kind(item.payload, place)}\0".encode())
            total.update(_bytes(item.payload, place))
            yield Item(item.payload, label, str(item.where))
        self.content = total.hexdigest()

    def notes(self, split: SplitName) -> list[str]:
        return self.inner.notes(split)


def _kind(payload: Any, place: str) -> str:
    """`encoded`, or the shape of pixels. Raises DataError for anything else."""
    if isinstance(payload, bytes | Path):
        return "encoded"
    if not isinstance(payload, np.ndarray):
        raise DataError(f"{place} has the payload {_shown(payload)}; give bytes of an image, a Path, or uint8 pixels")
    if payload.dtype != np.uint8 or payload.ndim not in (2, 3) or payload.shape[2:] not in ((), (3,)):
        shape = " x ".join(map(str, payload.shape))
        raise DataError(f"{place} has pixels {payload.dtype} {shape}; give uint8, height x width (x 3)")
    return str(payload.shape)


def _bytes(payload: bytes | Path | np.ndarray, place: str) -> bytes:
    if not isinstance(payload, Path):
        return payload if isinstance(payload, bytes) else payload.tobytes()
    try:
        return payload.read_bytes()
    except OSError as error:
        raise DataError(f"{place}: {payload} cannot be read ({error.strerror or error})") from error


def _whole(value: Any) -> int | None:
    """A whole number, also one of numpy's; None for anything else."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def _shown(value: Any) -> str:
    return f"{shorten(' '.join(repr(value).split()))} ({type(value).__name__})"

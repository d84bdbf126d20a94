"""What a source of images is: where it says what there is, and how it hands its images over.

A source knows its files, counts its images without decoding them, and yields encoded images with labels; it neither
decodes nor caches. Its two splits are `train` and `test`; validation images are taken from `train` by
`trainables.data.dataset`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from trainables import files, wording
from trainables.settings import own_code
from trainables.settings.config import DataConfig
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.parts import DATA, SOURCES
from trainables.vocabulary.registry import shown_name, to_fill_in

SplitName = Literal["train", "test"]
Progress = Callable[[str], None]
WAYS = (
    "Ways to provide data: data.root = the folder that holds torchvision's copy; data.name=parquet with data.root = a "
    "folder of train*.parquet and test*.parquet; data.name=image_folder with data.root = a folder of "
    "train/CLASS/*.png and test/CLASS/*.png; or --rehearse, which needs no data (embedded digits)"
)


class DataError(UserError):
    """Data that is missing, unreadable or unfit; the message says where it is and the ways out."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def printable(text: str) -> str:
    """The text as this locale can print it: names of files that are not UTF-8, or too much for it, are escaped."""
    encoding = sys.getfilesystemencoding()
    return wording.printable(text).encode(encoding, "backslashreplace").decode(encoding)


def byte_order(path: Path) -> list[bytes]:
    """Sort key: the same order in every locale, that of the alphabet for names in UTF-8."""
    return [os.fsencode(part) for part in path.parts]


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


class Item(NamedTuple):
    payload: bytes | Path | np.ndarray
    """An encoded image, its file, or uint8 pixels [H, W] or [H, W, 3]."""
    label: int
    where: str
    """For error messages: file and row."""


class Shape(NamedTuple):
    """What is known of a source's images before they are read."""

    channels: int
    image_size: int
    classes: int


class Source:
    """Base: what `trainables.data.dataset` asks of a source."""

    def __init__(self, cfg: DataConfig) -> None:
        self.cfg = cfg
        self.name = shown_name(type(self)) if cfg.name in SOURCES.loaded else cfg.name
        self.options = own_code.options(DATA, cfg)
        """Of a source of one's own, as its class's `Options`; None if it has none."""

    @property
    def root(self) -> Path:
        """Parquet and image_folder need one."""
        ways = "" if self.cfg.name in SOURCES.loaded else f". {WAYS}"
        if self.cfg.root is None:
            raise DataError(f"data.name={self.cfg.name} needs data.root, the folder of the data{ways}")
        root = files.user_path(self.cfg.root, "data.root")
        if not root.is_dir():
            raise DataError(f"data.root: no folder {root} (looked from {Path.cwd()}){ways}")
        return root

    content = ""
    """Hash of all that `items` has handed over, where that decides the fingerprint beside the files' bytes."""
    shape: Shape | None = None
    """Where every copy of the data has the same; None: it must be read."""

    def missing(self) -> str:
        """Why the training data are not on this machine, in one line with the ways out; empty if they are.

        Quick: nothing is downloaded, and no server is asked.
        """
        try:
            self.files("train")
        except DataError as error:
            return str(error)
        return ""

    def check(self, split: SplitName) -> None:
        """Cheap; raises DataError if the split's data are not there (and cannot be downloaded)."""
        self.files(split)

    def prepare(self, progress: Progress) -> None:
        """Download if that is how the data come."""

    @to_fill_in
    def files(self, split: SplitName) -> list[Path]:
        """Files whose bytes identify the split (all below `root`). Raises DataError if there are none."""
        raise NotImplementedError

    def settings(self) -> tuple[object, ...]:
        """Settings that change what is read from the files."""
        return ()

    def reading(self) -> tuple[object, ...]:
        """What else the decoded arrays depend on, without being part of the fingerprint."""
        return ()

    @to_fill_in
    def count(self, split: SplitName) -> int:
        """Images in the split, without reading them."""
        raise NotImplementedError

    @to_fill_in
    def class_names(self) -> tuple[str, ...]:
        """In the order of the labels, which count from 0."""
        raise NotImplementedError

    def labels(self) -> np.ndarray:
        """Of the training images, int64, in the order of `items`; nothing is decoded."""
        return np.array([item.label for item in self.items("train")], dtype=np.int64)

    @to_fill_in
    def items(self, split: SplitName) -> Iterator[Item]:
        """The split's images, always in the same order."""
        raise NotImplementedError

    def notes(self, split: SplitName) -> list[str]:
        """What lies where the split's data are and is not used, one line each."""
        return []

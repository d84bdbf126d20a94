"""A folder of images, one folder per class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from trainables.data.source import DataError, Item, Source, SplitName, listed
from trainables.data.walk import Listing, is_hidden, listing, walk
from trainables.settings.config import DataConfig

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff")
TEST_FOLDERS = ("test", "val", "validation")


class ImageFolder(Source):
    """root/train/CLASS/*.png and root/test/CLASS/*.png, as torchvision's ImageFolder; classes in alphabetical order.

    Files may lie deeper below their class, and folders may be links. Without a folder `test`, `val` or `validation` is
    the test split; with `data.test_share` there is none, and without a folder `train` the classes' folders lie right in
    root. Hidden entries and files without an image's suffix are left out; `notes` names them.
    A source looks at its folders once.
    """

    def __init__(self, cfg: DataConfig) -> None:
        super().__init__(cfg)
        self._tops: dict[SplitName, Listing] = {}
        self._walked: dict[SplitName, dict[str, Listing]] = {}

    def _folder(self, split: SplitName) -> Path:
        names = ("train",) if split == "train" else TEST_FOLDERS
        for name in names:
            if (self.root / name).is_dir():
                return self.root / name
        if split == "train" and self.cfg.test_share is not None and not self._split_folders():
            return self.root
        found = ", ".join(sorted(path.name for path in self.root.iterdir())[:10]) or "nothing"
        raise DataError(
            f"data.root={self.root}: no folder {' or '.join(names)} (found: {found}); "
            "image_folder expects train/CLASS/*.png and test/CLASS/*.png; without a test split, CLASS/*.png or "
            "train/CLASS/*.png, data.test_share=0.2 keeps a fifth of the images for the test"
        )

    def _split_folders(self) -> list[str]:
        return [name for name in TEST_FOLDERS if (self.root / name).is_dir()]

    def _top(self, split: SplitName) -> Listing:
        """The split's own folder: its classes and what else lies there."""
        if split not in self._tops:
            self._tops[split] = listing(self._folder(split))
        return self._tops[split]

    def _classes(self, split: SplitName) -> dict[str, Listing]:
        """What lies below each class of train, in the order of the labels."""
        if split not in self._walked:
            above = (self.root, self._folder(split))
            found = {path.name: walk(path, above) for path in self._top(split).folders}
            self._walked[split] = {name: found.get(name, Listing([], [], [])) for name in self._names()}
        return self._walked[split]

    def _names(self) -> list[str]:
        """The classes' folders, as the system names them."""
        names = [path.name for path in self._top("train").folders]
        if len(names) < 2:
            folder = self._folder("train")
            raise DataError(f"{folder}: expected one folder per class, found {len(names)}: {', '.join(names) or '-'}")
        return names

    def class_names(self) -> tuple[str, ...]:
        return tuple(os.fsencode(name).decode("utf-8", "backslashreplace") for name in self._names())

    def _files_by_class(self, split: SplitName) -> list[list[Path]]:
        folder, names = self._folder(split), self._names()
        extra = sorted({path.name for path in self._top(split).folders} - set(names))
        if extra:
            raise DataError(f"{folder}: classes that train does not have: {', '.join(extra[:10])}")
        files = [[path for path in found.files if _is_image(path)] for found in self._classes(split).values()]
        empty = [name for name, paths in zip(names, files, strict=True) if not paths]
        if (split == "train" and empty) or not any(files):
            suffixes = ", ".join(IMAGE_SUFFIXES)
            raise DataError(f"{folder}: no images ({suffixes}) in class {', '.join(empty[:10])}")
        return files

    def files(self, split: SplitName) -> list[Path]:
        return [path for paths in self._files_by_class(split) for path in paths]

    def count(self, split: SplitName) -> int:
        return len(self.files(split))

    def items(self, split: SplitName) -> Iterator[Item]:
        for label, paths in enumerate(self._files_by_class(split)):
            for path in paths:
                yield Item(path, label, str(path))

    def notes(self, split: SplitName) -> list[str]:
        """Hidden entries, files without an image's suffix, images in no class, and folders beside the splits'."""
        top, classes = self._top(split), self._classes(split).values()
        files = [path for found in classes for path in found.files if not _is_image(path)]
        kinds = (
            ("hidden or no file", [*top.hidden, *(path for found in classes for path in found.hidden)]),
            ("no image by its name", [path for path in top.files if not _is_image(path)] + files),
            ("in no class", [path for path in top.files if _is_image(path)]),
            ("beside the splits", self._beside() if split == "train" else []),
        )
        return [_note(why, [path.relative_to(self.root).as_posix() for path in paths]) for why, paths in kinds if paths]

    def _beside(self) -> list[Path]:
        if self._folder("train") == self.root:
            return []
        used = {"train", next(iter(self._split_folders()), "train")}
        return [self.root / name for name in sorted(os.listdir(self.root)) if name not in used and not is_hidden(name)]


def _note(why: str, names: list[str]) -> str:
    return f"not used, {why}: {listed(names)}"


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES

"""A folder of images, one folder per class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainables.data.source import DataError, Item, Source, SplitName

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff")


class ImageFolder(Source):
    """root/train/CLASS/*.png and root/test/CLASS/*.png, as torchvision's ImageFolder; classes in alphabetical order.

    Files may lie deeper below their class. Without a folder `test`, `val` or `validation` is the test split.
    """

    def _folder(self, split: SplitName) -> Path:
        names = ("train",) if split == "train" else ("test", "val", "validation")
        for name in names:
            if (self.root / name).is_dir():
                return self.root / name
        found = ", ".join(sorted(path.name for path in self.root.iterdir())[:10]) or "nothing"
        raise DataError(
            f"data.root={self.root}: no folder {' or '.join(names)} (found: {found}); "
            "image_folder expects train/CLASS/*.png and test/CLASS/*.png"
        )

    def class_names(self) -> tuple[str, ...]:
        folder = self._folder("train")
        names = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))
        if len(names) < 2:
            raise DataError(f"{folder}: expected one folder per class, found {len(names)}: {', '.join(names) or '-'}")
        return names

    def _files_by_class(self, split: SplitName) -> list[list[Path]]:
        folder, names = self._folder(split), self.class_names()
        extra = sorted({path.name for path in folder.iterdir() if path.is_dir()} - set(names))
        if extra:
            raise DataError(f"{folder}: classes that train does not have: {', '.join(extra[:10])}")
        files = [_images_below(folder / name) for name in names]
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


def _images_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())

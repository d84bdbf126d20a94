"""CIFAR-10 and CIFAR-100 as torchvision keeps them."""

from __future__ import annotations

import pickle
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from trainables import files
from trainables.data.source import WAYS, DataError, Item, Progress, Shape, Source, SplitName

FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
"""As torchvision names them; known here because importing it takes seconds."""


class Cifar(Source):
    """CIFAR-10 and CIFAR-100 (fine labels) through torchvision, downloaded on first use."""

    @property
    def root(self) -> Path:
        return files.user_path(self.cfg.root or "data", "data.root")

    @property
    def _kind(self) -> type:
        from torchvision import datasets

        return datasets.CIFAR100 if self.name == "cifar100" else datasets.CIFAR10

    @property
    def _folder(self) -> Path:
        return self.root / FOLDERS[self.name]

    @property
    def shape(self) -> Shape:
        return Shape(3, 32, 100 if self.name == "cifar100" else 10)

    def missing(self) -> str:
        if self._folder.is_dir() and not self._missing():
            return ""
        why = "a run will try to download it (data.download)" if self.cfg.download else "data.download is false"
        return str(self._nowhere(why))

    def _paths(self, split: SplitName) -> list[Path]:
        kind = self._kind
        base = self._folder
        names = kind.train_list if split == "train" else kind.test_list
        return [base / name for name, _ in names] + [base / kind.meta["filename"]]

    def _missing(self) -> list[Path]:
        return [path for split in ("train", "test") for path in self._paths(split) if not path.is_file()]

    def check(self, split: SplitName) -> None:
        if not self._missing():
            return
        if not self.cfg.download:
            raise self._nowhere("data.download is false")
        request = urllib.request.Request(self._kind.url, method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=10):
                pass
        except (OSError, ValueError) as error:
            raise self._nowhere(f"it cannot be downloaded ({_reason(error)})") from error

    def prepare(self, progress: Progress) -> None:
        if not self._missing():
            return
        if not self.cfg.download:
            raise self._nowhere("data.download is false")
        progress(f"{self.name}: downloading to {self.root}")
        try:
            self._kind(self.root, train=True, download=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise self._nowhere(f"it cannot be downloaded ({_reason(error)})") from error

    def _nowhere(self, why: str) -> DataError:
        return DataError(f"{self.name} was not found in {self._folder.resolve()} and {why}. {WAYS}")

    def files(self, split: SplitName) -> list[Path]:
        if self._missing():
            raise self._nowhere("it was not downloaded yet")
        return self._paths(split)

    def count(self, split: SplitName) -> int:
        return 50_000 if split == "train" else 10_000

    def class_names(self) -> tuple[str, ...]:
        from torchvision.datasets.utils import check_integrity

        meta = self._kind.meta
        path = self._folder / meta["filename"]
        if not check_integrity(path, meta["md5"]):  # a pickle runs what it holds
            raise self._nowhere(f"{meta['filename']} is damaged: delete it to download again")
        with path.open("rb") as file:
            return tuple(pickle.load(file, encoding="latin1")[meta["key"]])

    def items(self, split: SplitName) -> Iterator[Item]:
        try:
            data = self._kind(self.root, train=split == "train", download=False)
        except RuntimeError as error:
            raise self._nowhere(f"its files are damaged ({error}): delete them to download again") from error
        for i, (pixels, label) in enumerate(zip(data.data, data.targets, strict=True)):
            yield Item(pixels, int(label), f"{self.name} {split} image {i}")


def _reason(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(reason).splitlines()[0] if str(reason) else type(error).__name__

"""Where images come from: digits, CIFAR, Parquet shards, a folder of images. One small class per kind.

A source knows its files, counts its images without decoding them, and yields encoded images with labels; it neither
decodes nor caches. Its two splits are `train` and `test`; validation images are taken from
`train` by `trainables.data.dataset`.
"""

from __future__ import annotations

import functools
import importlib.util
import pickle
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from trainables.data.cache import DataError, Progress
from trainables.data.decode import Item
from trainables.settings.config import DataConfig

SplitName = Literal["train", "test"]
WAYS = (
    "Ways to provide data: data.root = the folder that holds torchvision's copy; data.name=parquet with data.root = a "
    "folder of train*.parquet and test*.parquet; data.name=image_folder with data.root = a folder of "
    "train/CLASS/*.png and test/CLASS/*.png; or --rehearse, which needs no data (embedded digits)"
)
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff")
DIGITS_TEST, DIGITS_SEED = 360, 0  # a fifth of the 1,797 images


class Source:
    """Base: what `trainables.data.dataset` asks of a source."""

    def __init__(self, cfg: DataConfig) -> None:
        self.cfg = cfg
        self.name = cfg.name

    @property
    def root(self) -> Path:
        """Parquet and image_folder need one."""
        if self.cfg.root is None:
            raise DataError(f"data.name={self.name} needs data.root, the folder of the data. {WAYS}")
        root = Path(self.cfg.root).expanduser()
        if not root.is_dir():
            raise DataError(f"data.root: no folder {root} (looked from {Path.cwd()}). {WAYS}")
        return root

    def check(self, split: SplitName) -> None:
        """Cheap; raises DataError if the split's data are not there (and cannot be downloaded)."""
        self.files(split)

    def prepare(self, progress: Progress) -> None:
        """Download if that is how the data come."""

    def files(self, split: SplitName) -> list[Path]:
        """Files whose bytes identify the split (all below `root`). Raises DataError if there are none."""
        raise NotImplementedError

    def settings(self) -> tuple[object, ...]:
        """Settings that change what is read from the files."""
        return ()

    def count(self, split: SplitName) -> int:
        """Images in the split, without reading them."""
        raise NotImplementedError

    def class_names(self) -> tuple[str, ...]:
        raise NotImplementedError

    def items(self, split: SplitName) -> Iterator[Item]:
        raise NotImplementedError


class Digits(Source):
    """scikit-learn's 1,797 handwritten digits, 8x8, grey levels 0-16 scaled to 0-255; every fifth image is test."""

    def files(self, split: SplitName) -> list[Path]:
        return []

    def settings(self) -> tuple[object, ...]:
        pixels, labels = _digits()
        return (pixels.tobytes().hex(), labels.tobytes().hex(), DIGITS_TEST, DIGITS_SEED)

    def count(self, split: SplitName) -> int:
        return DIGITS_TEST if split == "test" else len(_digits()[1]) - DIGITS_TEST

    def class_names(self) -> tuple[str, ...]:
        return tuple(str(digit) for digit in range(10))

    def items(self, split: SplitName) -> Iterator[Item]:
        pixels, labels = _digits()
        train, test = stratified(labels, DIGITS_TEST, DIGITS_SEED)
        for i in test if split == "test" else train:
            yield Item(pixels[i], int(labels[i]), f"digits {i}")


@functools.cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 8, 8] and labels from scikit-learn's file, read without importing scikit-learn (seconds a process)."""
    package = Path(importlib.util.find_spec("sklearn").origin).parent
    table = np.loadtxt(package / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    return np.round(table[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8), table[:, -1].astype(np.int64)


def stratified(labels_N: np.ndarray, take: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (left, taken), both ascending: `take` images, each class in proportion, drawn with `seed`.

    A smaller `take` is a subset of a larger one up to rounding: each class is shuffled once, on its own.
    """
    classes, counts = np.unique(labels_N, return_counts=True)
    taken = []
    for label, share in zip(classes, shares(counts, take), strict=True):
        members = np.flatnonzero(labels_N == label)
        taken.append(np.random.default_rng([seed, int(label)]).permutation(members)[:share])
    mask = np.zeros(len(labels_N), dtype=bool)
    mask[np.concatenate(taken)] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def shares(counts: np.ndarray, total: int) -> np.ndarray:
    """`total` split in proportion to `counts`: whole numbers by largest remainder, at least 1 each if total allows."""
    ideal = counts * (total / counts.sum())
    result = np.floor(ideal).astype(np.int64)
    if total >= len(counts):
        result = np.maximum(result, 1)
    while (missing := total - result.sum()) != 0:
        gap = ideal - result
        gap[(result >= counts) if missing > 0 else (result <= 1)] = -np.inf if missing > 0 else np.inf
        result[np.argmax(gap) if missing > 0 else np.argmin(gap)] += np.sign(missing)
    return result


class Cifar(Source):
    """CIFAR-10 and CIFAR-100 (fine labels) through torchvision, downloaded on first use."""

    @property
    def root(self) -> Path:
        return Path(self.cfg.root or "data").expanduser()

    @property
    def _kind(self) -> type:
        from torchvision import datasets

        return datasets.CIFAR100 if self.name == "cifar100" else datasets.CIFAR10

    def _paths(self, split: SplitName) -> list[Path]:
        kind = self._kind
        base = self.root / kind.base_folder
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
        folder = (self.root / self._kind.base_folder).resolve()
        return DataError(f"{self.name} was not found in {folder} and {why}. {WAYS}")

    def files(self, split: SplitName) -> list[Path]:
        if self._missing():
            raise self._nowhere("it was not downloaded yet")
        return self._paths(split)

    def count(self, split: SplitName) -> int:
        return 50_000 if split == "train" else 10_000

    def class_names(self) -> tuple[str, ...]:
        kind = self._kind
        with open(self.root / kind.base_folder / kind.meta["filename"], "rb") as file:
            return tuple(pickle.load(file, encoding="latin1")[kind.meta["key"]])

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


def source_of(cfg: DataConfig) -> Source:
    from trainables.data.parquet import Parquet

    kinds: dict[str, Callable[[DataConfig], Source]] = {
        "digits": Digits,
        "cifar10": Cifar,
        "cifar100": Cifar,
        "parquet": Parquet,
        "image_folder": ImageFolder,
    }
    return kinds[cfg.name](cfg)


def first_of(names: Sequence[str], candidates: Sequence[str]) -> str | None:
    """The first candidate among the names, letter case ignored."""
    lower = {name.lower(): name for name in names}
    return next((lower[c] for c in candidates if c in lower), None)

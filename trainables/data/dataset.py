"""Images for training and evaluation: decoded once per machine, memory-mapped, shared by all trials.

Shape legend: `N` images, `C` channels (1 or 3), `H` = `W`. Three doors, on purpose: `load_dataset` gives train and
validation and never opens a test image; `load_test` alone gives the test split, for the offline evaluation;
`check_available` says cheaply whether the data are there or can be downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trainables.data.cache import Entry, cache_folder, cached, content_hash, digest, file_lock
from trainables.data.decode import decode_all
from trainables.data.source import DataError, Progress, Source, SplitName
from trainables.data.sources import source_of
from trainables.data.splits import split_rows
from trainables.settings.config import DataConfig


class Split(NamedTuple):
    images_NCHW: np.ndarray
    """uint8, memory-mapped, read-only."""
    labels_N: np.ndarray
    """int64, 0 .. classes - 1."""
    ids_N: np.ndarray
    """int64: index of the image in the source's own split; stable whatever the validation split and the limit."""


@dataclass(frozen=True)
class Dataset:
    name: str
    fingerprint: str
    """Hex; changes with the bytes of the training data and with data.image_size and the columns read."""
    num_classes: int
    class_names: tuple[str, ...]
    channels: int
    image_size: int
    mean: tuple[float, ...]
    """Per channel, of 0..1, over the source's whole training split, as published statistics are."""
    std: tuple[float, ...]
    train: Split
    validation: Split
    sizes: dict[str, int]
    """Images in train, validation and test (counted, not read; 0 without a test split)."""


def check_available(cfg: DataConfig, *, test: bool = False) -> None:
    """Cheap: raises DataError if the training (with `test`: also the test) data are neither there nor downloadable."""
    source = source_of(cfg)
    source.check("train")
    if test:
        source.check("test")


def load_dataset(cfg: DataConfig, progress: Progress | None = None) -> Dataset:
    """Train and validation images; decodes and caches on first use, telling `progress` how far it is.

    Validation takes `validation_per_class` images of each class, the limit a proportional share of the rest, both drawn
    with `split_seed`: the validation images do not depend on the limit, nor a smaller limit's images on a larger one's
    (up to rounding). Raises DataError for data that are missing or unreadable and classes with too few images.
    """
    progress = progress or _silent
    source, folder = source_of(cfg), cache_folder(cfg.cache_dir)
    whole, key = _decoded(source, "train", folder, progress)
    names = tuple(whole.meta["class_names"])
    train_rows, validation_rows = split_rows(whole.labels_N, names, cfg)
    split_key = f"{cfg.validation_per_class} {cfg.train_limit} {cfg.split_seed}"
    train = _subset(whole, train_rows, folder, f"{cfg.name}-train", f"{key} {split_key}", progress)
    validation = _subset(whole, validation_rows, folder, f"{cfg.name}-validation", f"{key} {split_key}", progress)
    return Dataset(
        name=cfg.name,
        fingerprint=key[:16],
        num_classes=len(names),
        class_names=names,
        channels=whole.meta["channels"],
        image_size=whole.meta["image_size"],
        mean=tuple(whole.meta["mean"]),
        std=tuple(whole.meta["std"]),
        train=train,
        validation=validation,
        sizes={"train": len(train.labels_N), "validation": len(validation.labels_N), "test": _count_test(source)},
    )


def load_test(cfg: DataConfig, progress: Progress | None = None) -> Split:
    """The test split, from a cache entry of its own, with as many channels as train. Raises DataError."""
    progress = progress or _silent
    source, folder = source_of(cfg), cache_folder(cfg.cache_dir)
    train, _ = _decoded(source, "train", folder, progress)
    test, _ = _decoded(source, "test", folder, progress, channels=train.meta["channels"])
    highest, classes = int(test.labels_N.max()), len(train.meta["class_names"])
    if highest >= classes or int(test.labels_N.min()) < 0:
        raise DataError(
            f"{cfg.name}: the test split has label {highest}, but train has only classes 0 .. {classes - 1}"
        )
    if test.meta["image_size"] != train.meta["image_size"]:
        raise DataError(
            f"{cfg.name}: test images have {test.meta['image_size']} pixels a side, training images "
            f"{train.meta['image_size']}: set data.image_size"
        )
    return Split(test.images_NCHW, test.labels_N, test.ids_N)


def _silent(_: str) -> None:
    pass


def _decoded(
    source: Source, split: SplitName, folder: Path, progress: Progress, channels: int | None = None
) -> tuple[Entry, str]:
    """The whole split, and its content key."""
    with file_lock(folder / f"{source.name}.lock", progress):
        source.prepare(progress)
    files = source.files(split)
    content = content_hash(files, source.root, folder) if files else ""
    key = digest(source.name, split, content, *source.settings(), source.cfg.image_size)

    def build(path: Path) -> dict[str, Any]:
        progress(f"{source.name}: decoding {source.count(split):,} {split} images once, into {folder}")
        names = source.class_names()
        meta = decode_all(
            source.items(split),
            source.count(split),
            image_size=source.cfg.image_size,
            channels=channels,
            folder=path,
            progress=lambda message: progress(f"{source.name} {split}: {message}"),
        )
        return meta | {"class_names": list(names)}

    return cached(folder, f"{source.name}-{split}-all", f"{key} {channels}", build, progress), key


def _subset(whole: Entry, rows: np.ndarray, folder: Path, name: str, key: str, progress: Progress) -> Split:
    """Rows of the whole as an entry of its own: mapped and shared, where a copy would be held by each trial."""

    def build(path: Path) -> dict[str, Any]:
        shape = (len(rows), *whole.images_NCHW.shape[1:])
        target = np.lib.format.open_memmap(path / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
        for start in range(0, len(rows), 4096):
            target[start : start + 4096] = whole.images_NCHW[rows[start : start + 4096]]
        target.flush()
        np.save(path / "labels.npy", whole.labels_N[rows])
        np.save(path / "ids.npy", whole.ids_N[rows])
        return {}

    entry = cached(folder, name, key, build, progress)
    return Split(entry.images_NCHW, entry.labels_N, entry.ids_N)


def _count_test(source: Source) -> int:
    try:
        return source.count("test")
    except DataError:
        return 0

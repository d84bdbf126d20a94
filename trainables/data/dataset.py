"""Images for training and evaluation: decoded once per machine, memory-mapped, shared by all trials.

Shape legend: `N` images, `C` channels (1 or 3), `H` = `W`. Few doors, on purpose: `load_dataset` gives train and
validation and never opens a test image; `load_test` alone gives the test split, for the offline evaluation, and
`check_test` finds what it would stumble over before anything is trained; `check_available` says cheaply whether the
data are there or can be downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL

from trainables.data.cache import Entry, cache_folder, cached, content_hash, digest, file_lock
from trainables.data.decode import DECODER, Fit, decode_all
from trainables.data.source import DataError, Progress, Source, SplitName, listed, printable
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
    notes: tuple[str, ...] = ()
    """What was converted on the way and what was left out, one line each."""

    def lines(self) -> list[str]:
        """What the data are: classes and images, then the notes."""
        smallest = int(np.bincount(self.train.labels_N, minlength=self.num_classes).min())
        return [counts_line(self.num_classes, self.sizes, smallest), *self.notes]


def counts_line(classes: int, sizes: Mapping[str, int], smallest: int | None = None) -> str:
    """How many classes, and images a split; `smallest`: training images of the class that has the fewest."""
    splits = ", ".join(f"{split} {count:,}" if count else f"{split} none" for split, count in sizes.items())
    return f"{classes:,} classes, {splits}" + ("" if smallest is None else f"; smallest class {smallest:,} images")


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
    say, source, folder = _speaker(progress), source_of(cfg), cache_folder(cfg.cache_dir)
    whole = _decoded(source, "train", folder, say)
    meta = whole.entry.meta
    names = tuple(meta["class_names"])
    rows = split_rows(whole.entry.labels_N, names, cfg)
    key = " ".join([whole.key, *(f"{name}={getattr(cfg, name)}" for name in _SPLITTING)])
    train, validation = (
        _subset(whole.entry, rows[i], folder, f"{source.name}-{part}", f"{part} {key}", say)
        for i, part in enumerate(("train", "validation"))
    )
    dataset = Dataset(
        name=source.name,
        fingerprint=whole.fingerprint,
        num_classes=len(names),
        class_names=names,
        channels=meta["channels"],
        image_size=meta["image_size"],
        mean=tuple(meta["mean"]),
        std=tuple(meta["std"]),
        train=train,
        validation=validation,
        sizes={"train": len(train.labels_N), "validation": len(validation.labels_N), "test": _count_test(source)},
        notes=tuple(map(printable, [*meta["notes"], *source.notes("train")])),
    )
    if whole.fresh:
        for line in dataset.lines():
            say(f"data: {line}")
    return dataset


def load_test(cfg: DataConfig, progress: Progress | None = None) -> Split:
    """The test split, from a cache entry of its own, with channels, size and classes as train has them.

    Raises DataError that names the file and the row of an image or label that is not like this.
    """
    say, source, folder = _speaker(progress), source_of(cfg), cache_folder(cfg.cache_dir)
    train = _decoded(source, "train", folder, say).entry.meta
    fit = Fit(train["channels"], train["image_size"], len(train["class_names"]))
    test = _decoded(source, "test", folder, say, fit, tuple(train["class_names"]))
    if test.fresh:
        for line in [*test.entry.meta["notes"], *source.notes("test"), *_classes_without(test.entry, train)]:
            say(f"test data: {line}")
    return Split(test.entry.images_NCHW, test.entry.labels_N, test.entry.ids_N)


def check_test(cfg: DataConfig, progress: Progress | None = None) -> None:
    """Decodes and caches the whole test split, so that what is wrong with it is known before anything is trained.

    The offline evaluation then reads the cache. Nothing is scored. Raises DataError as `load_test` does.
    """
    load_test(cfg, progress)


def _classes_without(test: Entry, train: Mapping[str, Any]) -> list[str]:
    names = train["class_names"]
    counts = np.bincount(test.labels_N, minlength=len(names))
    missing = [name for name, count in zip(names, counts, strict=True) if not count]
    return [f"no image of {listed(missing)}"] if missing else []


def _speaker(progress: Progress | None) -> Progress:
    def say(message: str) -> None:
        if progress is not None:
            progress(printable(message))

    return say


_SPLITTING = ("validation_per_class", "train_limit", "split_seed")
_ELSEWHERE = {"root", "download", "cache_dir", "options", "test_share", *_SPLITTING}
"""Settings that do not decide what an image of the whole split becomes, or that `Source.settings` or `reading` names;
any other one, new ones too, is in the key."""


class _Whole(NamedTuple):
    entry: Entry
    fingerprint: str
    key: str
    """All that decides the arrays of the entry, where the fingerprint leaves out the versions of programs."""
    fresh: bool
    """Decoded by this call."""


def _decoded(
    source: Source,
    split: SplitName,
    folder: Path,
    say: Progress,
    fit: Fit | None = None,
    classes: tuple[str, ...] = (),
) -> _Whole:
    """The whole split. `fit`, `classes`: what train is like, and its classes in the order of the labels, for test."""
    with file_lock(folder / f"{source.name}.lock", say):
        source.prepare(say)
    content = _content(source, split, folder)
    identity = digest(source.name, split, content, *source.settings(), source.cfg.image_size)
    settings = sorted(source.cfg.model_dump(exclude=_ELSEWHERE).items())
    key = digest(identity, DECODER, PIL.__version__, settings, fit, classes, *source.reading())
    fresh = []

    def build(path: Path) -> dict[str, Any]:
        names = classes or source.class_names()
        if not source.count(split):
            raise DataError(f"{source.name}: no {split} images found")
        say(f"{source.name}: decoding {source.count(split):,} {split} images once, into {folder}")
        fresh.append(True)
        meta = decode_all(
            source.items(split),
            source.count(split),
            image_size=source.cfg.image_size,
            fit=fit,
            folder=path,
            progress=lambda message: say(f"{source.name} {split}: {message}"),
        )
        if _content(source, split, folder) != content:
            raise DataError(f"{source.name}: the {split} files changed while they were read; start again")
        return meta | {"class_names": list(names), "content": source.content}

    entry = cached(folder, f"{source.name}-{split}-all", key, build, say)
    if handed_over := entry.meta.get("content"):
        identity = digest(identity, handed_over)
    return _Whole(entry, identity[:16], key, bool(fresh))


def _content(source: Source, split: SplitName, folder: Path) -> str:
    """Hash of the split's files; empty if it has none of its own."""
    files = source.files(split)
    try:
        return content_hash(files, source.root, folder) if files else ""
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror or error})") from error


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

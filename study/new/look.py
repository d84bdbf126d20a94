"""What lies in a folder: which kind of data it is, how many images of what size, or why it cannot be trained on."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from study.new.choice import Seen
from study.schema import UserError, files, wording
from trainables.data import decode
from trainables.data.cifar import FOLDERS
from trainables.data.image_folder import IMAGE_SUFFIXES
from trainables.data.source import DataError, listed
from trainables.data.sources import source_of
from trainables.data.walk import listing, walk
from trainables.settings.config import DataConfig

TEST_SHARE = 0.2
"""Of the images, where there is no test split."""
SAMPLE = 64
"""Images that are looked at for their size and colour."""
LIKE_SPLITS = ("train", "training", "trn", "test", "testing", "tst", "val", "valid", "validation")
LEAST = 3
"""Images of a class: one each for training, validation and test."""
LOOKED_FOR = (
    "looked for train/CLASS/*.png and test/CLASS/*.png, CLASS/*.png alone (or jpg, ...), train*.parquet, and "
    "torchvision's cifar-10-batches-py and cifar-100-python"
)


def look(text: str) -> Seen:
    """What the folder holds. Raises UserError with what was looked for and what was found."""
    folder = _folder(text)
    settings = kind(folder)
    if settings is None:
        raise UserError(f"--data {_shown(folder)}: no data to train on: {_found(folder)}\n{LOOKED_FOR}")
    return _counted(settings)


def kind(folder: Path) -> dict[str, Any] | None:
    """The settings below `data` that name the data in this folder; None if there are none.

    Raises UserError for data that are of a kind, but not as they must be.
    """
    for name, inner in FOLDERS.items():
        root = folder.parent if folder.name == inner else folder
        if (root / inner).is_dir():
            return {"name": name, "root": str(root), "download": False}
    if any(path for place in ("", "data", "train") for path in (folder / place).glob("*.parquet")):
        return _with_test({"name": "parquet", "root": str(folder)})
    names = [path.name for path in listing(folder).folders]
    if "train" in names:
        return _with_test({"name": "image_folder", "root": str(folder)})
    _refuse_other_splits(folder, names)
    if len(names) >= 2 and any(_images(folder / name) for name in names):
        return _with_test({"name": "image_folder", "root": str(folder)})
    return None


def _folder(text: str) -> Path:
    folder = files.user_path(text, "--data").absolute()
    if not folder.exists():
        raise UserError(f"--data: no folder {_shown(folder)} (looked from {_shown(Path.cwd())})")
    if not folder.is_dir():
        raise UserError(f"--data {_shown(folder)}: {files.what_it_is(folder)}, expected the folder of the images")
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise UserError(f"--data {_shown(folder)}: a path that is not UTF-8 cannot stand in a file") from None
    return folder


def _refuse_other_splits(folder: Path, names: list[str]) -> None:
    """Folders that are splits by another name would be taken for classes."""
    if splits := [name for name in names if name.lower() in LIKE_SPLITS]:
        raise UserError(
            f"--data {_shown(folder)}: {', '.join(map(repr, splits))} {'is' if len(splits) == 1 else 'are'} there, but "
            "no folder 'train': rename the splits to 'train' and 'test'"
        )
    beside = [name for name in ("test", "val", "validation") if (folder.parent / name).is_dir()]
    if folder.name == "train" and beside:
        raise UserError(
            f"--data {_shown(folder)}: is the training split of a folder that has '{beside[0]}' too; give "
            f"{_shown(folder.parent)}"
        )


def _with_test(settings: dict[str, Any]) -> dict[str, Any]:
    """With a share of the images kept for the test where no split is. Raises UserError for unusable training data."""
    try:
        source_of(DataConfig(**settings)).files("test")
    except DataError:
        return {**settings, "test_share": TEST_SHARE}
    return settings


def _counted(settings: dict[str, Any]) -> Seen:
    source = source_of(DataConfig(**settings))
    source.check("train")
    source.check("test")
    names, labels = source.class_names(), source.labels()
    if len(names) < 2:
        raise DataError(f"{source.root}: one class alone cannot be told from others; at least 2 are needed")
    counts = np.bincount(labels, minlength=len(names))
    if counts.min() < LEAST:
        poorest = int(counts.argmin())
        raise DataError(
            f"{source.root}: class {names[poorest]} has {counts[poorest]} training images; at least {LEAST} are needed"
        )
    step = max(1, len(labels) // SAMPLE)
    sample = [decode.decode_item(item, None) for item in islice(source.items("train"), 0, None, step)]
    sides = [min(image.pixels_CHW.shape[1:]) for image in sample]
    return Seen(
        data=settings,
        classes=len(names),
        images=len(labels),
        smallest=int(counts.min()),
        test=source.count("test"),
        sides=(min(sides), max(sides)),
        grey=all(image.grey for image in sample),
    )


# --- what there is instead ---


def _found(folder: Path) -> str:
    """What lies there, in words, and where data may be meant to be."""
    there = listing(folder)
    if not (there.folders or there.files):
        return "it is empty"
    images = [path for path in there.files if _is_image(path)]
    others = [path for path in there.files if not _is_image(path)]
    parts = [f"{len(images):,} images in no class's folder"] if images else []
    parts += [f"files {_names(others)}"] if others else []
    parts += [f"folders {_names(there.folders)}"] if there.folders else []
    inner = next((path for path in there.folders if _is_data(path)), None)
    return f"found {', '.join(parts)}" + (f"; did you mean {_shown(inner)}?" if inner else "")


def _is_data(folder: Path) -> bool:
    try:
        return kind(folder) is not None
    except UserError:
        return False


def _names(paths: list[Path]) -> str:
    return wording.shorten(listed([path.name for path in paths], 3))


def _images(folder: Path) -> bool:
    """Whether an image lies in the folder or below."""
    return any(map(_is_image, walk(folder).files))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _shown(path: Path) -> str:
    return wording.shorten(wording.printable(str(path)))

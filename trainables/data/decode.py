"""Encoded images -> one uint8 NCHW file on disk, in bounded memory. Only Pillow decodes.

Shape legend: `N` images, `C` channels (1 if all training images are grey, else 3), `H` = `W` = side of the squares.

Images are upright (their EXIF orientation is applied) and converted as Pillow's `convert` does: to "L" (luminance) or
to "RGB" (grey images have R = G = B, CMYK and palettes become RGB). Transparency is dropped: the colours beneath it are
kept, as torchvision's loader does. Of several frames the first is taken. Grey images of 16 or more bits are refused:
Pillow's `convert` would clip them at 255. Grey is what the file declares so, not colours that happen to be equal.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from trainables.data.source import DataError, Item, Progress

_GREY_MODES = ("1", "L", "LA")
_ORIENTATION = 0x0112  # EXIF tag
_BATCH = 512
_EVERY_S = 2.0  # seconds between progress messages


DECODER = 2
"""Version of what this file makes of an image; part of every cache key. Raise it when pixels or labels change."""


class Decoded(NamedTuple):
    pixels_CHW: np.ndarray
    grey: bool
    """As it was in the file, as is the next."""
    transparent: bool


class Fit(NamedTuple):
    """What the training images are like, where others must be like them."""

    channels: int
    image_size: int
    classes: int


def decode_item(item: Item, image_size: int | None, channels: int = 3) -> Decoded:
    """Raises DataError if Pillow cannot read the image, or if it has more than 8 bits per channel."""
    try:
        image = _open(item.payload)
        if image.mode.startswith(("I", "F")):
            raise DataError(f"{item.where}: image mode {image.mode} has more than 8 bits; convert the images to 8 bits")
        grey = image.mode in _GREY_MODES
        transparent = image.info.pop("transparency", None) is not None or image.mode[-1] in "Aa"
        image = _upright(image).convert("L" if channels == 1 else "RGB")
    except DataError:
        raise
    except Exception as error:  # Pillow's plugins raise anything on broken files
        raise DataError(f"{item.where}: not an image that Pillow can read ({error})") from error
    if image_size is not None and image.size != (image_size, image_size):
        image = _resize(image, image_size)
    pixels = np.asarray(image)
    return Decoded(pixels[None] if channels == 1 else pixels.transpose(2, 0, 1), grey, transparent)


def _open(payload: bytes | Path | np.ndarray) -> Image.Image:
    if isinstance(payload, np.ndarray):
        return Image.fromarray(payload)
    image = Image.open(io.BytesIO(payload if isinstance(payload, bytes) else payload.read_bytes()))
    image.load()
    return image


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says; as it is if that cannot be read."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged metadata: the pixels are sound
        return image
    return image if orientation == 1 else ImageOps.exif_transpose(image)


def _resize(image: Image.Image, size: int) -> Image.Image:
    """Shorter side to `size` (bicubic), then the centre square, as torchvision's Resize + CenterCrop."""
    width, height = image.size
    short = min(width, height)
    width, height = max(size, round(width * size / short)), max(size, round(height * size / short))
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - size) // 2, (height - size) // 2
    return image.crop((left, top, left + size, top + size))


@dataclass
class _Tally:
    """What has been decoded so far."""

    done: int = 0
    grey: int = 0
    transparent: int = 0

    def add(self, image: Decoded) -> None:
        self.done += 1
        self.grey += image.grey
        self.transparent += image.transparent

    def notes(self, channels: int) -> list[str]:
        """One line for each conversion that not all images needed, or that loses something."""
        lines, coloured = [], self.done - self.grey
        if channels == 1 and coloured:
            lines.append(f"{coloured:,} of {self.done:,} images are coloured: made grey, as the training images are")
        if channels == 3 and self.grey:
            lines.append(f"{self.grey:,} of {self.done:,} images are grey: kept as RGB with R = G = B, like the others")
        if self.transparent:
            lines.append(f"{self.transparent:,} of {self.done:,} images have transparency: dropped")
        return lines


def decode_all(
    items: Iterable[Item], count: int, *, image_size: int | None, fit: Fit | None, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Writes images.npy, labels.npy and ids.npy (0 .. N-1) into `folder`; returns channels, size, mean, std and notes.

    `fit`: what the images and labels must be like, None to find out. `mean`, `std`: per channel, of 0..1. Threads share
    the decoding. Raises DataError, naming file and row, for unequal sizes (unless `image_size` is set), for images that
    are not square, and for labels that `fit` does not have.
    """
    iterator = iter(items)
    first = next(iterator, None)
    if first is None:
        raise DataError("no images found")
    side = _side(first, image_size, fit)
    path = folder / "images.npy"
    channels = fit.channels if fit else 3
    store = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, channels, side, side))
    labels_N = np.empty(count, dtype=np.int64)
    like = "training images are" if fit else f"{first.where} is"
    tally = _fill(store, labels_N, chain((first,), iterator), image_size, (fit, like), progress)
    if tally.done != count:
        raise DataError(f"expected {count:,} images, found {tally.done:,}: did the files change meanwhile?")
    store.flush()
    if fit is None and tally.grey == count:
        channels, store = 1, _first_channel(store, path)
    np.save(folder / "labels.npy", labels_N)
    np.save(folder / "ids.npy", np.arange(count, dtype=np.int64))
    mean, std = moments(store)
    return {"channels": channels, "image_size": side, "mean": mean, "std": std, "notes": tally.notes(channels)}


def _side(first: Item, image_size: int | None, fit: Fit | None) -> int:
    """Pixels that each image has a side."""
    if fit is not None:
        return fit.image_size
    height, width = decode_item(first, image_size).pixels_CHW.shape[1:]
    if height != width:
        raise DataError(f"{first.where}: images must be square, got {width}x{height}: set data.image_size")
    return height


def _fill(
    store: np.ndarray,
    labels_N: np.ndarray,
    items: Iterable[Item],
    image_size: int | None,
    expected: tuple[Fit | None, str],
    progress: Progress,
) -> _Tally:
    """Decodes into `store` and `labels_N`, which may be larger than what comes."""
    (fit, like), (count, channels) = expected, store.shape[:2]
    tally, last_message = _Tally(), time.monotonic()
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for chunk in _batches(items):
            decoded = pool.map(lambda item: decode_item(item, image_size, channels), chunk)
            for item, image in zip(chunk, decoded, strict=True):
                if tally.done >= count:
                    more = f"more than the expected {count:,} images: did the files change meanwhile?"
                    raise DataError(f"{item.where}: {more}")
                _check_label(item, fit)
                _check_size(image.pixels_CHW, store, item, like)
                store[tally.done], labels_N[tally.done] = image.pixels_CHW, item.label
                tally.add(image)
            if time.monotonic() - last_message > _EVERY_S:
                progress(f"decoded {tally.done:,} of {count:,} images")
                last_message = time.monotonic()
    return tally


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, _BATCH)):
        yield batch


def _check_label(item: Item, fit: Fit | None) -> None:
    if fit is not None and not 0 <= item.label < fit.classes:
        raise DataError(
            f"{item.where}: the test split has label {item.label}, but train has only classes 0 .. {fit.classes - 1}"
        )


def _check_size(pixels: np.ndarray, store: np.ndarray, item: Item, like: str) -> None:
    if pixels.shape != store.shape[1:]:
        expected, got = store.shape[:1:-1], pixels.shape[:0:-1]
        raise DataError(
            f"{item.where} is {got[0]}x{got[1]} pixels, but {like} {expected[0]}x{expected[1]}: "
            "images must share one size; set data.image_size to resize them"
        )


def _first_channel(store: np.ndarray, path: Path) -> np.ndarray:
    """Grey images were decoded as R = G = B: keep one."""
    smaller = path.with_name("grey.npy")
    shape = (len(store), 1, *store.shape[2:])
    target = np.lib.format.open_memmap(smaller, mode="w+", dtype=np.uint8, shape=shape)
    for start in range(0, len(store), 4096):
        target[start : start + 4096] = store[start : start + 4096, :1]
    target.flush()
    os.replace(smaller, path)
    return target


def moments(images_NCHW: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel, of 0..1; the deviation is at least 1/255 (constant images)."""
    channels = images_NCHW.shape[1]
    histogram = np.zeros((channels, 256))
    for start in range(0, len(images_NCHW), 1024):
        chunk = images_NCHW[start : start + 1024]
        for c in range(channels):
            histogram[c] += np.bincount(chunk[:, c].ravel(), minlength=256)
    level = np.arange(256) / 255
    share = histogram / histogram.sum(1, keepdims=True)
    mean = share @ level
    std = np.sqrt(np.maximum(share @ level**2 - mean**2, 0))
    return mean.tolist(), np.maximum(std, 1 / 255).tolist()

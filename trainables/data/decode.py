"""Encoded images -> one uint8 NCHW file on disk, in bounded memory. Only Pillow decodes.

Shape legend: `N` images, `C` channels (1 if all images are grey, else 3), `H` = `W` = side of the square images.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from trainables.data.source import DataError, Item, Progress

_GREY_MODES = ("1", "L", "LA")
_BATCH = 512
_EVERY_S = 2.0  # seconds between progress messages


class Decoded(NamedTuple):
    pixels_3HW: np.ndarray
    grey: bool


def decode_item(item: Item, image_size: int | None) -> Decoded:
    """Raises DataError if Pillow cannot read the image, or if it has more than 8 bits per channel."""
    try:
        image = _open(item.payload)
        if image.mode.startswith(("I", "F")):
            raise DataError(f"{item.where}: image mode {image.mode} has more than 8 bits; convert the images to 8 bits")
        grey = image.mode in _GREY_MODES
        image = image.convert("RGB")
    except DataError:
        raise
    except Exception as error:  # Pillow's plugins raise anything on broken files
        raise DataError(f"{item.where}: not an image that Pillow can read ({error})") from error
    if image_size is not None and image.size != (image_size, image_size):
        image = _resize(image, image_size)
    return Decoded(np.asarray(image).transpose(2, 0, 1), grey)


def _open(payload: bytes | Path | np.ndarray) -> Image.Image:
    if isinstance(payload, np.ndarray):
        return Image.fromarray(payload)
    return Image.open(io.BytesIO(payload) if isinstance(payload, bytes) else payload)


def _resize(image: Image.Image, size: int) -> Image.Image:
    """Shorter side to `size` (bicubic), then the centre square, as torchvision's Resize + CenterCrop."""
    width, height = image.size
    short = min(width, height)
    width, height = max(size, round(width * size / short)), max(size, round(height * size / short))
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - size) // 2, (height - size) // 2
    return image.crop((left, top, left + size, top + size))


def decode_all(
    items: Iterable[Item], count: int, *, image_size: int | None, channels: int | None, folder: Path, progress: Progress
) -> dict[str, list[float] | int]:
    """Writes images.npy, labels.npy and ids.npy (0 .. N-1) into `folder`; returns channels, size, mean and std.

    `channels`: 1 or 3 to force, None to find out. `mean`, `std`: per channel, of 0..1. Threads share the decoding.
    Raises DataError for unequal sizes (unless `image_size` is set) and for images that are not square.
    """
    iterator = iter(items)
    first = next(iterator, None)
    if first is None:
        raise DataError("no images found")
    side = decode_item(first, image_size).pixels_3HW.shape
    if side[1] != side[2]:
        raise DataError(f"{first.where}: images must be square, got {side[2]}x{side[1]}: set data.image_size")
    path = folder / "images.npy"
    store = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, *side))
    labels_N = np.empty(count, dtype=np.int64)
    done, all_grey, last_message = 0, True, time.monotonic()
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for chunk in _batches(chain((first,), iterator)):
            for item, (pixels, grey) in zip(chunk, pool.map(lambda i: decode_item(i, image_size), chunk), strict=True):
                _check_size(pixels, store, item, first, done, count)
                store[done], labels_N[done] = pixels, item.label
                all_grey &= grey
                done += 1
            if time.monotonic() - last_message > _EVERY_S:
                progress(f"decoded {done:,} of {count:,} images")
                last_message = time.monotonic()
    if done != count:
        raise DataError(f"expected {count:,} images, found {done:,}: did the files change meanwhile?")
    store.flush()
    channels = channels or (1 if all_grey else 3)
    if channels == 1:
        store = _first_channel(store, path)
    np.save(folder / "labels.npy", labels_N)
    np.save(folder / "ids.npy", np.arange(count, dtype=np.int64))
    mean, std = moments(store)
    return {"channels": channels, "image_size": side[1], "mean": mean, "std": std}


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, _BATCH)):
        yield batch


def _check_size(pixels: np.ndarray, store: np.ndarray, item: Item, first: Item, done: int, count: int) -> None:
    if done >= count:
        raise DataError(f"{item.where}: more than the expected {count:,} images: did the files change meanwhile?")
    if pixels.shape != store.shape[1:]:
        expected, got = store.shape[:1:-1], pixels.shape[:0:-1]
        raise DataError(
            f"{item.where} is {got[0]}x{got[1]} pixels, but {first.where} is {expected[0]}x{expected[1]}: "
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

"""A run small enough for tests: 128 digits, a narrow encoder, four steps an epoch."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits

from trainables.data.dataset import Dataset, Split
from trainables.settings.config import RunConfig

TINY: dict[str, Any] = {
    "device": "cpu",
    "data": {"name": "digits", "train_limit": 128, "validation_per_class": 10},
    "encoder": {"name": "small_conv", "width": 4},
    "heads": {"projector_hidden": 16, "embedding_dim": 8, "predictor_hidden": 16},
    "support": {"k": 10, "queue_size": 50, "forget_every": 2},
    "train": {"epochs": 3, "batch_size": 32},
    "optimizer": {"name": "lars", "learning_rate": 0.2, "warmup_epochs": 1},
    "probe": {"few_shot_draws": 2, "knn_k": 5},
}


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`changes` over `base`, section by section."""
    result = dict(base)
    for key, value in changes.items():
        nested = isinstance(value, dict) and isinstance(base.get(key), dict)
        result[key] = merged(base[key], value) if nested else value
    return result


def tiny(method: str = "kmclr", **changes: Any) -> RunConfig:
    return RunConfig(**merged(TINY | {"method": method}, changes))


@cache
def digits(train: int = 128, validation: int = 100) -> Dataset:
    """A slice of scikit-learn's digits, without files."""
    raw = load_digits()
    images = (raw.images * (255 / 16)).round().astype(np.uint8)[:, None]
    labels = raw.target.astype(np.int64)
    splits = []
    for start, stop in ((0, train), (train, train + validation)):
        splits.append(Split(images[start:stop], labels[start:stop], np.arange(start, stop, dtype=np.int64)))
    pixels = splits[0].images_NCHW / 255
    return Dataset(
        name="digits",
        fingerprint="f" * 16,
        num_classes=10,
        class_names=tuple("0123456789"),
        channels=1,
        image_size=8,
        mean=(float(pixels.mean()),),
        std=(float(pixels.std()),),
        train=splits[0],
        validation=splits[1],
        sizes={"train": train, "validation": validation, "test": 0},
    )


MEASURED = ("peak_memory_bytes", "images_per_s", "train_s", "epoch_s")


def timeless(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what differs from run to run."""
    return {name: value for name, value in report.items() if name not in MEASURED}


def same(first: Any, second: Any) -> bool:
    """Bitwise equality of nested states."""
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(same(a, b) for a, b in zip(first, second, strict=True))
    return first == second

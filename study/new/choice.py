"""What a new file is made from and made of: what lies in the folder, and the settings that were chosen for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

WEAK_VIEW = {"crop_min": 0.8, "flip": 0.0, "jitter": 0.0, "grey": 0.0}
"""As in the rehearsals of `configs/`: under these views support sets add something on small grey images."""
FEW_SHOT_LABELS = 5
LEARNING_RATE = 0.4
"""Of the default recipe at batches of 256; smaller for smaller ones."""


@dataclass(frozen=True)
class Seen:
    """What lies in a folder of data."""

    data: Mapping[str, Any]
    """The settings below `data` that name it."""
    classes: int
    images: int
    """Training images, those for validation included."""
    smallest: int
    """Of them, in the smallest class."""
    test: int
    sides: tuple[int, int]
    """Pixels of the shorter sides of some images: the smallest and the largest."""
    grey: bool


class Network(NamedTuple):
    """An encoder with its heads, and the side of the square images that it is given, in pixels."""

    encoder: Mapping[str, Any]
    heads: Mapping[str, int]
    optimizer: Mapping[str, Any]
    """Empty: the default recipe."""
    image_size: int
    batch_sizes: tuple[int, int, int]
    """For some hundred, for some thousand and for more training images."""


@dataclass(frozen=True)
class Choice:
    """All that a new file says, for a study or for one run."""

    seen: Seen
    network: Network
    epochs: int
    train_limit: int | None
    """Training images that are used; None: all but those for validation."""
    trials: int = 1
    seeds: int = 1
    points: int = 1
    minutes: float = 0.0
    """Asked for."""
    seconds: float = 0.0
    """Expected."""
    crowding: float = 1.0
    """Above 1: that is if nothing else runs, and so many times as long as busy as the machine is now."""

    @property
    def validation_per_class(self) -> int:
        """A fifth of the smallest class as far as it is used."""
        used = self.seen.smallest
        if self.train_limit is not None:
            used = min(used, math.ceil(1.25 * self.train_limit / self.seen.classes))
        return max(1, min(50, used // 5))

    @property
    def train(self) -> int:
        """Images that are trained on."""
        left = self.seen.images - self.seen.classes * self.validation_per_class
        return left if self.train_limit is None else min(left, self.train_limit)

    @property
    def validation(self) -> int:
        return self.seen.classes * self.validation_per_class

    @property
    def smallest(self) -> int:
        """Images of the smallest class that are trained on, at least."""
        left = self.seen.smallest - self.validation_per_class
        whole = self.seen.images - self.validation
        return left if self.train >= whole else max(1, left * self.train // whole - 1)

    @property
    def batch_size(self) -> int:
        few, some, many = self.network.batch_sizes
        return few if self.train < 400 else some if self.train < 10_000 else many

    @property
    def weak_views(self) -> bool:
        return self.seen.grey or self.network.image_size <= 16

    @property
    def prototypes(self) -> tuple[int, int, int]:
        """Least, middling and most: about four images to a prototype, and not fewer than a quarter of the classes."""
        least = max(5, self.seen.classes // 4)
        most = max(2 * least, min(2000, self.train // 4))
        return least, _round(math.sqrt(least * most)), most

    @property
    def queue(self) -> tuple[int, int]:
        """Least and most: powers of two, up to some epochs' embeddings."""
        most = max(64, 2 ** int(math.log2(min(65536, 4 * self.train))))
        return max(16, most // 128), most

    @property
    def score(self) -> str:
        """What accuracy is: that of few labels, or of neighbours where there are too few labels for it."""
        return "few_shot_acc1" if self.smallest >= 2 * FEW_SHOT_LABELS else "knn_acc1"


def _round(value: float) -> int:
    """To one digit, and two where that is 15 or 25."""
    unit = 10 ** max(0, math.floor(math.log10(value)))
    return int(min((step * unit for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)), key=lambda step: abs(step - value)))


def run_sections(choice: Choice) -> dict[str, Any]:
    """The settings that a run and a study share."""
    limit = {} if choice.train_limit is None else {"train_limit": choice.train_limit}
    data = {**choice.seen.data, "image_size": choice.network.image_size}
    probe: dict[str, Any] = {"score": choice.score}
    if choice.smallest < FEW_SHOT_LABELS:
        probe["few_shot_labels"] = choice.smallest
    optimizer = choice.network.optimizer or {"learning_rate": LEARNING_RATE * choice.batch_size / 256}
    warmup = min(10, max(1, choice.epochs // 10)) if choice.epochs > 1 else 0
    return {
        "data": {**data, "validation_per_class": choice.validation_per_class, **limit},
        "encoder": dict(choice.network.encoder),
        **({"heads": dict(choice.network.heads)} if choice.network.heads else {}),
        "train": {"epochs": choice.epochs, "batch_size": choice.batch_size},
        "optimizer": {**optimizer, "warmup_epochs": warmup},
        **({"augment": {"view1": WEAK_VIEW, "view2": {**WEAK_VIEW, "solarise": 0.0}}} if choice.weak_views else {}),
        "probe": probe,
    }


def scheduler(epochs: int) -> dict[str, Any]:
    """Trials pause at a quarter and at half of the epochs."""
    return {"name": "promote", "grace_period": max(1, epochs // 4), "reduction_factor": 2}


def study_sections(choice: Choice) -> dict[str, Any]:
    """The settings of a study, but for its name and its question."""
    least, middling, most = choice.prototypes
    fewest, longest = choice.queue
    return {
        **run_sections(choice),
        "space": {
            "method": ["none", "nnclr", "kmclr"],
            "k": {"low": least, "high": most, "log": True},
            "queue_size": {"low": fewest, "high": longest, "log": True},
        },
        "baselines": [
            {"method": "none"},
            {"method": "nnclr", "queue_size": longest},
            {"method": "kmclr", "k": middling},
        ],
        "search": {"sampler": "front", "trials": choice.trials},
        "scheduler": scheduler(choice.epochs),
        "confirm": {
            "seeds": list(range(1, choice.seeds + 1)),
            "max_points": choice.points,
            "linear_epochs": 20 if choice.minutes < 120 else 90,
        },
        "budget": {"wall_clock_h": max(0.001, round(choice.minutes / 60, 3))},
    }

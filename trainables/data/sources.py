"""The sources of images by the name that `data.name` gives them."""

from __future__ import annotations

from trainables.data.cifar import Cifar
from trainables.data.digits import Digits
from trainables.data.image_folder import ImageFolder
from trainables.data.parquet import Parquet
from trainables.data.source import Source
from trainables.settings.config import DataConfig

SOURCES: dict[str, type[Source]] = {
    "digits": Digits,
    "cifar10": Cifar,
    "cifar100": Cifar,
    "parquet": Parquet,
    "image_folder": ImageFolder,
}


def source_of(cfg: DataConfig) -> Source:
    """The source that the settings name; nothing is read or checked yet."""
    return SOURCES[cfg.name](cfg)

"""The sources of images by the name that `data.name` gives them."""

from __future__ import annotations

from trainables.data.cifar import Cifar
from trainables.data.digits import Digits
from trainables.data.divided import Divided
from trainables.data.image_folder import ImageFolder
from trainables.data.own_source import OwnSource
from trainables.data.parquet import Parquet
from trainables.data.source import Source
from trainables.settings.config import DataConfig
from trainables.vocabulary.parts import SOURCES

SOURCES.add("digits", Digits)
SOURCES.add("cifar10", Cifar)
SOURCES.add("cifar100", Cifar)
SOURCES.add("parquet", Parquet)
SOURCES.add("image_folder", ImageFolder)
DIVIDABLE = ("parquet", "image_folder")
"""Those that `data.test_share` divides; the others have a test split of their own."""


def source_of(cfg: DataConfig) -> Source:
    """The source that the settings name; nothing is read or checked yet."""
    source = SOURCES[cfg.name](cfg)
    if cfg.name in SOURCES.loaded:
        return OwnSource(source)
    return source if cfg.test_share is None or cfg.name not in DIVIDABLE else Divided(source)

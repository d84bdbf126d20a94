"""Shared by the tests of sources: small pictures, Parquet shards of them, and settings that name them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from trainables.settings.config import DataConfig


def pixels(count: int, size: int = 6, channels: int = 3, seed: int = 0) -> np.ndarray:
    images = np.random.default_rng(seed).integers(0, 256, (count, size, size, channels), dtype=np.uint8)
    return images if channels == 3 else images[..., 0]


def png(image: np.ndarray | Image.Image, fmt: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, fmt)
    return buffer.getvalue()


def write_shard(path: Path, images: list[bytes], labels: list[int], *, struct=True, names=("img", "label"), meta=None):
    column = pa.array([{"bytes": b, "path": "x.png"} for b in images]) if struct else pa.array(images, pa.binary())
    table = pa.table({names[0]: column, names[1]: pa.array(labels, pa.int64()), "id": pa.array(range(len(labels)))})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(meta), path)


def own(root: Path, name: str = "parquet", **changes) -> DataConfig:
    return DataConfig(name=name, root=str(root), **{"validation_per_class": 2, **changes})

"""Images in Parquet shards: a column of encoded images (bytes, or a struct with a field `bytes`) and one of labels."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trainables.data.shards import refuse_gaps, shards
from trainables.data.source import DataError, Item, Source, SplitName, listed

IMAGE_COLUMNS = ("img", "image", "images", "picture", "png", "jpg", "jpeg", "bytes", "data")
LABEL_COLUMNS = ("label", "labels", "fine_label", "class", "target", "y", "category")
_ROWS = 1024  # read at a time


class Parquet(Source):
    """Shards train*.parquet and test*.parquet in root, root/data, root/train or root/test.

    Without test shards, validation*.parquet or val*.parquet are the test split (many public sets publish no labelled
    test set). Labels are whole numbers 0 .. classes - 1; names come from the schema's metadata where present.
    Shards that are numbered must all be there. Columns are those of the first training shard where a shard has them.
    """

    def files(self, split: SplitName) -> list[Path]:
        patterns = ("train",) if split == "train" else ("test", "validation", "val")
        for prefix in patterns:
            for folder in (self.root, self.root / "data", self.root / prefix):
                glob = "*.parquet" if folder.name == prefix and folder != self.root else f"{prefix}*.parquet"
                if found := shards(folder, glob):
                    refuse_gaps(found)
                    return found
        present = ", ".join(sorted(p.name for p in self.root.rglob("*.parquet"))[:10]) or "none"
        wanted = " or ".join(f"{prefix}*.parquet" for prefix in patterns)
        raise DataError(f"data.root={self.root}: no {wanted} (Parquet files there: {present})")

    def check(self, split: SplitName) -> None:
        for path in self.files(split):
            self._columns(path)

    def settings(self) -> tuple[object, ...]:
        return self._columns(self.files("train")[0])

    def count(self, split: SplitName) -> int:
        return sum(_open(path).metadata.num_rows for path in self.files(split))

    @cached_property
    def _usual(self) -> tuple[str, str]:
        return self._find_columns(self.files("train")[0], ())

    def _columns(self, path: Path) -> tuple[str, str]:
        """Names of the image and of the label column of a shard. Raises DataError that lists the columns."""
        return self._find_columns(path, self._usual)

    def _find_columns(self, path: Path, usual: tuple[str, ...]) -> tuple[str, str]:
        schema = _open(path).schema_arrow
        image = self.cfg.image_column or self._guess(schema, usual[:1] + IMAGE_COLUMNS, _is_image)
        label = self.cfg.label_column or self._guess(schema, usual[1:] + LABEL_COLUMNS, pa.types.is_integer)
        for setting, name, kind, fits in (
            ("data.image_column", image, "bytes or a struct with a field `bytes`", _is_image),
            ("data.label_column", label, "whole numbers", pa.types.is_integer),
        ):
            problem = None
            if name is None:
                problem = f"no column of {kind} recognised; set {setting}"
            elif name not in schema.names:
                problem = f"{setting}={name} is not a column"
            elif not fits(schema.field(name).type):
                problem = f"{setting}={name} is {schema.field(name).type}, expected {kind}"
            if problem:
                columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
                raise DataError(f"{path}: {problem}. Columns: {columns}")
        return image, label

    @staticmethod
    def _guess(schema: pa.Schema, candidates: tuple[str, ...], fits: Callable[[pa.DataType], bool]) -> str | None:
        names = [field.name for field in schema if fits(field.type)]
        return _first_of(names, candidates) or (names[0] if len(names) == 1 else None)

    @cached_property
    def _train_labels(self) -> np.ndarray:
        parts = []
        for path in self.files("train"):
            column = _open(path).read(columns=[self._columns(path)[1]]).column(0)
            if column.null_count:
                first = int(np.argmax(column.is_null().to_numpy()))
                raise DataError(f"{path}: {column.null_count} rows have no label, row {first} is the first")
            parts.append(column.to_numpy())
        return np.concatenate(parts)

    def class_names(self) -> tuple[str, ...]:
        path = self.files("train")[0]
        label = self._columns(path)[1]
        labels = self._train_labels
        if len(labels) == 0:
            raise DataError(f"{path}: no rows")
        lowest, classes = int(labels.min()), int(labels.max()) + 1
        names = _names_in_metadata(_open(path).schema_arrow, label)
        if lowest < 0 or len(np.unique(labels)) != classes:
            raise DataError(
                f"{path}: labels in column {label} must be 0 .. classes - 1 with every class present, "
                f"got {len(np.unique(labels))} different values from {lowest} to {classes - 1}"
            )
        return names if len(names) == classes else tuple(str(i) for i in range(classes))

    def labels(self) -> np.ndarray:
        return self._train_labels.astype(np.int64)

    def items(self, split: SplitName) -> Iterator[Item]:
        for path in self.files(split):
            image, label = self._columns(path)
            row = 0
            for batch in _batches(path, [image, label]):
                column = batch.column(batch.schema.get_field_index(image))
                if pa.types.is_struct(column.type):
                    column = column.field("bytes")
                labels = batch.column(batch.schema.get_field_index(label))
                for payload, value in zip(column.to_pylist(), labels.to_pylist(), strict=True):
                    where = f"{path} row {row}"
                    if payload is None or value is None:
                        raise DataError(f"{where}: no {'image' if payload is None else 'label'}")
                    yield Item(payload, value, where)
                    row += 1

    def notes(self, split: SplitName) -> list[str]:
        """Shards that belong to no split; said with train."""
        if split != "train":
            return []
        used = set(self.files("train"))
        with contextlib.suppress(DataError):
            used |= set(self.files("test"))
        folders = [self.root / name for name in ("", "data", "train", "test", "validation", "val")]
        there = [path for folder in folders for path in shards(folder, "*.parquet")]
        left = [path.relative_to(self.root).as_posix() for path in there if path not in used]
        return [f"not used, of no split: {listed(left)}"] if left else []


def _batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    try:
        yield from _open(path).iter_batches(batch_size=_ROWS, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: damaged Parquet file ({str(error).splitlines()[0]})") from error


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from error


def _is_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and _is_image(kind.field(index).type)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _names_in_metadata(schema: pa.Schema, label: str) -> tuple[str, ...]:
    """Class names from `LABEL_names` (comma-separated) or from the `datasets` library's JSON; () if there are none."""
    metadata = schema.metadata or {}
    names = metadata.get(f"{label}_names".encode())
    if names:
        return tuple(names.decode(errors="replace").split(","))
    try:
        return tuple(json.loads(metadata[b"huggingface"])["info"]["features"][label]["names"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return ()


def _first_of(names: Sequence[str], candidates: Sequence[str]) -> str | None:
    """The first candidate among the names, letter case ignored."""
    lower = {name.lower(): name for name in names}
    return next((lower[c.lower()] for c in candidates if c.lower() in lower), None)

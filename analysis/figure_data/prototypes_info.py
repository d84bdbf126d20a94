"""Pictures of prototypes and embeddings over the epochs, read from projections/<trial_id>.jsonl of a results folder.

One line per pictured epoch: {"schema", "epoch", "vectors": [[x, y]], "sample": [[x, y]], "labels": [int],
"variance_shown": share}. Row i of `vectors` is the same prototype in every line; both have no unit (unit embeddings,
two principal components turned onto the picture before).
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.figure_data.common import NotEnough, completed
from analysis.results.points import with_support
from study import schema
from study.schema import files, lines


class Picture(NamedTuple):
    """One epoch: prototypes [K, 2], sampled validation embeddings [S, 2], their labels [S]."""

    epoch: int
    vectors: np.ndarray
    sample: np.ndarray
    labels: np.ndarray
    variance_shown: float


class Movement(NamedTuple):
    """All pictures of one trial, by epoch. travelled[i]: mean distance of the prototypes from picture i - 1 to i
    (NaN for the first and where their number changed)."""

    trial_id: str
    label: str
    method: str
    pictures: tuple[Picture, ...]
    travelled: np.ndarray


def read_pictures(path: Path) -> tuple[Picture, ...]:
    """Strict: a bad line is a DamagedFile naming file and line; a torn last line is dropped with a warning.

    An epoch that is there twice (re-run after a restart) counts as written last.
    """
    found: dict[int, Picture] = {}
    for number, line in lines.read_json_lines(path):
        picture = _picture(line, f"{path}:{number}")
        found[picture.epoch] = picture
    return tuple(found[epoch] for epoch in sorted(found))


def _picture(line: dict[str, Any], place: str) -> Picture:
    schema.checked_fields(line, schema.PROJECTIONS_DIR, place)
    try:
        vectors, sample = (np.array(line[name], float).reshape(len(line[name]), 2) for name in ("vectors", "sample"))
    except (TypeError, ValueError):
        raise files.DamagedFile(f"{place}: vectors and sample must be lists of [x, y]") from None
    labels = np.asarray(line["labels"])
    if labels.shape != (len(sample),):
        raise files.DamagedFile(f"{place}: {len(sample)} rows of sample need as many labels, got {labels.size}")
    return Picture(line["epoch"], vectors, sample, labels, float(line.get("variance_shown", np.nan)))


def movement(folder: Path, trials: pd.DataFrame) -> Movement:
    """The pictured trial with prototypes that ran longest, then was most accurate. Raises NotEnough without one."""
    paths = {path.stem: path for path in sorted((Path(folder) / schema.PROJECTIONS_DIR).glob("*.jsonl"))}
    if not paths:
        raise NotEnough("no pictures on record (set probe.projection_every to keep some)")
    rows = with_support(trials[trials["trial_id"].isin(list(paths))], "prototypes")
    if rows.empty:
        raise NotEnough("no ended trial with prototypes among the pictured ones")
    best = completed(rows) if len(completed(rows)) else rows
    chosen = best.sort_values(["epochs", schema.ACCURACY], ascending=False, na_position="last").iloc[0]
    pictures = read_pictures(paths[chosen["trial_id"]])
    if len(pictures) < 2:
        raise NotEnough(f"{len(pictures)} picture of {chosen['trial_id']}; movement needs two")
    return Movement(
        str(chosen["trial_id"]), str(chosen["label"]), str(chosen["method"]), pictures, _travelled(pictures)
    )


def _travelled(pictures: tuple[Picture, ...]) -> np.ndarray:
    steps = [np.nan]
    for before, after in itertools.pairwise(pictures):
        same = before.vectors.shape == after.vectors.shape and len(after.vectors)
        steps.append(float(np.linalg.norm(after.vectors - before.vectors, axis=1).mean()) if same else np.nan)
    return np.array(steps)


def limits(pictures: tuple[Picture, ...]) -> tuple[float, float]:
    """One range for both axes and all epochs that holds every point, with a margin of 4 %."""
    everything = np.concatenate([np.concatenate([p.vectors, p.sample]) for p in pictures])
    half = 1.04 * float(np.abs(everything).max())
    return -half, half


def shown(pictures: tuple[Picture, ...], count: int) -> tuple[Picture, ...]:
    """At most `count` of them, evenly spread, first and last included."""
    index = np.unique(np.linspace(0, len(pictures) - 1, min(count, len(pictures))).round().astype(int))
    return tuple(pictures[i] for i in index)

"""What the original study reports, beside which a study of the same data may put its own numbers."""

from __future__ import annotations

import math
from importlib import resources
from typing import Any

import pandas as pd

from analysis.results.load import Results

SOURCE = (
    "Published: M. Rossini, Beyond Single Instance Positives For Contrastive Visual Representation Learning; "
    "CIFAR-100, ResNet-18, offline linear evaluation on test, one seed each"
)


def published() -> pd.DataFrame:
    """The original study's results: model, method, k, queue_size, forget_every, acc1, acc5 (%), vectors, note."""
    source = resources.files("analysis.results") / "published.csv"
    with resources.as_file(source) as path:
        return pd.read_csv(path, keep_default_na=True)


def is_published_setting(results: Results) -> bool:
    """Whether the published numbers are of this data: the whole of CIFAR-100 at 32 pixels, in a real study."""
    data = results.manifest["data"] if isinstance(results.manifest["data"], dict) else {}
    sizes = (data.get("classes"), data.get("test"), data.get("image_size"))
    return not results.rehearsal and sizes == (100, 10000, 32)


def _published_for(row: Any, table: pd.DataFrame) -> tuple[float, float, str]:
    match = table[table["method"] == row.method]
    for name in ("k", "queue_size", "forget_every"):
        value = getattr(row, f"p_{name}", None)
        if value is not None and not pd.isna(value):
            match = match[match[name] == value]
        elif match[name].notna().any() and name != "forget_every":
            return math.nan, math.nan, ""
    return (math.nan, math.nan, "") if match.empty else tuple(match.iloc[0][["acc1", "acc5", "model"]])


def beside(points: pd.DataFrame, results: Results) -> pd.DataFrame:
    """acc1, acc5 (%) and model of the original study, one row per point; NaN and "" where it reports none of this
    point, or the data differ."""
    if is_published_setting(results):
        table = published()
        known = [_published_for(row, table) for row in points.itertuples()]
    else:
        known = [(math.nan, math.nan, "")] * len(points)
    return pd.DataFrame(known, columns=["acc1", "acc5", "model"], index=points.index)

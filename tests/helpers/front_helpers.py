"""A small world for the search that knows what memory costs: a smooth accuracy over two numbers and a choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from study.search.front.belief import Seen

BOTH = {"accuracy": "max", "support_bytes": "min"}
EPOCHS = 27


def suggest(trial: Any) -> dict[str, Any]:
    """k applies to one of the two kinds alone."""
    point = {"kind": trial.suggest_categorical("kind", ["with", "without"]), "x": trial.suggest_float("x", 0, 1)}
    if point["kind"] == "with":
        point["k"] = trial.suggest_int("k", 1, 1000, log=True)
    return point


def bytes_of(point: Mapping[str, Any]) -> dict[str, float]:
    return {"support_bytes": 1000.0 * point.get("k", 0)}


def curve(params: Mapping[str, Any]) -> list[float]:
    """Accuracy after each epoch, %: early values tell the end."""
    end = 40 + 20 * np.sin(2 * params["x"]) + 5 * np.log10(params.get("k", 1))
    return [float(end * (1 - 0.6 ** (epoch + 1))) for epoch in range(EPOCHS)]


def seen_at(params: Mapping[str, Any], state: str, epochs: int = EPOCHS) -> Seen:
    return Seen(params, state, curve(params)[:epochs])

"""Whether a study's own budget has room for what is proposed, and the budget that would have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd

from analysis.health.finding import trials_of
from analysis.results.load import Results
from study import schema

MARGIN = 1.2
"""Times as much as expected that a raised budget allows."""
TEST_EPOCHS = 1
"""Epochs that take as long as the evaluation on test."""


class Amount(NamedTuple):
    """What trials take."""

    epochs: float
    held_h: float
    """Hours that they hold a process, one after the other."""


def raised(results: Results, sets: Mapping[str, str], *, retry: bool = False) -> dict[str, str]:
    """`budget.NAME` -> limit, of each budget in which these settings (and trials tried again) have no room."""
    budget = results.study.get("budget")
    limits = budget if isinstance(budget, Mapping) else {}
    more, used = _needed(results, sets, retry), _used(results)
    wall_h = more.held_h / _at_once(results, used["wall_clock_h"])
    gpu = (results.study.get("resources") or {}).get("gpu")
    needed = {"epochs": more.epochs, "wall_clock_h": wall_h}
    needed["gpu_hours"] = more.held_h * (1.0 if gpu is None else float(gpu))
    found = {}
    for name, limit in limits.items():
        if name in needed and isinstance(limit, int | float) and used[name] + needed[name] > limit:
            value = used[name] + MARGIN * needed[name]
            found[f"budget.{name}"] = str(math.ceil(value)) if name == "epochs" else _rounded_up(value)
    return found


def _rounded_up(value: float) -> str:
    """With two digits."""
    if value <= 0:
        return "0"
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return f"{math.ceil(value / step) * step:.4g}"


def _used(results: Results) -> dict[str, float]:
    trials = results.trials
    return {
        "epochs": float(len(results.reports)),
        "wall_clock_h": _session_hours(results),
        "gpu_hours": float(trials["gpu_hours"].sum()) if "gpu_hours" in trials else 0.0,
    }


def _session_hours(results: Results) -> float:
    last = max(map(str, results.reports["time"]), default=None)
    total = 0.0
    for session in results.manifest["sessions"] or []:
        begun, ended = session.get("started"), session.get("ended") or last
        if begun and ended:
            total += max(0.0, (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds())
    return total / 3600


def _at_once(results: Results, hours: float) -> float:
    """Trials that ran at a time, in the mean; at least 1."""
    held = pd.to_numeric(results.trials["wall_s"]).sum() / 3600 if "wall_s" in results.trials else 0.0
    return max(1.0, held / hours) if hours > 0 else 1.0


def _needed(results: Results, sets: Mapping[str, str], retry: bool) -> Amount:
    confirm = results.study.get("confirm")
    confirm = confirm if isinstance(confirm, Mapping) else {}
    seeds = len(results.manifest["seeds"]["confirm"])
    wanted = sets["confirm.seeds"].count(",") + 1 if "confirm.seeds" in sets else seeds
    points = results.stage(schema.CONFIRM)["point"].nunique()
    trials = max(0, int(sets["search.trials"]) - trials_of(results)) if "search.trials" in sets else 0
    confirms = (wanted - seeds) * points
    if trials and confirm.get("enabled", True):
        confirms += min(trials, int(confirm.get("max_points") or trials)) * wanted
    if retry:
        trials += int(results.trials["status"].isin(schema.UNSUCCESSFUL).sum())
    full = pd.to_numeric(results.trials["max_epochs"]).max() if len(results.trials) else 0
    epoch_h = _epoch_seconds(results) / 3600
    epochs = (trials + confirms) * (0.0 if pd.isna(full) else float(full))
    return Amount(epochs, (epochs + TEST_EPOCHS * confirms) * epoch_h)


def _epoch_seconds(results: Results) -> float:
    """That a trial held its process for each epoch, in the mean; 0 where it is not known."""
    table: Any = results.trials
    if "wall_s" not in table:
        return 0.0
    epochs = pd.to_numeric(table["epochs"]).sum()
    return float(pd.to_numeric(table["wall_s"]).sum() / epochs) if epochs else 0.0

"""A line of `learned.jsonl` as the end, and the reports, of a trial of this study's search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from study import schema

PREFIX = "learned-"
Line = Mapping[str, Any]
OF_END = ("status", "method", "seed", "epochs", "max_epochs", "metrics", "started", "ended", "wall_s")
"""Fields that the trial's end has in the study that it comes from."""


def learned_id(number: int) -> str:
    """Name of the trial here."""
    return f"{PREFIX}{number:04d}"


def is_learned(trial_id: str) -> bool:
    """Whether this names a trial of another study."""
    return trial_id.startswith(PREFIX)


def as_end(line: Line) -> dict[str, Any]:
    """As a line of trials.jsonl; whether the point is a baseline here, who reads it has to say."""
    own = {name: line[name] for name in ("trial_id", "number", "label", "params", *OF_END)}
    return {**own, "stage": schema.SEARCH, "point": None, "baseline": False, "error": None, "checkpoint": None}


def as_reports(line: Line) -> list[dict[str, Any]]:
    """As lines of reports.jsonl, with the study's objectives alone."""
    own = {"stage": schema.SEARCH, **{name: line[name] for name in ("trial_id", "number", "seed")}}
    return [{**own, **report} for report in line["reports"]]

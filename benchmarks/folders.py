"""What a study left in its results folder, compared with what another run of it left."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from analysis.results.front import front_of
from analysis.results.load import load
from study import schema

MEASURED = {"time", "started", "ended", "wall_s", "held_s", "checkpoint", "line", "check"} | {
    "peak_memory_bytes",
    "images_per_s",
    "epoch_s",
    "train_s",
}
"""Fields of journal lines that differ from run to run."""


def rows(path: Path) -> list[dict[str, Any]]:
    """A journal file's lines without what differs from run to run."""
    return [_timeless(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def _timeless(value: Any) -> Any:
    return {k: _timeless(v) for k, v in value.items() if k not in MEASURED} if isinstance(value, dict) else value


def outcome(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Draws, reports, and the ends that count, each in the order of its file."""
    ends = [end for end in rows(folder / schema.TRIALS_FILE) if end["status"] != schema.INTERRUPTED]
    return {
        schema.DRAWS_FILE: rows(folder / schema.DRAWS_FILE),
        schema.REPORTS_FILE: rows(folder / schema.REPORTS_FILE),
        schema.TRIALS_FILE: ends,
    }


def differences(folder: Path, undisturbed: Path) -> list[str]:
    """What is wrong in a folder, and where it differs from the undisturbed one; the first few of each kind."""
    found = list(_faults(outcome(folder)))
    ours, theirs = outcome(folder), outcome(undisturbed)
    for name, expected in theirs.items():
        got = ours[name]
        if len(got) != len(expected):
            found.append(f"{name}: {len(got)} lines, {len(expected)} without kills")
        pairs = [(i, a, b) for i, (a, b) in enumerate(zip(got, expected, strict=False), 1) if a != b]
        for number, a, b in pairs[:2]:
            keys = sorted(k for k in a.keys() | b.keys() if a.get(k) != b.get(k))
            shown = ", ".join(f"{k} {a.get(k)} (without kills {b.get(k)})" for k in keys[:3])
            found.append(f"{name}, line {number}, {b.get('trial_id')}: {shown}"[:400])
    if (ours_front := front(folder)) != (theirs_front := front(undisturbed)):
        found.append(f"front {ours_front}, without kills {theirs_front}")
    return found


def _faults(held: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    ended = [end["trial_id"] for end in held[schema.TRIALS_FILE]]
    for name in sorted(set(ended)):
        if ended.count(name) > 1:
            yield f"{name} has ended {ended.count(name)} times"
    drawn = [draw["trial_id"] for draw in held[schema.DRAWS_FILE] if draw["trial_id"]]
    for name in drawn:
        if name not in ended:
            yield f"{name} was drawn and has not ended"
    epochs: dict[str, list[int]] = {}
    for line in held[schema.REPORTS_FILE]:
        epochs.setdefault(line["trial_id"], []).append(line["epoch"])
    for name, seen in epochs.items():
        if seen != list(range(1, len(seen) + 1)):
            yield f"{name}: epochs on record {seen}"
    for end in held[schema.TRIALS_FILE]:
        if end["status"] not in (schema.COMPLETED, schema.STOPPED):
            yield f"{end['trial_id']} ended {end['status']}: {end['error']}"


def front(folder: Path) -> list[tuple[str, float]] | str:
    """Label and accuracy (%) of each point on the front, as the report has it; why there is none, if it has none."""
    try:
        found = front_of(load(folder))
    except schema.UserError as error:
        return str(error)
    if found is None:
        return []
    on = found.points[found.points["on_front"]]
    return list(zip(on["label"], on["y"].astype(float), strict=True))

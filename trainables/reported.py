"""Which epochs of which trials must be on record, which of them are not, and what cannot be of one study. Standard
library only.

A trial reports its epochs one by one from the first, so every epoch before one that it reported, and all that its end
speaks of, were reported too: if they are not on record, they were lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from trainables.lines import Damage, runs

Lost = dict[str, list[int]]
"""Trial -> epochs, rising."""


def lost_epochs(reports: Iterable[Mapping[str, Any]], ended_at: Mapping[str, int]) -> Lost:
    """Epochs that were reported and are not there. ended_at: trial -> epochs that its end speaks of."""
    there: dict[str, set[int]] = {trial_id: set() for trial_id in ended_at}
    for line in reports:
        there.setdefault(line["trial_id"], set()).add(int(line["epoch"]))
    lost = {t: set(range(1, max([*epochs, ended_at.get(t, 0)], default=0) + 1)) - epochs for t, epochs in there.items()}
    return {trial_id: sorted(epochs) for trial_id, epochs in lost.items() if epochs}


def epochs_in_words(lost: Mapping[str, Sequence[int]]) -> str:
    """`search-0001, epochs 2 to 4 and 9; search-0003, epoch 1`."""
    parts = []
    for trial_id, epochs in lost.items():
        spans = [str(first) if first == last else f"{first} to {last}" for first, last in runs(sorted(epochs))]
        shown = ", ".join(spans[:-1]) + " and " * (len(spans) > 1) + spans[-1]
        parts.append(f"{trial_id}, epoch{'s' * (len(epochs) > 1)} {shown}")
    return "; ".join(parts)


def name_lost(
    damage: Sequence[Damage], rows: Sequence[tuple[int, Mapping[str, Any]]], lost: Lost
) -> tuple[list[Damage], Lost]:
    """The damage of a file of reports with the trials and epochs that its lost lines were of, and what fits nowhere.

    rows: its whole lines with their numbers. A lost epoch's line stood behind that of the epoch before it and before
    that of the epoch after it.
    """
    places: dict[str, list[tuple[int, int]]] = {}
    for number, line in rows:
        places.setdefault(line["trial_id"], []).append((int(line["epoch"]), number))
    room = {index: one.last - one.first + 1 for index, one in enumerate(damage) if one.lost}
    named: dict[int, dict[str, list[int]]] = {}
    left: Lost = {}
    for trial_id, epochs in lost.items():
        there = places.get(trial_id, [])
        for epoch in epochs:
            after = max((number for e, number in there if e < epoch), default=0)
            before = min((number for e, number in there if e > epoch), default=None)
            fits = (
                i
                for i, free in room.items()
                if free and damage[i].last > after and (before is None or damage[i].first < before)
            )
            index = next(fits, None)
            if index is None:
                left.setdefault(trial_id, []).append(epoch)
            else:
                room[index] -= 1
                named.setdefault(index, {}).setdefault(trial_id, []).append(epoch)
    told = [one._replace(who=epochs_in_words(named[i])) if i in named else one for i, one in enumerate(damage)]
    return told, left


Line = Mapping[str, Any]


def contradictions(
    draws: Iterable[Line], reports: Iterable[Line], ends: Iterable[Line], metrics: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Which two kinds of lines say different things of one trial: `("ends and draws", "search-0001: its k ...")`.

    Lines are those of draws, of reports and of each trial's last end. A whole file of another study holds lines that
    are sound one by one; only beside the others are they wrong. metrics: the values that an end repeats from the
    report of its last epoch.
    """
    drawn = {draw["trial_id"]: draw for draw in draws if draw["trial_id"] is not None}
    ended = {}
    for end in ends:
        ended[end["trial_id"]] = end
        origin = drawn.get(end["trial_id"] if end["point"] is None else end["point"])
        names = ("number", "params") if end["point"] is None else ("params",)
        if origin is not None and (said := _unlike(end, origin, names)):
            yield "ends and draws", f"{end['trial_id']}: {said}"
    for report in reports:
        trial_id = report["trial_id"]
        if (end := ended.get(trial_id)) is not None:
            said = _unlike(report, end, ("stage", "number", "seed"))
            if not said and report["epoch"] == end["epochs"]:
                here, there = report, end["metrics"]
                both = [name for name in metrics if here.get(name) is not None and there.get(name) is not None]
                said = _unlike(here, there, both)
            if said:
                yield "reports and ends", f"{trial_id}, epoch {report['epoch']}: {said}"
        elif trial_id in drawn and (said := _unlike(report, drawn[trial_id], ("number",))):
            yield "reports and draws", f"{trial_id}, epoch {report['epoch']}: {said}"


def _unlike(line: Line, other: Line, names: Iterable[str]) -> str:
    """`number is 3 and 4`; empty if they agree."""
    return next((f"{n} is {line[n]} and {other[n]}" for n in names if line[n] != other[n]), "")

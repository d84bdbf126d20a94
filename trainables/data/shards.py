"""Numbered files: whether all of them are there."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainables.data.source import DataError, byte_order, listed
from trainables.data.walk import is_hidden

_NUMBERED = re.compile(r"(.*?)(\d+)(?:-of-(\d+))?")
_MOST = 100_000  # a larger number counts something else, such as days


def shards(folder: Path, glob: str) -> list[Path]:
    """The files of that pattern in the folder, hidden ones left out."""
    return sorted((path for path in folder.glob(glob) if not is_hidden(path.name)), key=byte_order)


def refuse_gaps(paths: Sequence[Path]) -> None:
    """Raises DataError if one is missing of NAME-3-of-7, or of NAME-3 counted from 0 or 1, or if two counts mix."""
    series: dict[tuple[str, str], dict[int, Path]] = defaultdict(dict)
    for path in paths:
        if match := _NUMBERED.fullmatch(path.stem):
            stem, number, total = match.groups()
            series[stem, total or ""][int(number)] = path
    for (stem, total), found in series.items():
        if missing := [number for number in _expected(found, total) if number not in found]:
            names = [_name(next(iter(found.values())), stem, number) for number in missing]
            raise DataError(f"{paths[0].parent}: numbered files are missing: {listed(names)}; add or rename them")
    totals: dict[str, list[str]] = defaultdict(list)
    for stem, total in sorted(series):
        totals[stem] += [total] if total else []
    for stem, several in totals.items():
        if len(several) > 1:
            ways = " and ".join(f"{stem}*-of-{total}" for total in several)
            raise DataError(f"{paths[0].parent}: {ways} would count images twice: keep one of them")


def _expected(found: Mapping[int, Path], total: str) -> range:
    first, last = min(found), max(found)
    if total:
        start = int(0 not in found and int(total) in found)
        return range(start, start + int(total))
    return range(first, last + 1) if first <= 1 and last < _MOST else range(0)


def _name(like: Path, stem: str, number: int) -> str:
    digits = _NUMBERED.fullmatch(like.stem)[2]
    return f"{stem}{number:0{len(digits)}}{like.name[len(stem) + len(digits) :]}"

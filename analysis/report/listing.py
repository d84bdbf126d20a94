"""Many studies in a terminal: the list of a folder's, and the trials of all of them that meet conditions."""

from __future__ import annotations

import math
import shutil
import sys
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.results import points, query, shelf
from analysis.results.front import AXES, costs_in_words, front_of
from analysis.results.load import Results
from analysis.results.naming import percent
from analysis.text import n_in_words, number
from study import schema
from study.schema import ACCURACY, wording

WIDE = 5000
"""Columns of a listing that no terminal shows."""
QUESTION, LABEL = 100, 60
"""Characters of a question and a label that are shown."""
NOTHING = "–"
ON_FRONT = 3
"""Points of a front that are named."""


Ranked = tuple[float, tuple[str, ...]]
"""An accuracy (-1 without one) and a row of a listing."""


# --- the list ---


def list_of(top: Path, now: datetime | None = None) -> Listing | None:
    """One row per study below a folder; None if there is none. now: for its age, by default this moment."""
    entries = shelf.studies(top)
    if not entries:
        return None
    rows = [_row(entry, now or datetime.now(UTC)) for entry in entries]
    return Listing(("Study", "State", "Trials", "Best", "Front", "Age", "Size", "Question"), rows)


def _row(entry: shelf.Entry, now: datetime) -> tuple[str, ...]:
    size = wording.bytes_in_words(shelf.bytes_on_disk(entry.folder))
    if entry.results is None:
        return entry.name, entry.state, NOTHING, NOTHING, NOTHING, NOTHING, size, wording.shorten(entry.problem)
    one = entry.results
    state = entry.state + ", rehearsal" * one.rehearsal
    age = wording.seconds_in_words(max((now - shelf.last_sign(one)).total_seconds(), 0))
    question = textwrap.shorten(str(one.manifest["question"]), QUESTION, placeholder=" ...")
    return entry.name, state, _trials(one), best(one), front(one), age, size, question


def _trials(results: Results) -> str:
    """`24 search (2 failed), 12 confirm, 3 unfinished`."""
    parts = []
    for stage in schema.STAGES:
        trials = results.stage(stage)
        failed = int(trials["status"].isin(schema.UNSUCCESSFUL).sum())
        if len(trials):
            parts.append(f"{len(trials)} {stage}" + (f" ({failed} failed)" if failed else ""))
    interrupted = results.trials["status"] == schema.INTERRUPTED
    open_trials = results.reports[~results.reports["trial_id"].isin(results.trials["trial_id"])]["trial_id"].nunique()
    unfinished = int(interrupted.sum()) + int(open_trials)
    return ", ".join([*parts, *([f"{unfinished} unfinished"] if unfinished else [])]) or "none"


def best(results: Results) -> str:
    """The most accurate point of the best-founded stage: `57.20 % [56.90, 57.50] on test, n = 3: kmclr k=400`."""
    found = front_of(results)
    if found is None:
        return NOTHING
    row = found.points.loc[found.points["y"].idxmax()]
    low, high = (float(row.get(name, math.nan)) for name in ("low", "high"))
    where = "test" if found.score.column in schema.TEST_METRICS else "validation"
    label = wording.shorten(str(row["label"]), LABEL)
    return f"{percent(row['y'], low, high, 2)} on {where}, {n_in_words(int(row['n']))}: {label}"


def front(results: Results) -> str:
    """How many points it has, and what they cost: `3 points: 0 B 53.00 %, 103 kB 55.20 %, 411 kB 57.20 %`."""
    found = front_of(results)
    if found is None:
        return NOTHING
    rows = found.points[found.points["on_front"]].sort_values(results.costs[0])
    told = rows if len(rows) <= ON_FRONT else rows.iloc[[0, len(rows) // 2, -1]]
    named = [f"{costs_in_words(row, results.costs)} {row['y']:.2f} %" for _, row in told.iterrows()]
    return f"{len(rows)} point{'s' * (len(rows) != 1)}: {', '.join(named)}"


# --- what was found ---


def found_in(folders: Sequence[Path], text: str) -> tuple[Listing | None, str]:
    """The trials of all studies below these folders that meet the conditions, and in a sentence how many they are.

    Seeds of a confirmed point are one row, if all of the point's trials that ended meet them. Raises UserError for a
    question that is none, or that no study can answer.
    """
    conditions = query.parse(text)
    entries = list({e.folder.resolve(): e for folder in folders for e in shelf.studies(folder)}.values())
    readable = [entry for entry in entries if entry.results is not None]
    asked = [query.answers(entry.results, [c.name for c in conditions]) for entry in readable if entry.results]
    if asked:
        query.check_names(conditions, frozenset().union(*(one.known for one in asked)))
    rows, trials, within = list[Ranked](), 0, 0
    for entry, one in zip(readable, asked, strict=True):
        assert entry.results is not None
        kept = query.matching(one, conditions)
        rows += _found(entry.name, entry.results, kept)
        trials, within = trials + len(kept), within + bool(len(kept))
    said = (
        f"{trials} trial{'s' * (trials != 1)} in {within} of {len(readable)} stud{'y' if len(readable) == 1 else 'ies'}"
    )
    unreadable = [f"{entry.name} cannot be read ({entry.problem})" for entry in entries if entry.results is None]
    said = "; ".join([said, *unreadable])
    if not rows:
        return None, said
    heads = ("Study", "Trial or point", "What", "State", "n", "Accuracy, validation", "Score, test", "Costs")
    return Listing(heads, [row for _, row in sorted(rows, key=lambda pair: -pair[0])]), said


def _found(name: str, results: Results, kept: pd.DataFrame) -> list[Ranked]:
    """(accuracy, row) of each search trial, confirmed point and other confirm trial."""
    done, rows = points.finished(results, schema.CONFIRM), list[Ranked]()
    whole = [str(p) for p, group in done.groupby("point") if set(group["trial_id"]) <= set(kept["trial_id"])]
    if whole:
        validation = points.confirmed(results, ACCURACY).set_index("point")
        score = points.confirm_score(results)
        test = points.confirmed(results, score.column).set_index("point") if score else validation
        for point in whole:
            own, on_test = validation.loc[point], test.loc[point]
            tested = score is not None and score.column in schema.TEST_METRICS
            cells = (name, str(point), str(own["label"]), "confirmed", n_in_words(int(own["n"])), _mean(own))
            rows.append(
                (float(own["y"]), (*cells, _mean(on_test) if tested else NOTHING, costs_in_words(own, results.costs)))
            )
    apart = kept[~kept["trial_id"].isin(done[done["point"].isin(whole)]["trial_id"])]
    for row in apart.to_dict("records"):
        accuracy = float(row[ACCURACY])
        column = schema.SCORES.get(str(results.manifest["score"]), "test_acc1")
        costs = ", ".join(wording.value_in_words(float(row.get(cost, math.nan)), AXES[cost]) for cost in results.costs)
        state = str(row["status"]).replace("_", " ")
        state += f", {row['epochs']:.0f} epochs" if row["status"] != schema.COMPLETED else ""
        cells = (name, str(row["trial_id"]), str(row["label"]), state, "n = 1", _percent(accuracy))
        rank = accuracy if math.isfinite(accuracy) else -1.0
        rows.append((rank, (*cells, _percent(float(row[column])), costs)))
    return rows


def _mean(row: pd.Series) -> str:
    return percent(row["y"], row["low"], row["high"], 2)


def _percent(value: float) -> str:
    return f"{number(value)} %" if math.isfinite(value) else NOTHING


# --- in a terminal ---


class Listing(NamedTuple):
    """What a terminal shows: a table, or, where that is too wide for it, a block for each row."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    def table(self) -> Table:
        made = Table(box=None, pad_edge=False, header_style="bold")
        for head in self.heads:
            made.add_column(head, no_wrap=True)
        for row in self.rows:
            made.add_row(*map(Text, row))
        return made

    def blocks(self) -> Text:
        width = max(map(len, self.heads))
        text = Text()
        for row in self.rows:
            text.append(f"{row[0]}\n", "bold")
            for head, cell in zip(self.heads[1:], row[1:], strict=True):
                text.append(f"  {head:{width}}  {cell}\n" if cell != NOTHING else "")
        return text


def show(listing: Listing) -> None:
    """On standard output; in a file or a pipe always as a table, whatever its width."""
    terminal = sys.stdout.isatty()
    console = Console(width=shutil.get_terminal_size().columns if terminal else WIDE, emoji=False, highlight=False)
    table = listing.table()
    if terminal and Console(width=WIDE).measure(table).maximum > console.width:
        console.print(listing.blocks(), soft_wrap=True)
        return
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))

"""What a terminal is told when a study is at its end: the verdict, what was left out, the front that was confirmed."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.health.question import question
from analysis.report.answer import left_out
from analysis.report.tables import front_table
from analysis.results import wanted
from analysis.results.front import front_of
from analysis.results.load import Results
from analysis.results.verdict import limits, verdicts
from analysis.text import seeds_in_words
from study import schema

PIPED = 200
"""Columns where nobody looks at a terminal."""


def show(results: Results, console: Console | None = None) -> None:
    """Print it; of a study that confirmed nothing the verdict, and what was left out, alone."""
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPED
    front = front_of(results)
    region = wanted.sentences(results, front, limits(results))
    for sentence in (*region, *verdicts(front, limits(results)), *left_out(results), *_way_on(results)):
        console.print(Text(sentence), soft_wrap=True)
    if front is not None and front.score.stage == schema.CONFIRM:
        what = f"{front.score.title}, {seeds_in_words(front.points['n'])}; brackets: 95 % intervals"
        console.print(Text(f"Confirmed points and their front ({what}):"), soft_wrap=True)
        console.print(_front(results))


def _way_on(results: Results) -> Iterator[str]:
    """The seeds that the verdicts ask for; their number stands in these."""
    if seeds := question(results).sets.get("confirm.seeds"):
        yield f"To go on with so many seeds: --resume --set confirm.seeds={seeds}"


def _front(results: Results) -> Table:
    """The confirmed points, those of the front first."""
    found = front_table(results)
    assert found is not None
    rows = found.rows.drop(columns=[name for name in ("Vectors",) if name in found.rows])
    rank = rows["On front"].map({"yes": 0, "of its method": 1}).fillna(2)
    shown = Table(box=None, pad_edge=False)
    for name in rows:
        shown.add_column(str(name), justify="left" if name in ("Point", "On front") else "right")
    for _, row in rows.loc[rank.sort_values(kind="stable").index].iterrows():
        shown.add_row(*(Text(str(value)) for value in row))
    return shown

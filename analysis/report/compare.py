"""Two studies compared: one figure, one table, and the answer in lines for a terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from analysis.figure_data.versus_info import VersusInfo, versus_info
from analysis.figures import render
from analysis.figures.style import get_style, rehearsal_label
from analysis.figures.versus import versus
from analysis.report import table_formats
from analysis.report.make import FORMATS, IMAGES, distinct, folders_home, load_with_notes
from analysis.report.tables import Table
from analysis.results.front import AXES, against
from analysis.text import few_note, n_cell, with_interval
from study import schema
from study.schema import UserError, files, wording


def make(
    folders: Sequence[Path],
    *,
    out: Path | str | None = None,
    style: str = "web",
    x: str | None = None,
    images: str = "all",
    progress: Callable[[str], None] = print,
) -> str:
    """Write figures/compare.* and tables/compare.* for two results folders; what a terminal is told.

    out: where to (default: `comparison` beside the first). x: the cost. images: `none` makes HTML alone. Raises
    UserError for what the user can put right.
    """
    if images not in IMAGES:
        raise UserError(f"--images: {wording.one_of(images, IMAGES)}")
    look = get_style(style)
    a, b = distinct([against(load_with_notes(folder, progress), x) for folder in folders])
    info = versus_info(a, b, x)
    figure = versus(info, (a, b), look)
    target = files.user_path(out, "--out") if out else folders_home((a, b))
    place = target / schema.FIGURES_DIR
    for folder in (place, target / schema.TABLES_DIR):
        folder.mkdir(parents=True, exist_ok=True)
    files.write_atomically(place / f"{figure.name}.csv", figure.data.to_csv(index=False))
    files.write_atomically(place / f"{figure.name}.txt", figure.caption + "\n")
    render.write_html(figure.figure, place / f"{figure.name}.html", alone=True)
    if images != "none":
        render.write_images(
            [render.Job(figure.figure, place / f"{figure.name}{s}", look.scale) for s in FORMATS], progress
        )
    table = compare_table(info, rehearsal_label((a, b)))
    if table is not None:
        table_formats.write(table, target / schema.TABLES_DIR, "")
    return "\n".join([*_lines(info, table), figure.caption, f"figure: {place / figure.name}.html"])


def compare_table(info: VersusInfo, label: str | None) -> Table | None:
    """Differences by size, then those of points of both; None where nothing is paired."""
    if info.why_not:
        return None
    a, b = info.names
    by_size = [
        (
            f"from {_cost(r.x, info)}",
            f"{r.label_b} ({r.accuracy_b:.2f})",
            f"{r.label_a} ({r.accuracy_a:.2f})",
            *_told(r),
        )
        for r in info.steps.itertuples()
    ]
    same = [(_cost(r.x, info), r.label, "the same point", *_told(r)) for r in info.same.itertuples()]
    rows = pd.DataFrame(by_size + same, columns=["Size", b, a, "Difference (percentage points)", "n pairs"])
    counts = [int(n) for n in [*info.steps["n"], *info.same["n"]] if n > 0]
    caption = (
        f"{info.fronts.y_title}: the best point of each study that costs no more, and points of both; differences "
        f"{b} minus {a}, paired at equal seeds, corrected for {info.comparisons} comparisons (Bonferroni), 95 % "
        f"together.{few_note(counts)}"
    )
    data = pd.concat([info.steps.assign(kind="best at this size"), info.same.assign(kind="point of both")])
    return Table("compare", f"{b} against {a}", caption, rows, data.reset_index(drop=True), label)


def _cost(value: float, info: VersusInfo) -> str:
    return wording.value_in_words(value, AXES[info.cost])


def _told(row: object) -> tuple[str, str]:
    difference, low, high = (float(getattr(row, name, math.nan)) for name in ("difference", "low", "high"))
    return with_interval(difference, low, high), n_cell(int(getattr(row, "n", 0)))


def _lines(info: VersusInfo, table: Table | None) -> list[str]:
    if table is None:
        return [f"no paired difference: {info.why_not}"]
    return [table.rows.to_string(index=False), ""]

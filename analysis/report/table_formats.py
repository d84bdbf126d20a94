"""Tables as files and page elements: Markdown, CSV and HTML from one `tables.Table`, and LaTeX by `latex`."""

from __future__ import annotations

import html
from pathlib import Path

from analysis.report.latex import WHOLE, Page, is_text, one_line, table_tex
from analysis.report.tables import Table
from study.schema import files


def to_markdown(table: Table) -> str:
    """A GitHub table with its caption; `|` is escaped."""
    cells = [[one_line(c).replace("|", "\\|") for c in row] for row in table.rows.itertuples(index=False)]
    head = [str(c) for c in table.rows.columns]
    label = f"**{table.label}.**\n\n" if table.label else ""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *cells]
    body = "\n".join("| " + " | ".join(row) + " |" for row in lines)
    return f"{label}{body}\n\n{table.caption}\n"


SHORT_ROWS = 25
"""Rows up to which a table and its caption stay on one printed page, half of which they fill; longer ones repeat their
head on each page."""


def to_html(table: Table) -> str:
    """A table element in a scrolling box, with its caption."""
    kinds = [' class="text"' if is_text(table.rows[c]) else "" for c in table.rows.columns]
    head = "".join(f"<th{k}>{html.escape(str(c))}</th>" for k, c in zip(kinds, table.rows.columns, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{k}>{html.escape(str(c))}</td>" for k, c in zip(kinds, row, strict=True)) + "</tr>"
        for row in table.rows.itertuples(index=False)
    )
    label = f'<strong class="rehearsal">{html.escape(table.label)}.</strong> ' if table.label else ""
    whole = (
        f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f'<p class="caption">{label}{html.escape(table.caption)}</p>'
    )
    return f'<div class="short">{whole}</div>' if len(table.rows) <= SHORT_ROWS else whole


def write(table: Table, folder: Path, prefix: str = "", page: Page = WHOLE) -> None:
    """NAME.md, NAME.csv and, for the page, NAME.tex; the CSV holds the numbers and a column that marks a rehearsal."""
    name = prefix + table.name
    files.write_atomically(folder / f"{name}.md", to_markdown(table))
    files.write_atomically(folder / f"{name}.tex", table_tex(table, page))
    data = table.data.assign(rehearsal=True) if table.label else table.data
    files.write_atomically(folder / f"{name}.csv", data.to_csv(index=False))

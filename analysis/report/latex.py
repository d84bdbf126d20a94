"""LaTeX of a report: tables and figures as floats that fit a page of one column, one column of two, or both.

Widths are those of `article` in its own layout, 10 pt: a column of two is 221 pt wide on A4 and 229 pt on US letter.
Journals' columns are wider (252 pt), so what fits here fits there.
"""

from __future__ import annotations

import re
import textwrap
from typing import NamedTuple

import pandas as pd

from analysis.figures.figure import Figure
from analysis.figures.style import STYLES
from analysis.report.tables import Table

# --- text ---

TEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "$": r"\$", "{": r"\{", "}": r"\}",
       "–": "--", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
       "|": r"\textbar{}", '"': "''", "×": r"$\times$", "·": r"$\cdot$", "→": r"$\to$", "−": "$-$",
       "≤": r"$\le$", "≥": r"$\ge$", "±": r"$\pm$", "†": r"$\dagger$", "\0": "{}"}  # fmt: skip


def one_line(cell: object) -> str:
    """A cell's text with single spaces."""
    return " ".join(str(cell).split())


def _tex_character(character: str) -> str:
    """LaTeX's own for what it treats specially; letters of Latin scripts as they are; `?` for what fonts may lack."""
    if character in TEX:
        return TEX[character]
    return character if character < "\u0180" and character.isprintable() else "?"


def tex(text: object) -> str:
    """Text with LaTeX's special characters escaped and minus signs of numbers set as such."""
    apart = re.sub(r"-(?=-)", "-\0", one_line(text))  # `--` would become a dash
    escaped = "".join(_tex_character(c) for c in apart)
    return re.sub(r"(^|[\[ ])-(?=\d)", r"\1$-$", escaped)


def _breakable(text: str) -> str:
    """LaTeX may break a long name after an escaped underscore or an equals sign."""
    return re.sub(r"(\\_|=)(?=\w)", r"\1\\allowbreak{}", text)


# --- pages ---


class Page(NamedTuple):
    """Where a table goes."""

    name: str
    """A float's environment is `table` or `figure` with what is behind it: nothing, or `*` for both columns."""
    width: float
    """Points that a table may take."""
    apart: float
    """\\tabcolsep, pt: half of the space between two columns of a table."""
    stacked: bool
    """Whether intervals stand below their means, and short texts in several lines."""


WHOLE = Page("", 345, 4, False)
"""A page of one column."""
COLUMNS = {"1": Page("", 221, 2.5, True), "2": Page("*", 452, 4, False)}
"""Of a page of two columns, one or both."""
TYPE = 8.5
"""Points of a quad of `footnotesize` in Computer Modern (cmr8)."""
WIDTHS = {
    **dict.fromkeys(" 0123456789_-†", 0.5),
    **dict.fromkeys(".,:;[]()|!'ijl", 0.29),
    **dict.fromkeys("frtI–", 0.4),
    **dict.fromkeys("mwMW%=+−@", 0.83),
}
"""Of characters, in quads; the others are reckoned from their case."""


def points_wide(text: str) -> float:
    """Width of a line of a table, about, pt; rather too much."""
    return TYPE * sum(WIDTHS.get(c, 0.75 if c.isupper() else 0.5) for c in text)


# --- tables ---

LONG_TEXT, NARROW_TEXT, HEAD = 24, 10, 8
"""Characters from which a text takes several lines; the same where room is scarce; least of a line of a head."""


class _Column(NamedTuple):
    """lines: of each cell, the head first."""

    lines: list[list[str]]
    text: bool
    flexible: bool
    """Whether LaTeX breaks its cells into the room that the others leave."""

    @property
    def width(self) -> float:
        """Points that it takes at least."""
        if self.flexible:
            return max(points_wide(word) for cell in self.lines for line in cell for word in line.split(" "))
        return max(points_wide(line) for cell in self.lines for line in cell)


def is_text(cells: pd.Series) -> bool:
    """Whether no cell begins as a number does."""
    return not any(str(cell)[:1].isdigit() or str(cell)[:1] in ("-", "−", "+") for cell in cells)


def _column(name: object, cells: pd.Series, first: bool, page: Page) -> _Column:
    """Heads in lines hardly wider than the cells; intervals and texts in lines where the page wants that."""
    texts = [one_line(cell) for cell in cells]
    text = first or is_text(cells)
    longest = max(map(len, texts), default=0)
    flexible = text and longest > (NARROW_TEXT if first and page.stacked else LONG_TEXT)
    if flexible or not page.stacked:
        lines = [[cell] for cell in texts]
    elif text:
        lines = [textwrap.wrap(cell, NARROW_TEXT, break_long_words=False) or [""] for cell in texts]
    else:
        lines = [re.split(r" (?=\[)", cell) for cell in texts]
    broad = max((len(line) for cell in lines for line in cell), default=0)
    head = textwrap.wrap(one_line(name), max(LONG_TEXT if flexible else broad, HEAD), break_long_words=False) or [""]
    return _Column([head, *lines], text, flexible)


def _columns(rows: pd.DataFrame, page: Page) -> list[_Column]:
    return [_column(name, rows[name], i == 0, page) for i, name in enumerate(rows)]


def _fits(columns: list[_Column], page: Page) -> bool:
    return sum(c.width for c in columns) + 2 * page.apart * (len(columns) - 1) <= page.width


def _for_page(table: Table, page: Page) -> tuple[Page, list[_Column], list[str]]:
    """Columns that fit the page: without the table's spare ones, if it must be, and else over both columns."""
    left_out: list[str] = []
    for name in (None, *table.spare):
        left_out += [name] if name is not None and name in table.rows else []
        columns = _columns(table.rows.drop(columns=left_out), page)
        if _fits(columns, page):
            return page, columns, left_out
    if page is COLUMNS["1"]:
        return COLUMNS["2"], _columns(table.rows, COLUMNS["2"]), []
    return page, _columns(table.rows, page), []


def _cell(lines: list[str], column: _Column, head: bool) -> str:
    if column.flexible and not head:
        return _breakable(tex(lines[0]))
    if len(lines) == 1:
        return tex(lines[0])
    side, at = "l" if column.text else "r", "b" if head else "t"
    stack = r" \\ ".join(tex(line) if line[:1] != "[" else "{}" + tex(line) for line in lines)  # `\\ [` takes a length
    return rf"\begin{{tabular}}[{at}]{{@{{}}{side}@{{}}}}{stack}\end{{tabular}}"


def _caption(table: Table, left_out: list[str]) -> str:
    """Without what it says of columns that are left out."""
    said = f"{table.label}. {table.caption}" if table.label else table.caption
    for name in left_out:
        said = re.sub(rf" {re.escape(name)}: [^.]*\.", "", said)
    return tex(said)


def table_tex(table: Table, page: Page = WHOLE) -> str:
    """A booktabs table in a float, ready to \\input, as wide as the page says or less.

    A table that is too wide for one column of two leaves out its spare columns, and else takes both.
    """
    page, columns, left_out = _for_page(table, page)
    kinds = "".join(r">{\raggedright\arraybackslash}X" if c.flexible else "l" if c.text else "r" for c in columns)
    flexible = any(c.flexible for c in columns)
    begin, end = (r"{tabularx}{\linewidth}", "{tabularx}") if flexible else ("{tabular}", "{tabular}")
    head, *body = (
        " & ".join(_cell(c.lines[row], c, row == 0) for c in columns) + r" \\" for row in range(len(table.rows) + 1)
    )
    tall = flexible or any(len(lines) > 1 for c in columns for lines in c.lines[1:])
    between = "\n    \\addlinespace\n    " if tall else "\n    "
    note = f"% left out to fit the column: {', '.join(left_out)}; the .csv file has all\n" if left_out else ""
    return (
        f"% needs \\usepackage{{booktabs,tabularx}}\n{note}\\begin{{table{page.name}}}\n  \\centering\n"
        f"  \\setlength{{\\belowcaptionskip}}{{6pt}}\n  \\caption{{{_caption(table, left_out)}}}\n"
        f"  \\label{{tab:{table.name}}}\n  \\footnotesize\n  \\setlength{{\\tabcolsep}}{{{page.apart:g}pt}}\n"
        f"  \\begin{begin}{{@{{}}{kinds}@{{}}}}\n    \\toprule\n    {head}\n    \\midrule\n    {between.join(body)}\n"
        f"    \\bottomrule\n  \\end{end}\n\\end{{table{page.name}}}\n"
    )


# --- figures ---


def figure_tex(figure: Figure) -> str:
    """A figure of a paper in a float with its caption, ready to \\input; over both columns if it is drawn so wide."""
    both = (figure.figure.layout.width or 0) > STYLES["paper"].width  # one of one's own may leave it open
    place, width = ("figure*", r"\textwidth") if both else ("figure", r"\columnwidth")
    return (
        f"% needs \\usepackage{{graphicx}} and \\graphicspath{{{{THIS FOLDER/}}}}\n\\begin{{{place}}}\n  \\centering\n"
        f"  \\includegraphics[width={width}]{{{figure.name}.pdf}}\n  \\caption{{{tex(figure.caption)}}}\n"
        f"  \\label{{fig:{figure.name}}}\n\\end{{{place}}}\n"
    )

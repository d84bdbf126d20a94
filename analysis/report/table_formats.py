"""Tables as files and page elements: Markdown, CSV, LaTeX (booktabs) and HTML from one `tables.Table`."""

from __future__ import annotations

import html
import re
import textwrap
from pathlib import Path

import pandas as pd

from analysis.report.tables import Table
from study.schema import files


def _one_line(cell: object) -> str:
    return " ".join(str(cell).split())


def to_markdown(table: Table) -> str:
    """A GitHub table with its caption; `|` is escaped."""
    cells = [[_one_line(c).replace("|", "\\|") for c in row] for row in table.rows.itertuples(index=False)]
    head = [str(c) for c in table.rows.columns]
    label = f"**{table.label}.**\n\n" if table.label else ""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *cells]
    body = "\n".join("| " + " | ".join(row) + " |" for row in lines)
    return f"{label}{body}\n\n{table.caption}\n"


TEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "$": r"\$", "{": r"\{", "}": r"\}",
       "–": "--", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
       "|": r"\textbar{}", '"': "''", "×": r"$\times$", "·": r"$\cdot$", "→": r"$\to$", "−": "$-$",
       "≤": r"$\le$", "≥": r"$\ge$", "±": r"$\pm$", "†": r"$\dagger$", "\0": "{}"}  # fmt: skip


def _tex_character(character: str) -> str:
    """LaTeX's own for what it treats specially; letters of Latin scripts as they are; `?` for what fonts may lack."""
    if character in TEX:
        return TEX[character]
    return character if character < "\u0180" and character.isprintable() else "?"


def tex(text: object) -> str:
    """Text with LaTeX's special characters escaped and minus signs of numbers set as such."""
    apart = re.sub(r"-(?=-)", "-\0", _one_line(text))  # `--` would become a dash
    escaped = "".join(_tex_character(c) for c in apart)
    return re.sub(r"(^|[\[ ])-(?=\d)", r"\1$-$", escaped)


TEX_TEXT, TEX_HEAD = 24, 8
"""Characters from which a column of text, and a head wider than its cells, is broken into lines."""


def _widest(rows: pd.DataFrame) -> list[int]:
    return [max((len(_one_line(cell)) for cell in rows[c]), default=0) for c in rows.columns]


def _head_lines(rows: pd.DataFrame) -> list[list[str]]:
    """The head of every column in lines that are hardly wider than its cells."""
    return [
        textwrap.wrap(_one_line(c), max(n, TEX_HEAD), break_long_words=False) or [""]
        for c, n in zip(rows.columns, _widest(rows), strict=True)
    ]


def _tex_head(lines: list[str]) -> str:
    stacked = r" \\ ".join(tex(line) for line in lines)
    return stacked if len(lines) == 1 else rf"\shortstack[r]{{{stacked}}}"


def _tex_columns(rows: pd.DataFrame) -> str:
    """Numbers to the right; the first column and long texts ragged, in what they need of the line at most."""
    longest, heads = _widest(rows), [max(map(len, lines)) for lines in _head_lines(rows)]
    texts = [i for i, n in enumerate(longest) if i == 0 or (n > TEX_TEXT and _is_text(rows.iloc[:, i]))]
    broken = [i for i in texts if longest[i] > TEX_TEXT]
    others = sum(max(n, heads[i]) for i, n in enumerate(longest) if i not in broken)
    # `article` in footnotesize: a character is about 1.15 % of the line, twice \tabcolsep nearly 3 %
    share = max((0.98 - 0.0115 * others - 0.03 * (len(longest) - 1)) / max(len(broken), 1), 0.2)
    wide = rf">{{\raggedright\arraybackslash}}p{{{share:.2f}\linewidth}}"
    return "".join(wide if i in broken else "l" if i in texts else "r" for i in range(len(longest)))


def _breakable(text: str) -> str:
    """LaTeX may break a long name after an escaped underscore or an equals sign."""
    return re.sub(r"(\\_|=)(?=\w)", r"\1\\allowbreak{}", text)


def to_latex(table: Table) -> str:
    """A booktabs table in a float, ready to \\input (needs booktabs and array); long texts wrap to the line's width."""
    columns = _tex_columns(table.rows)
    head = " & ".join(_tex_head(lines) for lines in _head_lines(table.rows))
    cells = [[tex(c) for c in row] for row in table.rows.itertuples(index=False)]
    cells = [[_breakable(c) if len(c) > TEX_TEXT else c for c in row] for row in cells]
    apart = "\n    \\addlinespace\n" if "p{" in columns else "\n"
    body = apart.join("    " + " & ".join(row) + r" \\" for row in cells)
    label = f"{table.label}. " if table.label else ""
    return (
        "% needs \\usepackage{booktabs,array}\n\\begin{table}\n  \\centering\n  \\setlength{\\belowcaptionskip}{6pt}\n"
        f"  \\caption{{{tex(label + table.caption)}}}\n  \\label{{tab:{table.name}}}\n  \\footnotesize\n"
        "  \\setlength{\\tabcolsep}{4pt}\n"
        f"  \\begin{{tabular}}{{{columns}}}\n    \\toprule\n    {head} \\\\\n    \\midrule\n{body}\n"
        "    \\bottomrule\n  \\end{tabular}\n\\end{table}\n"
    )


def _is_text(column: pd.Series) -> bool:
    return not any(str(cell)[:1].isdigit() or str(cell)[:1] == "-" for cell in column)


SHORT_ROWS = 25
"""Rows up to which a table and its caption stay on one printed page, half of which they fill; longer ones repeat their
head on each page."""


def to_html(table: Table) -> str:
    """A table element in a scrolling box, with its caption."""
    kinds = [' class="text"' if _is_text(table.rows[c]) else "" for c in table.rows.columns]
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


def write(table: Table, folder: Path, prefix: str = "") -> None:
    """NAME.md, NAME.csv and NAME.tex; the CSV holds the numbers and, in a rehearsal, a column that says so."""
    name = prefix + table.name
    files.write_atomically(folder / f"{name}.md", to_markdown(table))
    files.write_atomically(folder / f"{name}.tex", to_latex(table))
    data = table.data.assign(rehearsal=True) if table.label else table.data
    files.write_atomically(folder / f"{name}.csv", data.to_csv(index=False))

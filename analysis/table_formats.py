"""Tables as files and page elements: Markdown, CSV, LaTeX (booktabs) and HTML from one `tables.Table`."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pandas as pd

from analysis.render import write_text
from analysis.tables import Table


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
       "≤": r"$\le$", "≥": r"$\ge$", "±": r"$\pm$", "\0": "{}"}  # fmt: skip


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


def to_latex(table: Table) -> str:
    """A booktabs table in a float, ready to \\input (needs \\usepackage{booktabs})."""
    columns = "l" + "r" * (len(table.rows.columns) - 1)
    head = " & ".join(tex(c) for c in table.rows.columns)
    body = "\n".join("    " + " & ".join(tex(c) for c in row) + r" \\" for row in table.rows.itertuples(index=False))
    label = f"{table.label}. " if table.label else ""
    return (
        "% needs \\usepackage{booktabs}\n\\begin{table}\n  \\centering\n"
        f"  \\caption{{{tex(label + table.caption)}}}\n  \\label{{tab:{table.name}}}\n"
        f"  \\begin{{tabular}}{{{columns}}}\n    \\toprule\n    {head} \\\\\n    \\midrule\n{body}\n"
        "    \\bottomrule\n  \\end{tabular}\n\\end{table}\n"
    )


def _is_text(column: pd.Series) -> bool:
    return not any(str(cell)[:1].isdigit() or str(cell)[:1] == "-" for cell in column)


def to_html(table: Table) -> str:
    """A table element in a scrolling box, with its caption."""
    kinds = [' class="text"' if _is_text(table.rows[c]) else "" for c in table.rows.columns]
    head = "".join(f"<th{k}>{html.escape(str(c))}</th>" for k, c in zip(kinds, table.rows.columns, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{k}>{html.escape(str(c))}</td>" for k, c in zip(kinds, row, strict=True)) + "</tr>"
        for row in table.rows.itertuples(index=False)
    )
    label = f'<strong class="rehearsal">{html.escape(table.label)}.</strong> ' if table.label else ""
    return (
        f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f'<p class="caption">{label}{html.escape(table.caption)}</p>'
    )


def write(table: Table, folder: Path, prefix: str = "") -> None:
    """NAME.md, NAME.csv and NAME.tex; the CSV holds the numbers and, in a rehearsal, a column that says so."""
    name = prefix + table.name
    write_text(folder / f"{name}.md", to_markdown(table))
    write_text(folder / f"{name}.tex", to_latex(table))
    data = table.data.assign(rehearsal=True) if table.label else table.data
    write_text(folder / f"{name}.csv", data.to_csv(index=False))

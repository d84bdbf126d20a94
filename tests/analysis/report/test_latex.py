"""LaTeX that fits the page it is made for, and that LaTeX takes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest

from analysis.figures.figure import Figure
from analysis.figures.style import finish, get_style
from analysis.report import latex, tables
from analysis.report.latex import COLUMNS, WHOLE

NAME = "kmclr k=11 prototype_update=ema half_life=10.3 prototype_dtype=float16 t=0.409"


def made(rows: dict, caption: str = "", spare: tuple[str, ...] = ()) -> tables.Table:
    return tables.Table("t", "T", caption, pd.DataFrame(rows), None, None, spare)


def test_latex_is_booktabs_and_escaped() -> None:
    text = latex.table_tex(made({"A & B": ["x_1"], "n #": ["-1.5 [-2, 1]"]}, "50 % of a_b"))
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\begin{tabular}{@{}lr@{}}", r"\caption{50 \% of a\_b}"):
        assert rule in text
    assert r"A \& B & n \# \\" in text
    assert r"x\_1 & $-$1.5 [$-$2, 1] \\" in text
    assert r"\begin{table}" in text


def test_long_names_take_the_room_that_is_left_and_heads_are_broken() -> None:
    rows = {"Point": [NAME, NAME], "Test acc@1, few-shot probe (%)": ["84.86 [66.86, 100.00]"] * 2, "n": [2, 2]}
    text = latex.table_tex(made(rows))
    assert "% needs \\usepackage{booktabs,tabularx}" in text
    assert r"\begin{tabularx}{\linewidth}{@{}>{\raggedright\arraybackslash}Xrr@{}}" in text
    assert r"\begin{tabular}[b]{@{}r@{}}Test acc@1, few-shot \\ probe (\%)\end{tabular}" in text
    assert r"prototype\_\allowbreak{}update=\allowbreak{}ema" in text
    assert text.count("addlinespace") == 1
    short = latex.table_tex(made({**rows, "Point": ["none", "none"]}))
    assert r"\begin{tabular}{@{}lrr@{}}" in short
    assert "addlinespace" not in short


def test_a_column_of_two_has_intervals_below_their_means() -> None:
    text = latex.table_tex(made({"Point": ["none"], "Accuracy": ["84.86 [66.86, 100.00]"], "n": ["3"]}), COLUMNS["1"])
    assert r"none & \begin{tabular}[t]{@{}r@{}}84.86 \\ {}[66.86, 100.00]\end{tabular} & 3 \\" in text
    assert r"\begin{table}" in text


def test_what_is_too_wide_loses_spare_columns_and_else_takes_both() -> None:
    broad = {f"C{i}": ["84.86 [66.86, 100.00]"] for i in range(4)}
    rows = {"Point": ["none"], "Vectors": ["400"], **broad}
    caption = "Before. Vectors: how many. After."
    kept = latex.table_tex(made(rows, caption, ("Vectors", "C3", "C2")), COLUMNS["1"])
    assert r"\begin{table}" in kept
    assert "% left out to fit the column: Vectors, C3; the .csv file has all" in kept
    assert r"\caption{Before. After.}" in kept
    both = latex.table_tex(made(rows, caption, ("Vectors",)), COLUMNS["1"])
    assert r"\begin{table*}" in both
    assert r"\end{table*}" in both
    assert "Vectors & C0" in both
    assert r"\caption{Before. Vectors: how many. After.}" in both
    assert both == latex.table_tex(made(rows, caption), COLUMNS["2"])


def test_latex_takes_any_error_message() -> None:
    assert latex.tex("a <b> | --resume\nsecond") == r"a \textless{}b\textgreater{} \textbar{} -{}-resume second"
    assert latex.tex("\u2192 \u03c4 \u00e9 \u2013") == r"$\to$ ? \u00e9 --".replace(r"\u00e9", "\u00e9")


@pytest.mark.parametrize(
    ("columns", "place", "width"), [("1", "figure", r"\columnwidth"), ("2", "figure*", r"\textwidth")]
)
def test_a_figure_says_how_many_columns_it_takes(columns: str, place: str, width: str) -> None:
    fig = finish(go.Figure(), get_style("paper", columns), [])
    text = latex.figure_tex(Figure("pareto", "Front", "95 % intervals, n = 3.", fig, pd.DataFrame()))
    assert f"\\begin{{{place}}}\n" in text
    assert f"\\includegraphics[width={width}]{{pareto.pdf}}" in text
    assert r"\caption{95 \% intervals, n = 3.}" in text


def overfull(body: str, options: str, folder: Path) -> list[str]:
    """What LaTeX says is wider than its place, pt."""
    lines = (rf"\documentclass[{options}]{{article}}", r"\usepackage[T1]{fontenc}\usepackage{booktabs,tabularx}",
             r"\begin{document}", body, r"\end{document}")  # fmt: skip
    (folder / "a.tex").write_text("\n".join(lines), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    log = (folder / "a.log").read_text(encoding="latin-1")
    assert done.returncode == 0, log[-2000:]
    return re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (Debian: texlive-latex-recommended)")
@pytest.mark.parametrize(("page", "options"), [(WHOLE, ""), (COLUMNS["1"], "twocolumn"), (COLUMNS["2"], "twocolumn")])
def test_tables_of_a_study_fit_the_page(results, page: latex.Page, options: str, tmp_path: Path) -> None:
    error = "RuntimeError: the data's file train/0001.png holds no picture, or one that is cut off after 4,096 bytes"
    rows = {"Trial": ["search-0007"] * 2, "Point": [NAME, "none"], "Seed": [0, 1], "Status": ["failed", "diverged"],
            "Epochs": ["12 of 200"] * 2, "Error": [error, "–"]}  # fmt: skip
    found = [tables.front_table(results), tables.offline_table(results), tables.paired_table(results), made(rows)]
    body = "\n".join(latex.table_tex(table, page) for table in found)
    assert body.count(r"\begin{table") == 4
    assert overfull(body, f"a4paper,{options}", tmp_path) == []

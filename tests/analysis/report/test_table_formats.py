"""Tables as files and page elements that their readers can parse."""

from __future__ import annotations

import io
import re

import pandas as pd
import pytest

from analysis.report import table_formats, tables


def _has_html_parser() -> bool:
    import importlib.util

    return importlib.util.find_spec("lxml") is not None


def test_csv_holds_numbers_and_says_rehearsal(rehearsal, tmp_path):
    table = tables.front_table(rehearsal)
    table_formats.write(table, tmp_path)
    read = pd.read_csv(tmp_path / "front.csv")
    assert read["rehearsal"].all()
    assert read["y"].tolist() == pytest.approx(table.data["y"].tolist())
    for name in ("front.md", "front.tex"):
        assert "Rehearsal on digits" in (tmp_path / name).read_text()


def test_markdown_is_a_table(results):
    text = table_formats.to_markdown(tables.front_table(results))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert set(lines[1].replace("|", "").split()) == {"---", "---:"}


def test_latex_is_booktabs_and_escaped(results):
    table = tables.Table("t", "T", "50 % of a_b", pd.DataFrame({"A & B": ["x_1"], "n #": ["-1.5 [-2, 1]"]}), None, None)
    text = table_formats.to_latex(table)
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\begin{tabular}{lr}", r"\caption{50 \% of a\_b}"):
        assert rule in text
    assert r"A \& B & n \# \\" in text
    assert r"x\_1 & $-$1.5 [$-$2, 1] \\" in text


def test_latex_wraps_long_names_and_heads_to_the_line(results):
    name = "kmclr k=11 prototype_update=ema half_life=10.3 prototype_dtype=float16 t=0.409"
    rows = pd.DataFrame(
        {"Point": [name, name], "Test acc@1, few-shot probe (%)": ["84.86 [66.86, 100.00]"] * 2, "n": 2}
    )
    text = table_formats.to_latex(tables.front_table(results)._replace(rows=rows))
    assert "% needs \\usepackage{booktabs,array}" in text
    share = float(re.search(r"\\raggedright\\arraybackslash\}p\{([\d.]+)\\linewidth\}rr\}", text)[1])
    assert 0.4 < share < 0.8
    assert r"\shortstack[r]{Test acc@1, few-shot \\ probe (\%)}" in text
    assert r"prototype\_\allowbreak{}update=\allowbreak{}ema" in text
    assert text.count("addlinespace") == 1
    short = table_formats.to_latex(tables.front_table(results)._replace(rows=rows.assign(Point="none")))
    assert r"\begin{tabular}{lrr}" in short
    assert "addlinespace" not in short


def test_latex_takes_any_error_message():
    assert table_formats.tex("a <b> | --resume\nsecond") == (
        r"a \textless{}b\textgreater{} \textbar{} -{}-resume second"
    )
    assert table_formats.tex("\u2192 \u03c4 \u00e9 \u2013") == r"$\to$ ? \u00e9 --".replace(r"\u00e9", "\u00e9")


def test_html_is_escaped_and_readable():
    table = tables.Table("t", "T", "c < d", pd.DataFrame({"A": ["<b>"], "B": ["1.0"]}), None, None)
    text = table_formats.to_html(table)
    assert "&lt;b&gt;" in text
    read = pd.read_html(io.StringIO(text.replace("&lt;b&gt;", "b")))[0] if _has_html_parser() else None
    assert read is None or read.shape == (1, 2)

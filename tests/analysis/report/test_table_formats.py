"""Tables as files and page elements that their readers can parse."""

from __future__ import annotations

import io

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


def test_html_is_escaped_and_readable():
    table = tables.Table("t", "T", "c < d", pd.DataFrame({"A": ["<b>"], "B": ["1.0"]}), None, None)
    text = table_formats.to_html(table)
    assert "&lt;b&gt;" in text
    read = pd.read_html(io.StringIO(text.replace("&lt;b&gt;", "b")))[0] if _has_html_parser() else None
    assert read is None or read.shape == (1, 2)

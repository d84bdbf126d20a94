"""The report on paper, printed by a real browser: where its tables break."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from analysis.report import page, table_formats
from analysis.report.tables import Table


def browser() -> str | None:
    """Path of Chromium or Chrome."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def table(count: int) -> Table:
    columns = ("Point", "Vectors", "Test acc@1 (%)")
    rows = pd.DataFrame([(f"row{i}", "400", "57.20 [56.90, 57.50]") for i in range(count)], columns=columns)
    return Table("front", "The front", "begin of caption. " + "More of it. " * 30 + "end of caption.", rows, rows, None)


def printed(folder: Path, above_mm: int, shown: Table) -> list[str]:
    """Text of each A4 page of a report that has so much above its table."""
    above = f'<div style="height:{above_mm}mm">above</div>'
    body = [above, f"<h3>{shown.title}</h3>", table_formats.to_html(shown), "<p>below</p>"]
    (folder / "report.html").write_text(page.page("t", body))
    options = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-pdf-header-footer",
        f"--user-data-dir={folder / 'u'}",
    )
    where = (f"--print-to-pdf={folder / 'report.pdf'}", (folder / "report.html").as_uri())
    subprocess.run([browser(), *options, *where], check=True, capture_output=True, timeout=120)
    text = ["pdftotext", "-layout", str(folder / "report.pdf"), "-"]
    return subprocess.run(text, check=True, capture_output=True, text=True, timeout=60).stdout.split("\f")[:-1]


needs_printer = pytest.mark.skipif(not (browser() and shutil.which("pdftotext")), reason="no browser or no pdftotext")


@needs_printer
@pytest.mark.parametrize("above_mm", [100, 200, 225, 245])
def test_a_short_table_stays_on_one_page_with_its_heading_and_caption(tmp_path, above_mm) -> None:
    pages = printed(tmp_path, above_mm, table(12))
    assert len(pages) == (1 if above_mm == 100 else 2)
    words = ["The front", "row0", "row11", "begin of caption", "end of caption"]
    assert all(word in pages[-1] for word in words)


@needs_printer
@pytest.mark.parametrize("above_mm", [0, 190, 224, 229])
def test_a_long_table_repeats_its_head_and_leaves_no_row_alone(tmp_path, above_mm) -> None:
    pages = printed(tmp_path, above_mm, table(60))
    counts = [len(re.findall(r"row\d+", text)) for text in pages]
    assert sum(counts) == 60
    assert sum(count > 0 for count in counts) > 1
    for text, count in zip(pages, counts, strict=True):
        assert count == 0 or count >= 3
        assert ("Vectors" in text) == (count > 0)
    assert "row0" in next(text for text in pages if "The front" in text)


@pytest.mark.parametrize(("rows", "kept"), [(1, True), (25, True), (26, False)])
def test_tables_up_to_half_a_page_are_kept_together(rows, kept) -> None:
    code = table_formats.to_html(table(rows))
    assert code.startswith('<div class="short">') == kept
    assert code.count("<div") == code.count("</div>")

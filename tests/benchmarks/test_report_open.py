"""The time of opening a report: every moment is reached, and the table says when."""

from __future__ import annotations

import plotly.graph_objects as go

from analysis.figures.figure import Figure
from analysis.report import explorer, live, page
from analysis.results.load import load
from benchmarks.report_open import UNTIL, measure, report
from tests.helpers.browser import needs_browser
from tests.helpers.synthetic_results import write_results


@needs_browser
def test_every_moment_of_a_page_is_timed(tmp_path) -> None:
    results = load(write_results(tmp_path / "a", trials=12, epochs=3, confirm_seeds=()))
    figure = live.embedded(Figure("a", "A", "Caption", go.Figure(go.Scatter(y=[1, 2])), None), 0, None)
    body = [figure, '<h2 id="trials">Every trial</h2>', explorer.section([results])]
    path = tmp_path / "report.html"
    path.write_text(page.page("t", body, explorer.head(), live.scripts() + explorer.script()))
    found = measure(path, 1)
    assert list(found) == list(UNTIL)
    assert all(wall.seconds[0] > 0 and work.seconds[0] > 0 for wall, work in found.values())
    text = report(path, found, "12 trials", 1)
    assert "A report of 12 trials and " in text
    assert "| table of trials | " in text

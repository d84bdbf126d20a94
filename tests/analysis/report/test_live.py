"""Figures in the page: drawn when the reader comes near them or prints, and scrolled on a phone where they are wide."""

from __future__ import annotations

import plotly.graph_objects as go

from analysis.figures.figure import Figure
from analysis.report import live, page
from analysis.report.live import is_wide
from tests.helpers.browser import Page, look_at, needs_browser

DRAWN = "[...document.querySelectorAll('.drawing')].map(e => e.classList.contains('js-plotly-plot'))"


def test_drawings_of_several_panels_or_many_names_are_scrolled_on_a_phone():
    assert not is_wide(go.Figure().update_xaxes(ticktext=["1 kB", "10 kB", "100 kB"]))
    assert is_wide(go.Figure().update_xaxes(ticktext=list("abcdefgh")))
    assert not is_wide(go.Figure().update_xaxes(ticktext=list("12345678"), type="log"))
    assert is_wide(go.Figure(layout={"xaxis": {}, "xaxis2": {}}))


@needs_browser
def test_a_figure_is_drawn_once_it_is_near_or_printed(tmp_path):
    drawing = go.Figure(go.Scatter(y=[1, 2]), frames=[go.Frame(data=[go.Scatter(y=[2, 1])], name="end")])
    figures = [Figure(f"f{i}", "</script><i>T", "Caption", drawing, None) for i in range(3)]
    far = '<div style="height:5000px"></div>'
    body = far.join(live.embedded(figure, i, None) for i, figure in enumerate(figures))
    (tmp_path / "page.html").write_text(page.page("t", [body], "", live.scripts()))

    async def used(shown: Page) -> None:
        await shown.until(DRAWN, [True, False, False])
        await shown.run("document.getElementById('f1').scrollIntoView()")
        await shown.until(DRAWN, [True, True, False])
        await shown.run("dispatchEvent(new Event('beforeprint'))")
        await shown.until(DRAWN, [True, True, True])
        assert await shown.run("document.getElementById('figure-0')._transitionData._frames.map(f => f.name)") == [
            "end"
        ]
        assert not shown.errors

    look_at(tmp_path / "page.html", used)

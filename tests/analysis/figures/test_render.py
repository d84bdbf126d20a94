"""Figures as files, through a browser where there is one."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import subprocess

import plotly.graph_objects as go
import pytest
from PIL import Image

from analysis.figures import render


def drawing() -> go.Figure:
    return go.Figure(go.Scatter(x=[0], y=[0]), layout={"width": 120, "height": 90, "xaxis": {"range": [0, 5]}})


def test_without_a_browser_one_line_says_how_to_get_images(tmp_path, monkeypatch):
    import kaleido

    def missing(*_, **__):
        raise RuntimeError("Chrome not found\nlong advice")

    monkeypatch.setattr(kaleido, "Kaleido", missing)
    lines: list[str] = []
    assert not render.write_images([render.Job(drawing(), tmp_path / "a.png")], lines.append)
    assert len(lines) == 1
    assert re.search(r"HTML only, no PNG, SVG, PDF: .*Chrome not found.*install Chromium", lines[0])
    assert list(tmp_path.iterdir()) == []


class Flaky:
    """A browser whose drawings end as its class was told to, one after the other."""

    ends: list[object] = []
    started = 0

    def __init__(self, *_, **__):
        type(self).started += 1

    async def open(self):
        pass

    async def close(self):
        raise RuntimeError("gone already")

    async def calc_fig(self, *_, **__):
        end = self.ends.pop(0)
        if isinstance(end, Exception):
            logging.getLogger("choreographer.channels.pipe").error("Ignoring", exc_info=end)
            asyncio.get_running_loop().create_task(self.fail(end))
            await asyncio.sleep(0)
            raise end
        return end

    async def fail(self, error):
        raise error


def flaky(tmp_path, monkeypatch, *ends):
    """What two drawings come to, where the browser answers so: whether all is well, the lines, the files, browsers."""
    import kaleido

    monkeypatch.setattr(Flaky, "ends", list(ends))
    monkeypatch.setattr(Flaky, "started", 0)
    monkeypatch.setattr(kaleido, "Kaleido", Flaky)
    lines: list[str] = []
    well = render.write_images([render.Job(drawing(), tmp_path / name) for name in ("a.png", "b.png")], lines.append)
    return well, lines, sorted(path.name for path in tmp_path.iterdir()), Flaky.started


class JSONError(RuntimeError):
    pass


def test_a_browser_that_answers_nonsense_or_dies_is_started_again_without_a_traceback(tmp_path, monkeypatch, capfd):
    assert flaky(tmp_path, monkeypatch, JSONError(), b"a", b"b") == (True, [], ["a.png", "b.png"], 2)
    assert capfd.readouterr() == ("", "")


def test_a_figure_that_cannot_be_drawn_twice_is_a_line_and_the_others_are_drawn(tmp_path, monkeypatch, capfd):
    error = JSONError("bad\nworse")
    assert flaky(tmp_path, monkeypatch, error, error, b"b") == (
        False, ["a.png: not drawn (JSONError: bad)"], ["b.png"], 3,
    )  # fmt: skip
    assert capfd.readouterr() == ("", "")


def test_a_browser_that_is_there_at_the_second_try_draws(tmp_path, monkeypatch):
    opened = Flaky.open
    missing = [RuntimeError("not yet")]

    async def late(self):
        if missing:
            raise missing.pop()
        await opened(self)

    monkeypatch.setattr(Flaky, "open", late)
    assert flaky(tmp_path, monkeypatch, b"a", b"b")[:2] == (True, [])


def _browser() -> bool:
    from choreographer.browsers.chromium import Chromium

    return bool(Chromium.find_browser(skip_local=False))


@pytest.mark.skipif(not _browser(), reason="needs Chromium or Chrome")
@pytest.mark.filterwarnings("ignore")
def test_images_of_all_formats(tmp_path):
    """One browser draws them all; the PDF embeds its fonts; nothing is left half done."""
    fig = drawing().update_layout(title_text="Accuracy (%)", width=300, height=200)
    jobs = [render.Job(fig, tmp_path / f"a.{kind}", 2.0 if kind == "png" else 1.0) for kind in ("png", "svg", "pdf")]
    assert render.write_images(jobs)
    assert Image.open(tmp_path / "a.png").size == (600, 400)
    assert (tmp_path / "a.svg").read_text().startswith("<svg")
    pdf = (tmp_path / "a.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"FontFile" in pdf
    assert {p.name for p in tmp_path.iterdir()} == {"a.png", "a.svg", "a.pdf"}


@pytest.mark.skipif(not _browser() or shutil.which("pdftotext") is None, reason="needs a browser and pdftotext")
@pytest.mark.filterwarnings("ignore")
def test_a_pdf_is_as_large_as_its_drawing(tmp_path):
    """Text at the drawing's lower left end stands there in the file too: nothing is cut off or made smaller."""
    fig = drawing().update_layout(width=300, height=100, margin={"l": 0, "r": 0, "t": 0, "b": 0}, xaxis_visible=False)
    fig.add_annotation(text="Low", x=0, y=0, xref="paper", yref="paper", xanchor="left", yanchor="bottom",
                       showarrow=False, font_size=12, borderpad=0)  # fmt: skip
    assert render.write_images([render.Job(fig.update_yaxes(visible=False), tmp_path / "a.pdf")])
    read = subprocess.run(["pdftotext", "-bbox", tmp_path / "a.pdf", "-"], capture_output=True, text=True, check=True)
    page = re.search(r'<page width="([\d.]+)" height="([\d.]+)">', read.stdout)
    assert [float(v) for v in page.groups()] == pytest.approx([225, 75], abs=1)
    word = re.search(r'xMin="([\d.]+)" yMin="[\d.]+" xMax="[\d.]+" yMax="([\d.]+)">Low<', read.stdout)
    assert float(word[1]) < 3
    assert 70 < float(word[2]) < 77

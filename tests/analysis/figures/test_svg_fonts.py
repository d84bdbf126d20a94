"""Vector files: fonts inside SVG, and PDF pages of the figure's own size whatever the PNG's resolution is."""

import base64
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import plotly.graph_objects as go
import pytest
from fontTools.ttLib import TTFont
from PIL import Image

from analysis.figures import render, svg_fonts
from analysis.figures.style import FONTS, PX_PER_INCH, STYLES

SVG = f'<svg xmlns="http://www.w3.org/2000/svg" width="9"><text style="font-family: {FONTS}; fill: red">τ</text></svg>'


@pytest.fixture
def font() -> Path:
    path = svg_fonts.font_file()
    if path is None:
        pytest.skip("fontconfig names no scalable font here")
    return path


def test_font_is_inside_and_named_first_and_nothing_is_fetched(font):
    made = svg_fonts.embed(SVG.encode(), font).decode()
    root = ElementTree.fromstring(made)
    assert [child.tag.rsplit("}")[-1] for child in root] == ["style", "text"]
    assert root[1].attrib["style"].startswith("font-family: Figure, Helvetica, Arial")
    assert len(re.findall(r'url\("data:font/woff;base64,', root[0].text)) == 1
    assert re.findall(r"url\((?!\"data:)", made) == []


def test_font_is_cut_down_to_the_characters_of_the_figure(font):
    made = svg_fonts.embed(SVG.encode(), font).decode()
    raw = base64.b64decode(re.search(r"base64,([^\"]*)", made)[1])
    assert raw[:4] == b"wOFF"
    assert set(TTFont(io.BytesIO(raw)).getBestCmap()) == {ord("τ")}


def test_without_a_font_the_file_is_left_alone(monkeypatch):
    monkeypatch.setattr(svg_fonts, "font_file", lambda: None)
    assert svg_fonts.embed(SVG.encode()) == SVG.encode()


@pytest.mark.parametrize("text", [b"", b"<html></html>", b"<svg"])
def test_refuses_what_is_no_svg(text):
    with pytest.raises(ValueError, match="expected an svg element"):
        svg_fonts.embed(text)


@pytest.mark.filterwarnings("ignore")
def test_vector_files_have_the_width_of_a_journal_column(tmp_path):
    style = STYLES["paper"]
    figure = go.Figure(go.Scatter(x=[1, 2], y=[1, 2])).update_layout(width=style.width, height=style.height)
    notes = []
    jobs = [render.Job(figure, tmp_path / f"a.{kind}", style.scale) for kind in ("pdf", "svg", "png")]
    if not render.write_images(jobs, notes.append):
        assert "no browser to draw with" in notes[0]
        pytest.skip(notes[0])
    page = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", (tmp_path / "a.pdf").read_bytes())
    assert float(page[1]) == pytest.approx(style.width * 72 / PX_PER_INCH, abs=1)  # 89 mm in points
    root = ElementTree.fromstring((tmp_path / "a.svg").read_text())
    assert (root.attrib["width"], root.attrib["height"]) == (str(style.width), str(style.height))
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == pytest.approx((style.width * style.scale, style.height * style.scale), abs=1)

"""Fonts inside SVG files, so that a figure looks the same on a machine that lacks them.

The browser writes only the names of fonts into an SVG file (into a PDF file it embeds them). Here the font it laid the
figure out with, as fontconfig names it, is cut down to the characters of the figure and put inside. Without fontconfig
or a scalable font the file keeps the names alone.
"""

from __future__ import annotations

import base64
import functools
import html
import io
import logging
import os
import re
import shutil
import subprocess
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont, TTLibError

ASKED_FOR = "Helvetica"
"""First name in style.FONTS; fontconfig answers with what the browser takes for it."""
FAMILY = "Figure"
logging.getLogger("fontTools.subset").setLevel(logging.ERROR)  # it warns of tables that it leaves out, as it should


@functools.cache
def font_file() -> Path | None:
    """The TrueType or OpenType file that stands for ASKED_FOR on this machine, or None."""
    if shutil.which("fc-match") is None:
        return None
    answer = subprocess.run(["fc-match", "-f", "%{file}", ASKED_FOR], capture_output=True, timeout=30, check=False)
    path = Path(os.fsdecode(answer.stdout.strip()))
    return path if path.suffix.lower() in (".ttf", ".otf") and path.is_file() else None


def font_face(characters: str, path: Path) -> str:
    """CSS that defines FAMILY with these characters of the font at `path`, as a WOFF data URI."""
    options = subset.Options(flavor="woff", notdef_outline=True, layout_features=["kern"])
    font = TTFont(path)
    cutter = subset.Subsetter(options)
    cutter.populate(text=characters)
    cutter.subset(font)
    font.flavor = "woff"
    raw = io.BytesIO()
    font.save(raw)
    code = base64.b64encode(raw.getvalue()).decode()
    return f'@font-face{{font-family:{FAMILY};src:url("data:font/woff;base64,{code}") format("woff")}}'


def embed(svg: bytes, path: Path | None = None) -> bytes:
    """An SVG file as plotly.js writes it, with the font (`path`, default `font_file()`) inside and named first.

    Unchanged if there is no usable font. Raises ValueError for text that does not start with an svg element.
    """
    text = svg.decode("utf-8")
    start = text.find("<svg")
    end = text.find(">", start)
    if start < 0 or end < 0:
        raise ValueError("expected an svg element")
    path = path or font_file()
    if path is None:
        return svg
    used = "".join(sorted(set(html.unescape(re.sub(r"<[^>]*>", "", text[end + 1 :])))))
    try:
        face = font_face(used, path)
    except (TTLibError, OSError):
        return svg
    body = text[end + 1 :].replace(f"font-family: {ASKED_FOR},", f"font-family: {FAMILY}, {ASKED_FOR},")
    return f"{text[: end + 1]}<style>{face}</style>{body}".encode()

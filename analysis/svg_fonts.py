"""Fonts inside SVG files, so that a figure looks the same on a machine that lacks them.

The browser writes only the names of fonts into an SVG file (into a PDF file it embeds them). Arimo has the widths of
Arial and Liberation Sans, with which the figures are laid out, so nothing moves. It is shipped in `analysis/data` in
two parts (Latin, Greek) under the SIL Open Font License 1.1, which is beside it.
"""

from __future__ import annotations

import base64
import functools
from importlib import resources

FAMILY = "Arimo"
PARTS = {
    "latin": "U+0000-00FF,U+0131,U+0152-0153,U+02DA,U+2000-206F,U+20AC,U+2122,U+2191,U+2193,U+2212,U+2215",
    "greek": "U+0370-03FF",
}
"""Characters that each file holds, as its publisher states them."""


@functools.cache
def font_faces() -> str:
    """CSS that defines the font, its files inside as data URIs."""
    rules = []
    for part, characters in PARTS.items():
        raw = (resources.files("analysis") / "data" / f"arimo-{part}-400-normal.woff2").read_bytes()
        code = base64.b64encode(raw).decode()
        rules.append(
            f'@font-face{{font-family:{FAMILY};src:url("data:font/woff2;base64,{code}") format("woff2");'
            f"unicode-range:{characters}}}"
        )
    return "".join(rules)


def embed(svg: bytes) -> bytes:
    """An SVG file as plotly.js writes it, with the font inside and named first in every list of fonts.

    Raises ValueError for text that does not start with an svg element.
    """
    text = svg.decode("utf-8")
    start = text.find("<svg")
    end = text.find(">", start)
    if start < 0 or end < 0:
        raise ValueError("expected an svg element")
    body = text[end + 1 :].replace("font-family: Helvetica,", f"font-family: {FAMILY}, Helvetica,")
    return f"{text[: end + 1]}<style>{font_faces()}</style>{body}".encode()

"""Figures to files: PNG, SVG and PDF through one browser for all of them, and stand-alone HTML without any.

Kaleido drives Chromium; it draws with the plotly.js that comes with the plotly package, so nothing is fetched.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from analysis.figures.svg_fonts import embed
from study.schema import files

OPEN_S, IMAGE_S = 60, 60
"""Seconds to wait for the browser to start, and for one image."""
NO_MARGIN = "<style>@page { margin: 0 }</style>"
"""Without it Kaleido prints a PDF with 0.1 inch around the drawing, which is made smaller and loses its lower edge."""
SCRIPT = "plotly.min.js"
HOW_TO = "install Chromium or Chrome (Debian: apt install chromium), then run: python -m analysis"


class Job(NamedTuple):
    """One file to be drawn; the suffix of `path` is its format (.png, .svg, .pdf)."""

    figure: go.Figure
    path: Path
    scale: float = 1.0
    """PNG: pixels per CSS pixel. PDF and SVG always keep the figure's own size."""


def write_images(jobs: Sequence[Job], progress: Callable[[str], None] = print) -> bool:
    """Draw all jobs. False, after one line that says how to get the files, if there is no working browser.

    A figure that cannot be drawn costs one line, not the others. Files are complete or absent. May be called from
    within a running event loop.
    """
    if not jobs:
        return True
    problems: list[str] = []
    thread = threading.Thread(target=lambda: asyncio.run(_draw_all(jobs, problems)), daemon=True)
    thread.start()
    thread.join(OPEN_S + 30 + IMAGE_S * len(jobs))
    if thread.is_alive():
        problems.append("no images: the browser did not answer in time")
    for line in problems:
        progress(line)
    return not problems


async def _draw_all(jobs: Sequence[Job], problems: list[str]) -> None:
    import kaleido

    try:
        page = kaleido.PageGenerator(mathjax=False)
        page.header += NO_MARGIN
        browser = kaleido.Kaleido(n=1, timeout=IMAGE_S, page_generator=page)
        await asyncio.wait_for(browser.open(), OPEN_S)
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        problems.append(f"HTML only, no PNG, SVG, PDF: no browser to draw with ({reason[0][:120]}); {HOW_TO}")
        return
    try:
        for job in jobs:
            try:
                files.write_atomically(job.path, await _draw(browser, job))
            except Exception as error:
                problems.append(f"{job.path.name}: not drawn ({type(error).__name__}: {str(error)[:200]})")
    finally:
        await browser.close()


async def _draw(browser: Any, job: Job) -> bytes:
    kind = job.path.suffix.lstrip(".")
    scale = job.scale if kind == "png" else 1.0
    drawn = await browser.calc_fig(job.figure.to_dict(), opts={"format": kind, "scale": scale})
    return embed(drawn) if kind == "svg" else drawn


def write_html(figure: go.Figure, path: Path, *, alone: bool) -> None:
    """One interactive figure as a page. alone: with plotly.js inside; otherwise in a file beside it, shared by all."""
    script = True if alone else "directory"
    page = figure.to_html(include_plotlyjs=script, full_html=True, config={"displaylogo": False})
    if not alone and not (path.parent / SCRIPT).exists():
        files.write_atomically(path.parent / SCRIPT, get_plotlyjs())
    files.write_atomically(path, page)

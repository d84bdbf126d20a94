"""Figures to files: PNG, SVG and PDF through one browser for all of them, and stand-alone HTML without any.

Kaleido drives Chromium; it draws with the plotly.js that comes with the plotly package, so nothing is fetched.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from analysis.figures.svg_fonts import embed
from study.schema import files

OPEN_S, IMAGE_S, CLOSE_S = 60, 60, 10
"""Seconds to wait for the browser to start, for one image, and for the browser to end."""
TRIES = 2
"""How often a browser is started that does not, and an image is tried that cannot be drawn."""
DRIVER = ("choreographer", "kaleido")
"""Loggers of what drives the browser."""
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

    A figure that cannot be drawn at the second try costs one line, not the others; a browser that dies, or answers
    what nobody can read, is started again. Files are complete or absent. May be called from within a running event
    loop.
    """
    if not jobs:
        return True
    problems: list[str] = []
    thread = threading.Thread(target=_run, args=(jobs, problems), daemon=True)
    with _without_tracebacks():
        thread.start()
        thread.join(TRIES * (OPEN_S + 30 + IMAGE_S * len(jobs)))
    if thread.is_alive():
        problems.append("no images: the browser did not answer in time")
    for line in problems:
        progress(line)
    return not problems


@contextlib.contextmanager
def _without_tracebacks() -> Iterator[None]:
    """What the browser's driver logs of an error is not printed: the error itself ends in a line of ours."""
    loggers = [logging.getLogger(name) for name in DRIVER]
    before = [logger.propagate for logger in loggers]
    nowhere = logging.NullHandler()
    for logger in loggers:
        logger.propagate = False
        logger.addHandler(nowhere)
    try:
        yield
    finally:
        for logger, propagate in zip(loggers, before, strict=True):
            logger.propagate = propagate
            logger.removeHandler(nowhere)


def _run(jobs: Sequence[Job], problems: list[str]) -> None:
    try:
        asyncio.run(_draw_all(jobs, problems))
    except Exception as error:
        problems.append(f"no images: {_said(error)}")


async def _draw_all(jobs: Sequence[Job], problems: list[str]) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # of tasks that died with a browser
    waiting, tries = list(jobs), Counter[Path]()
    while waiting:
        try:
            browser = await _open()
        except Exception as error:
            problems.append(f"HTML only, no PNG, SVG, PDF: no browser to draw with ({_said(error)}); {HOW_TO}")
            return
        try:
            while waiting:
                await _write(browser, waiting[0])
                waiting.pop(0)
        except Exception as error:
            tries[waiting[0].path] += 1
            if tries[waiting[0].path] == TRIES:
                problems.append(f"{waiting.pop(0).path.name}: not drawn ({type(error).__name__}: {_said(error)})")
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(browser.close(), CLOSE_S)


def _said(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


async def _open() -> Any:
    """A browser; one that does not start gets a second chance."""
    import kaleido

    for left in reversed(range(TRIES)):
        try:
            page = kaleido.PageGenerator(mathjax=False)
            page.header += NO_MARGIN
            browser = kaleido.Kaleido(n=1, timeout=IMAGE_S, page_generator=page)
            await asyncio.wait_for(browser.open(), OPEN_S)
            return browser
        except Exception:
            if not left:
                raise
    raise AssertionError


async def _write(browser: Any, job: Job) -> None:
    files.write_atomically(job.path, await _draw(browser, job))


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

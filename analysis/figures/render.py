"""Figures to files: PNG, SVG, PDF and GIF through one browser for all of them, and stand-alone HTML without any.

Kaleido drives Chromium; it draws with the plotly.js that comes with the plotly package, so nothing is fetched.
"""

from __future__ import annotations

import asyncio
import copy
import io
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import plotly.graph_objects as go
from PIL import Image
from plotly.offline import get_plotlyjs

from analysis.figures.svg_fonts import embed

OPEN_S, IMAGE_S = 60, 60
"""Seconds to wait for the browser to start, and for one image."""
GIF_FRAMES = 60
"""Most frames of a GIF; of longer animations every so many are taken, the last included."""
SCRIPT = "plotly.min.js"
HOW_TO = "install Chromium or Chrome (Debian: apt install chromium), then run: python -m analysis"


class Job(NamedTuple):
    """One file to be drawn; the suffix of `path` is its format (.png, .svg, .pdf, .gif)."""

    figure: go.Figure
    path: Path
    scale: float = 1.0
    """PNG and GIF: pixels per CSS pixel. PDF and SVG always keep the figure's own size."""
    frame_ms: int = 200
    """GIF: time of a frame."""


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
        browser = kaleido.Kaleido(n=1, timeout=IMAGE_S, mathjax=False)
        await asyncio.wait_for(browser.open(), OPEN_S)
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        problems.append(f"HTML only, no PNG, SVG, PDF: no browser to draw with ({reason[0][:120]}); {HOW_TO}")
        return
    try:
        for job in jobs:
            try:
                _put(job.path, await _draw(browser, job))
            except Exception as error:
                problems.append(f"{job.path.name}: not drawn ({type(error).__name__}: {str(error)[:200]})")
    finally:
        await browser.close()


async def _draw(browser: Any, job: Job) -> bytes:
    kind = job.path.suffix.lstrip(".")
    if kind != "gif":
        scale = job.scale if kind == "png" else 1.0
        drawn = await browser.calc_fig(job.figure.to_dict(), opts={"format": kind, "scale": scale})
        return embed(drawn) if kind == "svg" else drawn
    frames = []
    for figure in frames_of(job.figure):
        raw = await browser.calc_fig(figure.to_dict(), opts={"format": "png", "scale": job.scale})
        frames.append(Image.open(io.BytesIO(raw)).convert("RGB"))
    return gif(frames, job.frame_ms)


def frames_of(figure: go.Figure) -> list[go.Figure]:
    """Still figures of an animation, without its slider and buttons; at most GIF_FRAMES, last frame included."""
    names = list(range(len(figure.frames)))
    step = -(-len(names) // GIF_FRAMES) if names else 1
    chosen = sorted({*names[::step], *names[-1:]})
    stills = []
    for number in chosen:
        frame = figure.frames[number]
        still = go.Figure(data=copy.deepcopy(figure.data), layout=figure.layout)
        targets = frame.traces if frame.traces is not None else range(len(frame.data))
        for target, trace in zip(targets, frame.data, strict=True):
            still.data[target].update(trace.to_plotly_json(), overwrite=False)
        if frame.layout is not None:
            still.update_layout(frame.layout.to_plotly_json())
        still.layout.sliders, still.layout.updatemenus = (), ()
        stills.append(still)
    return stills


def gif(frames: Sequence[Image.Image], frame_ms: int) -> bytes:
    """An endless GIF whose last frame stays for two seconds; one palette for all frames, so that colours hold still."""
    shown = [f.reduce(2) for f in frames[:: max(1, len(frames) // 6)]] + [frames[-1].reduce(2)]
    together = Image.new("RGB", (max(f.width for f in shown), sum(f.height for f in shown)))
    for number, frame in enumerate(shown):
        together.paste(frame, (0, number * frame.height))
    palette = together.quantize(128, method=Image.Quantize.MEDIANCUT)
    drawn = [f.quantize(palette=palette, dither=Image.Dither.NONE) for f in frames]
    times = [frame_ms] * (len(drawn) - 1) + [2000]
    out = io.BytesIO()
    drawn[0].save(out, "GIF", save_all=True, append_images=drawn[1:], duration=times, loop=0, optimize=True)
    return out.getvalue()


def _put(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    partial.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a text file in one go: a reader sees the old one or the new one."""
    _put(path, text.encode("utf-8"))


def write_html(figure: go.Figure, path: Path, *, alone: bool) -> None:
    """One interactive figure as a page. alone: with plotly.js inside; otherwise in a file beside it, shared by all."""
    script = True if alone else "directory"
    page = figure.to_html(include_plotlyjs=script, full_html=True, config={"displaylogo": False})
    if not alone and not (path.parent / SCRIPT).exists():
        write_text(path.parent / SCRIPT, get_plotlyjs())
    write_text(path, page)

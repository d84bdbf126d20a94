"""GIFs of what changes over the epochs, drawn with Pillow alone: 30 frames take about a second and need no browser.

Everything is drawn at twice the size and reduced, which smooths lines and type.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from analysis.figure_data import prototypes_info as moving
from analysis.figure_data import training_info as data
from analysis.figure_data.common import NotEnough
from analysis.figures import style as looks
from analysis.figures.figure import Skipped
from analysis.figures.panels import score_title
from analysis.figures.prototypes import class_colours
from analysis.results.load import Results
from analysis.text import nice_ticks, short_name
from study import schema
from study.schema import files

SCALE = 2
MOST_FRAMES = 60
FRAME_MS = 140


class Box(NamedTuple):
    """Where the axes are, in pixels of the drawing, and what they span."""

    left: float
    top: float
    right: float
    bottom: float
    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, x: np.ndarray | Sequence[float], y: np.ndarray | Sequence[float]) -> list[tuple[float, float]]:
        """Data to pixels."""
        across = self.left + (np.asarray(x, float) - self.x[0]) / (self.x[1] - self.x[0]) * (self.right - self.left)
        down = self.bottom - (np.asarray(y, float) - self.y[0]) / (self.y[1] - self.y[0]) * (self.bottom - self.top)
        return list(zip(across.tolist(), down.tolist(), strict=True))


def font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The type that comes with Pillow, so that a GIF looks the same everywhere."""
    return ImageFont.load_default(size * SCALE)


def frame_epochs(epochs: Sequence[int]) -> list[int]:
    """At most MOST_FRAMES of the epochs, evenly spread, first and last included."""
    index = np.unique(np.linspace(0, len(epochs) - 1, min(len(epochs), MOST_FRAMES)).round().astype(int))
    return [int(epochs[i]) for i in index]


# --- the paper under the drawing ---


def blank(size: tuple[int, int], title: str, results: Results) -> Image.Image:
    """A white sheet with the title and, for a rehearsal, its label."""
    sheet = Image.new("RGB", (size[0] * SCALE, size[1] * SCALE), "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((14 * SCALE, 10 * SCALE), fitted(title, font(17), sheet.width - 28 * SCALE), fill=looks.INK, font=font(17))
    label = looks.rehearsal_label([results])
    if label:
        pen.text((14 * SCALE, 35 * SCALE), label, fill=looks.WARN, font=font(12.5))
    return sheet


def fitted(text: str, type_: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: float) -> str:
    """The text, or as many of its words as fit into so many pixels, and an ellipsis."""
    if type_.getlength(text) <= room:
        return text
    words = text.split()
    while len(words) > 1 and type_.getlength(f"{' '.join(words)} …") > room:
        words.pop()
    return f"{' '.join(words)} …"


def axes(sheet: Image.Image, box: Box, x_title: str, y_title: str, *, numbers: bool = True) -> None:
    """Grid, ticks, axis lines and titles."""
    pen = ImageDraw.Draw(sheet)
    for tick in nice_ticks(*box.x) if numbers else ():
        (x, _), *_ = box.place([tick], [box.y[0]])
        pen.line([(x, box.top), (x, box.bottom)], fill=looks.GRID, width=SCALE)
        pen.text((x, box.bottom + 6 * SCALE), f"{tick:g}", fill=looks.INK, font=font(13), anchor="mt")
    for tick in nice_ticks(*box.y) if numbers else ():
        (_, y), *_ = box.place([box.x[0]], [tick])
        pen.line([(box.left, y), (box.right, y)], fill=looks.GRID, width=SCALE)
        pen.text((box.left - 7 * SCALE, y), f"{tick:g}", fill=looks.INK, font=font(13), anchor="rm")
    pen.line([(box.left, box.top), (box.left, box.bottom), (box.right, box.bottom)], fill=looks.INK, width=SCALE)
    middle = (box.left + box.right) / 2
    pen.text((middle, sheet.height - 9 * SCALE), x_title, fill=looks.INK, font=font(14), anchor="mb")
    _sideways(sheet, y_title, 8 * SCALE, (box.top + box.bottom) / 2)


def _sideways(sheet: Image.Image, text: str, left: float, middle: float) -> None:
    type_ = font(14)
    wide, tall = (round(v) + 4 for v in type_.getbbox(text)[2:])
    strip = Image.new("RGB", (wide, tall), "white")
    ImageDraw.Draw(strip).text((2, 2), text, fill=looks.INK, font=type_)
    turned = strip.rotate(90, expand=True)
    sheet.paste(turned, (round(left), round(middle - turned.height / 2)))


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions in the same order, at least `gap` apart, near the wanted ones and, if there is room, within limits."""
    order = np.argsort(wanted, kind="stable")
    placed = np.array([float(wanted[i]) for i in order])
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + gap)
    placed[-1:] = np.minimum(placed[-1:], high)
    for i in range(len(placed) - 2, -1, -1):
        placed[i] = min(placed[i], placed[i + 1] - gap)
    placed += max(0.0, low - placed[0]) if len(placed) else 0.0
    found = np.empty(len(placed))
    found[order] = placed
    return found.tolist()


# --- accuracy per epoch ---


def accuracy_frames(results: Results) -> list[Image.Image]:
    """The mean curve of every method growing epoch by epoch, with its band from three points on. Raises NotEnough."""
    curves = data.curves(results.trials, results.reports, schema.ACCURACY)
    epochs = frame_epochs(np.unique(np.concatenate([c.epochs for c in curves.curves])).tolist())
    sheet = blank((800, 480), "Accuracy per epoch by method", results)
    box = _curves_box(sheet, curves, epochs[-1])
    axes(sheet, box, _who(curves), score_title(results).replace("<br>", " "))
    return [_reduced(_draw_curves(sheet.copy(), box, curves, epoch)) for epoch in epochs]


def _who(curves: data.Curves) -> str:
    trials = ", ".join(f"{c.group} {c.n.max()}" for c in curves.curves)
    what = "mean and 95 % interval" if any(data.banded(c).any() for c in curves.curves) else "mean"
    return f"Epoch   ({what} over points of the {curves.stage} stage; trials: {trials})"


def _curves_box(sheet: Image.Image, curves: data.Curves, last: int) -> Box:
    everything = np.concatenate([values for c in curves.curves for _, values in c.members])
    low, high = float(np.nanmin(everything)), float(np.nanmax(everything))
    pad = 0.06 * max(high - low, 1.0)
    right, bottom = sheet.width - 118 * SCALE, sheet.height - 58 * SCALE
    return Box(78 * SCALE, 62 * SCALE, right, bottom, (0.0, float(max(last, 2))), (low - pad, high + pad))


def _draw_curves(sheet: Image.Image, box: Box, curves: data.Curves, upto: int) -> Image.Image:
    shown = [(c, c.epochs <= upto) for c in curves.curves if (c.epochs <= upto).any()]
    for curve, known in shown:
        _band(sheet, box, curve, known & data.banded(curve) & np.isfinite(curve.low))
    pen = ImageDraw.Draw(sheet)
    ends = []
    for curve, known in shown:
        way = box.place(curve.epochs[known], curve.mean[known])
        colour = looks.colour(curve.group)
        if len(way) > 1:
            pen.line(way, fill=colour, width=3 * SCALE, joint="curve")
        _dot(pen, way[-1], 4.5 * SCALE, fill=colour, outline="white")
        ends.append((way[-1], f"{curve.group} {curve.mean[known][-1]:.1f}", colour))
    heights = spread([end[1] for end, _, _ in ends], 17 * SCALE, box.top + 8 * SCALE, box.bottom - 8 * SCALE)
    for (end, text, colour), y in zip(ends, heights, strict=True):
        pen.text((end[0] + 9 * SCALE, y), text, fill=colour, font=font(14), anchor="lm")
    pen.text((box.right, box.top - 6 * SCALE), f"epoch {upto}", fill=looks.INK, font=font(15), anchor="rb")
    return sheet


def _band(sheet: Image.Image, box: Box, curve: data.Curve, known: np.ndarray) -> None:
    if known.sum() < 2:
        return
    low = np.clip(curve.low[known], *box.y)
    high = np.clip(curve.high[known], *box.y)
    edge = box.place(curve.epochs[known], high) + box.place(curve.epochs[known], low)[::-1]
    mask = Image.new("L", sheet.size, 0)
    ImageDraw.Draw(mask).polygon(edge, fill=42)
    sheet.paste(Image.new("RGB", sheet.size, looks.colour(curve.group)), (0, 0), mask)


def _dot(pen: ImageDraw.ImageDraw, at: tuple[float, float], radius: float, **how: Any) -> None:
    x, y = at
    pen.ellipse([x - radius, y - radius, x + radius, y + radius], **how)


def _reduced(sheet: Image.Image) -> Image.Image:
    return sheet.reduce(SCALE)


# --- prototypes ---


def prototype_frames(results: Results) -> list[Image.Image]:
    """Prototypes (rings) and embeddings (dots) epoch by epoch, each with its last step. Raises NotEnough."""
    info = moving.movement(results.folder, results.trials)
    pictures = moving.shown(info.pictures, MOST_FRAMES)
    low, high = moving.limits(pictures)
    sheet = blank((600, 660), f"Prototypes: {short_name(info.label)}", results)
    box = Box(42 * SCALE, 76 * SCALE, sheet.width - 18 * SCALE, sheet.height - 50 * SCALE, (low, high), (low, high))
    axes(sheet, box, "component 1 (no unit)", "component 2 (no unit)", numbers=False)
    return [_reduced(_draw_picture(sheet.copy(), box, pictures, i, info.method)) for i in range(len(pictures))]


def _draw_picture(
    sheet: Image.Image, box: Box, pictures: Sequence[moving.Picture], index: int, method: str
) -> Image.Image:
    pen = ImageDraw.Draw(sheet)
    now = pictures[index]
    tail = [p.vectors for p in pictures[max(0, index - 1) : index + 1] if p.vectors.shape == now.vectors.shape]
    if len(tail) > 1:
        for way in np.stack(tail, axis=1):
            pen.line(box.place(*way.T), fill="#C3CCD1", width=SCALE)
    for at, colour in zip(box.place(*now.sample.T), class_colours(now.labels), strict=True):
        _dot(pen, at, 2.2 * SCALE, fill=colour)
    for at in box.place(*now.vectors.T):
        _dot(pen, at, 4.6 * SCALE, fill="white", outline=looks.colour(method), width=2 * SCALE)
    text = f"epoch {now.epoch}   {len(now.vectors)} prototypes, {len(now.sample)} embeddings (colour: class)"
    pen.text((box.left, box.top - 6 * SCALE), text, fill=looks.INK, font=font(13), anchor="lb")
    return sheet


# --- files ---


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


GIFS: dict[str, Callable[[Results], list[Image.Image]]] = {
    "accuracy_per_epoch": accuracy_frames,
    "prototypes": prototype_frames,
}


def write_gifs(results: Sequence[Results], folder: Path) -> tuple[list[Path], list[Skipped]]:
    """NAME.gif (NAME-STUDY.gif for several studies) for every animation that the results allow, complete or absent."""
    written, skipped = [], []
    for name, frames_of in GIFS.items():
        for one in results:
            own = name if len(results) == 1 else f"{name}-{one.name}"
            try:
                frames = frames_of(one)
                if len(frames) < 2:
                    raise NotEnough("one epoch; an animation needs two")
            except NotEnough as error:
                skipped.append(Skipped(f"{own}.gif", str(error)))
                continue
            path = Path(folder) / f"{own}.gif"
            files.write_atomically(path, gif(frames, FRAME_MS))
            written.append(path)
    return written, skipped

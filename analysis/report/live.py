"""A figure in the page: drawn by plotly.js once it is near what the reader sees, its still picture for print."""

from __future__ import annotations

import base64
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from analysis.figures.figure import Figure
from analysis.report.page import data, esc

MOST_NAMES = 6
"""Named places on an axis that a phone has room for; more, as parallel coordinates have, are scrolled."""
SCRIPT = """
const small = innerWidth < 600 ? {"font.size": 11, "legend.font.size": 11} : null;
function plotly() {
  const code = document.getElementById("plotly");
  if (!code) return;
  const script = document.createElement("script");
  script.textContent = code.textContent;
  code.remove();
  document.head.append(script);
}
async function draw(place) {
  const code = place.querySelector("script");
  if (!code) return;
  const drawing = JSON.parse(code.textContent);
  code.remove();
  plotly();
  await Plotly.newPlot(place, drawing.data, drawing.layout, {displayModeBar: false, responsive: true});
  if (small) await Plotly.relayout(place, small);
  if (drawing.frames) { await Plotly.addFrames(place, drawing.frames); Plotly.animate(place, null); }
}
const near = new IntersectionObserver(seen => seen.filter(one => one.isIntersecting).forEach(one => {
  near.unobserve(one.target);
  draw(one.target);
}), {rootMargin: "500px"});
const places = document.querySelectorAll(".drawing");
addEventListener("load", () => setTimeout(() => places.forEach(place => near.observe(place))));
addEventListener("beforeprint", () => places.forEach(draw));
"""


def scripts() -> str:
    """What figures need at the page's end; plotly.js is read by the browser when the first of them is drawn."""
    return f'<script type="text/plain" id="plotly">{get_plotlyjs()}</script><script>{SCRIPT}</script>'


def embedded(figure: Figure, number: int, stills: Path | None) -> str:
    """A live figure that takes the width it gets, and its still picture for print."""
    live = go.Figure(figure.figure)
    top = live.layout.margin.t or 0
    margin = max(10, top - 30) if live.layout.title.text else top
    live.update_layout(title_text=None, width=None, autosize=True, margin_t=margin)
    height = live.layout.height or 480
    still = stills / f"{figure.name}.svg" if stills else None
    picture = ""
    if still is not None and still.is_file():
        code = base64.b64encode(still.read_bytes()).decode()
        picture = f'<img class="still" alt="{esc(figure.title)}" src="data:image/svg+xml;base64,{code}">'
    kinds = ["has-still"] * bool(picture) + ["wide"] * is_wide(live)
    return (
        f'<figure id="{esc(figure.name)}" class="{" ".join(kinds)}"><h3>{esc(figure.title)}</h3>'
        f'<div class="live"><div class="drawing" id="figure-{number}" style="height:{height}px">'
        f"{data(live.to_json())}</div></div>"
        f'{picture}</figure><p class="caption">{esc(figure.caption)}</p>'
    )


def is_wide(live: go.Figure) -> bool:
    """Whether a drawing is scrolled sideways on a phone, not squeezed: several panels, or an axis of many names."""
    axis = live.layout.xaxis
    return "xaxis2" in live.layout or (axis.type != "log" and len(axis.ticktext or ()) > MOST_NAMES)

"""Every trial of a report in one table to look around in: sorted, filtered, of chosen columns, and some side by side.

`explorer.js` makes the table in the reader's browser with DataTables and its extensions, which `itables` brings; both
stand in the page, so that nothing is fetched. What an untrusted folder holds reaches the page as text alone.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from itables.utils import find_package_file

from analysis.figures.style import rehearsal_label
from analysis.report import page
from analysis.results import points, query
from analysis.results.load import GPU_HOURS, PARAM_PREFIX, Results
from analysis.text import heading
from study import schema
from study.schema import ACCURACY, wording

MOST_SHOWN = 6
"""Parameters whose columns are there at first; the others are chosen."""
TRAINED_WITH = ("data", "encoder", "heads", "augment", "train", "method", "support", "optim", "probe", "confirm")
"""Sections of a study that say how its trials were trained: where studies differ in one of their settings, it is a
column."""
_HERE = Path(__file__)
_DISTINCT = 8
"""Different words up to which a column is filtered by ticking them."""


class Column(NamedTuple):
    """What a column of the table is."""

    name: str
    """Unique in the table."""
    title: str
    group: str
    """Trial, Parameters, Settings, Results or Course: its place where trials stand side by side."""
    shown: bool
    """At first; the others are chosen."""


class Explored(NamedTuple):
    """A table of trials [N]: cells are numbers, text, or None."""

    columns: list[Column]
    rows: list[list[float | int | str | None]]


def explored(results: Sequence[Results]) -> Explored:
    """All trials of these studies, the best first: those that ended, in whatever way, and those that have not; and what
    the studies have learned of earlier ones, with where it is from."""
    found = [_of_study(one, _asked_of(results)) for one in results]
    if not any(len(table) for table in found):
        return Explored([], [])
    trials = pd.concat([table for table in found if len(table)], ignore_index=True)
    trials = trials.sort_values(ACCURACY, ascending=False, kind="stable", na_position="last")
    columns = [one for one in _columns(results) if one.name in trials and trials[one.name].notna().any()]
    cells = [[_cell(value) for value in trials[one.name]] for one in columns]
    return Explored(columns, [list(row) for row in zip(*cells, strict=True)])


def _asked_of(results: Sequence[Results]) -> list[str]:
    """Names of parameters and settings that trials differ in."""
    return [*_parameters(results), *_differing(results)]


def _parameters(results: Sequence[Results]) -> list[str]:
    names = [
        name.removeprefix(PARAM_PREFIX)
        for one in results
        for name in (*one.trials.columns, *(f"{PARAM_PREFIX}{p}" for p in one.study.get("space") or {}))
        if name.startswith(PARAM_PREFIX)
    ]
    return [name for name in dict.fromkeys(names) if name != "method"]


def _differing(results: Sequence[Results]) -> list[str]:
    """Dotted settings that these studies have fixed at different values."""
    flat = [query.flat({s: one.study[s] for s in TRAINED_WITH if s in one.study}) for one in results]
    paths = dict.fromkeys(path for settings in flat for path in settings)
    searched = {*_parameters(results), *(schema.searchable().get(name) for name in _parameters(results))}
    texts = {path: {_text(settings.get(path)) for settings in flat} for path in paths}
    return [path for path, values in texts.items() if len(values) > 1 and path not in searched]


def _of_study(results: Results, names: Iterable[str]) -> pd.DataFrame:
    names = list(names)
    if len(results.learned):
        every = pd.concat([results.trials, results.learned], ignore_index=True)
        results = dataclasses.replace(results, trials=every)
    asked = query.answers(results, names).trials
    values = asked.drop(columns=[c for c in asked if c.startswith(PARAM_PREFIX)])
    return values.rename(columns={f"asked {name}": f"{PARAM_PREFIX}{name}" for name in names}).assign(
        study=results.name, **{when: asked[when].str[:19].str.replace("T", " ") for when in ("started", "ended")}
    )


def _columns(results: Sequence[Results]) -> list[Column]:
    """In their order; the table leaves out those that no trial has a value of."""
    parameters, settings = _parameters(results), _differing(results)
    costs = list(dict.fromkeys(cost for one in results for cost in one.costs))
    scores = [score.column for one in results if (score := points.confirm_score(one)) is not None]
    first = dict.fromkeys([ACCURACY, *costs, *scores])
    metrics = {**schema.METRICS}
    return [
        *([Column("study", "Study", "Trial", True)] if len(results) > 1 else []),
        Column("trial_id", "Trial", "Trial", True),
        Column("origin", "Learned from", "Trial", True),
        Column("stage", "Stage", "Trial", True),
        Column("status", "Status", "Trial", True),
        Column("method", "Method", "Trial", True),
        Column("label", "Point", "Trial", False),
        Column("baseline", "Baseline", "Trial", False),
        Column("seed", "Seed", "Trial", False),
        *(_parameter(name, "Parameters", i < MOST_SHOWN) for i, name in enumerate(parameters)),
        *(_parameter(name, "Settings", False) for name in settings),
        *(Column(name, _harmless(heading(metrics.pop(name))), "Results", True) for name in first if name in metrics),
        Column("epochs", "Epochs", "Course", True),
        Column("max_epochs", "Full budget (epochs)", "Course", False),
        *(Column(name, _harmless(heading(metric)), "Results", False) for name, metric in metrics.items()),
        Column("wall_s", "Wall time (s)", "Course", False),
        Column(GPU_HOURS, "GPU-hours", "Course", False),
        Column("started", "Started (UTC)", "Course", False),
        Column("ended", "Ended (UTC)", "Course", False),
        Column("error", "Error", "Course", False),
    ]


def _parameter(name: str, group: str, shown: bool) -> Column:
    return Column(PARAM_PREFIX + name, _harmless(name), group, shown)


def _cell(value: Any) -> float | int | str | None:
    """As JSON holds it: numbers as they are (infinite ones as text), anything else as text, None for what is absent."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NaT:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) or not isinstance(value, int | float):
        return _text(value)
    if not math.isfinite(value):
        return str(value)
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else float(value)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return _harmless(wording.shorten(text.replace("_", " ") if text in schema.STATUSES else text))


def _harmless(text: str) -> str:
    """Without what makes an element: DataTables takes some texts (of filters, of columns to choose) for HTML."""
    return text.translate({ord("<"): "‹", ord(">"): "›"})


# --- the page ---


def section(results: Sequence[Results]) -> str:
    """The section's elements: table, what is picked side by side, and the data. Needs `scripts` in the page."""
    found = explored(results)
    if not found.rows:
        return "<p>No trial has begun.</p>"
    label = rehearsal_label(results)
    note = f'<strong class="rehearsal">{page.esc(label)}.</strong> ' if label else ""
    heads = "".join(
        f'<th scope="col">{page.esc(title)}</th>' for title in ("Compare", *(c.title for c in found.columns))
    )
    several = "s" * (len(found.rows) != 1)
    text = (
        f"{len(found.rows)} trial{several}, also those that failed, were stopped or have not ended. A heading sorts "
        "and, by its button, filters; <i>Columns</i> chooses what is shown. Tick two or more trials: they stand side "
        "by side below, and what differs is marked."
    )
    return (
        f'<p class="note">{note}{text}</p>'
        '<div class="explorer"><table id="trials-table" class="compact">'
        f"<thead><tr>{heads}</tr></thead></table></div>"
        "<noscript><p>This table needs JavaScript; the trials are lines of trials.jsonl in the results folder."
        "</p></noscript>"
        '<p id="trials-picked" role="status" class="note">No trial is ticked.</p>'
        '<div id="trials-compared" class="table compared" tabindex="0" role="region" '
        'aria-label="Ticked trials side by side" hidden></div>'
        f"{page.data(_json(found), 'trials-data')}"
    )


def _json(found: Explored) -> str:
    data = {"columns": [one._asdict() | {"few": _few(found, i)} for i, one in enumerate(found.columns)],
            "rows": found.rows}  # fmt: skip
    return json.dumps(data, ensure_ascii=True, allow_nan=False)


def _few(found: Explored, place: int) -> bool:
    """Whether a column has so few different words that they are ticked to filter it."""
    values = {row[place] for row in found.rows} - {None}
    return 0 < len(values) <= _DISTINCT and all(isinstance(value, str) for value in values)


def head() -> str:
    """What the page's head needs: styles, and where `explorer.js` finds DataTables."""
    bundle = find_package_file("html", "dt_bundle.js").read_bytes()
    style = find_package_file("html", "dt_bundle.css").read_text(encoding="utf-8")
    code = base64.b64encode(bundle).decode()
    imports: Mapping[str, Any] = {"imports": {"datatables": f"data:text/javascript;base64,{code}"}}
    return f'<style>{style}{_own("css")}</style><script type="importmap">{json.dumps(imports)}</script>'


def script() -> str:
    """What stands at the end of the page."""
    return f'<script type="module">{_own("js")}</script>'


def _own(kind: str) -> str:
    return _HERE.with_suffix(f".{kind}").read_text(encoding="utf-8")

"""What a model made of the search: accuracy over sizes, both fronts, what confirming moved. Drawing only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figure_data import belief_info as data
from analysis.figure_data.pareto_info import pareto_info
from analysis.figures import pareto
from analysis.figures import style as looks
from analysis.figures.figure import Figure, Skipped
from analysis.figures.panels import Panel, collect, finish, frame, grid, score_title, several
from analysis.figures.style import Style
from analysis.results import front, notes, points
from analysis.text import n_in_words, number, seeds_in_words, short_name
from study.schema import wording

MARKS = {
    "finished": ("", "finished"),
    "stopped": ("-open", "stopped early"),
    "paused": ("-open-dot", "paused"),
    "running": ("-x-open", "running"),
    "failed": ("-cross-open", "failed"),
}
"""What is added to a method's symbol, and the words of a legend."""
NEXT = "worth trying next"


def _symbol(method: str, state: str) -> str:
    base = looks.look(method).symbol
    if state in ("running", "failed"):
        return {"running": "x-thin-open", "failed": "asterisk-open"}[state]
    return base + MARKS[state][0]


def believed_accuracy(results: Sequence[Any], style: Style) -> Figure | Skipped:
    """`believed_accuracy`: what the model expects over the sizes of each method, and what the trials showed."""
    name, title = "believed_accuracy", "What the search believed"
    panels, skipped = collect(name, results, data.belief_info)
    if skipped:
        return skipped
    fig = draw_belief(panels, style).update_layout(title_text=title)
    finish(fig, style, results, wide=len(panels) > 1)
    caption = several(panels, _belief_caption) + notes.momentum_note([p.results for p in panels])
    return Figure(name, title, caption, fig, frame(panels, _belief_rows))


def _belief_caption(panel: Panel) -> str:
    info = panel.info
    states = info.trials["state"].value_counts()
    counts = ", ".join(f"{states[s]} {MARKS[s][1]}" for s in MARKS if s in states)
    known = " The cost is known from the settings." if front.AXES[info.cost].known else ""
    return (
        "Lines: at each size of a support set the point of a method that the model expects to be most accurate at full "
        "budget, other settings chosen for it (median; bands: 68 % and 95 % for its expected value, a single run's "
        f"noise left out). Marks: last validation accuracy of the search's trials, n = {len(info.trials)} ({counts}); "
        f"those that were not trained to the end lie below what is expected of them.{known} The model takes the worst "
        "tenth of the accuracies for the best of it, and so expects too much of poor points."
        + _ahead(info)
        + notes.learned_note(panel.results)
    )


def _ahead(info: data.BeliefInfo) -> str:
    return "" if info.ahead is None else f" Star: the new point of the largest expected gain, {info.ahead['label']}."


def _belief_rows(panel: Panel) -> list[dict[str, Any]]:
    info, rows = panel.info, []
    for kind, table in (("trial", info.trials), ("curve", info.curves)):
        rows += [{"kind": kind, **row} for row in table.drop(columns="x_drawn").to_dict("records")]
    if info.ahead is not None:
        ahead = {name: info.ahead[name] for name in ("method", "label", "gain")}
        rows.append({"kind": "next", **ahead, "x": info.ahead["costs"][info.cost], **info.ahead["believed"]})
    return [{info.cost if name == "x" else name: value for name, value in row.items()} for row in rows]


def draw_belief(panels: Sequence[Panel], style: Style) -> go.Figure:
    """A column per study: bands and lines by method, trials by state, the next point as a star."""
    fig = make_subplots(rows=1, cols=len(panels), shared_yaxes=True, horizontal_spacing=pareto.GAP)
    named: set[str] = set()
    for column, panel in enumerate(panels, 1):
        info, where = panel.info, {"row": 1, "col": column}
        for method in looks.order([*info.curves["method"], *info.trials["method"]]):
            _curve(fig, info.curves[info.curves["method"] == method], method, info.cost, style, named, where)
        for method in looks.order(info.trials["method"]):
            _trials(fig, info.trials[info.trials["method"] == method], method, style, where)
        for state in (s for s in MARKS if (info.trials["state"] == s).any() and s not in named):
            marker = {"color": looks.INK, "symbol": _symbol("kmclr", state), "size": style.marker}
            fig.add_scatter(x=[None], y=[None], mode="markers", name=MARKS[state][1], marker=marker, **where)
            named.add(state)
        if info.ahead is not None:
            _star(fig, info.ahead, style, NEXT not in named, where)
            named.add(NEXT)
        if len(panels) > 1:
            axis = "" if column == 1 else str(column)
            fig.add_annotation(
                text=f"<b>{panel.results.name}</b>", x=0, xref=f"x{axis} domain", y=1, yref=f"y{axis} domain",
                xanchor="left", yanchor="bottom", showarrow=False, name="panel", yshift=0.3 * style.font,
                font={"size": style.font, "color": looks.INK},
            )  # fmt: skip
        pareto.axes(fig, info.place, style, len(panels), where)
    return fig


def _curve(
    fig: go.Figure, rows: pd.DataFrame, method: str, cost: str, style: Style, named: set[str], where: dict[str, Any]
) -> None:
    if not len(rows):
        return
    look, first = looks.look(method), method not in named
    named.add(method)
    if len(rows) == 1:
        row = rows.iloc[0]
        for low, high, width in (("low_95", "high_95", 1.0), ("low_1sd", "high_1sd", 3.0)):
            line = {"color": looks.rgba(look.colour, 0.45), "width": width * style.line}
            fig.add_scatter(
                x=[row.x_drawn] * 2, y=[row[low], row[high]], mode="lines", line=line, showlegend=False,
                legendgroup=method, hoverinfo="skip", **where,
            )  # fmt: skip
        fig.add_scatter(
            x=[row.x_drawn], y=[row.accuracy], mode="markers", name=method, legendgroup=method, showlegend=first,
            marker={"symbol": "line-ew", "size": 1.8 * style.marker,
                    "line": {"color": look.colour, "width": 1.5 * style.line}, "color": look.colour},
            customdata=[_hover(row, cost)], hovertemplate="%{customdata}<extra></extra>", **where,
        )  # fmt: skip
        return
    for low, high, opacity in (("low_95", "high_95", 0.12), ("low_1sd", "high_1sd", 0.22)):
        fig.add_scatter(
            x=[*rows["x_drawn"], *rows["x_drawn"][::-1]], y=[*rows[high], *rows[low][::-1]], mode="lines",
            fill="toself", fillcolor=looks.rgba(look.colour, opacity), line={"width": 0}, showlegend=False,
            legendgroup=method, hoverinfo="skip", **where,
        )  # fmt: skip
    fig.add_scatter(
        x=rows["x_drawn"], y=rows["accuracy"], mode="lines", name=method, legendgroup=method, showlegend=first,
        line={"color": look.colour, "width": style.line, "dash": look.dash},
        customdata=[_hover(row, cost) for row in rows.itertuples()], hovertemplate="%{customdata}<extra></extra>",
        **where,
    )  # fmt: skip


def _hover(row: Any, cost: str) -> str:
    size = wording.value_in_words(row.x, front.AXES[cost])
    return (
        f"<b>{row.label}</b>, {size}<br>expected {row.accuracy:.2f} %<br>68 %: {row.low_1sd:.2f} to {row.high_1sd:.2f}"
        f"<br>95 %: {row.low_95:.2f} to {row.high_95:.2f}"
    )


def _trials(fig: go.Figure, rows: pd.DataFrame, method: str, style: Style, where: dict[str, Any]) -> None:
    for state in (s for s in MARKS if (rows["state"] == s).any()):
        mine = rows[rows["state"] == state]
        fig.add_scatter(
            x=mine["x_drawn"], y=mine["y"], mode="markers", name=method, legendgroup=method, showlegend=False,
            opacity=0.85 if state == "finished" else 0.6,
            marker={"color": looks.colour(method), "symbol": _symbol(method, state), "size": 0.8 * style.marker,
                    "line": {"width": max(1.0, style.line / 2),
                             "color": "white" if state == "finished" else looks.colour(method)}},
            text=[f"<b>{r.label}</b> ({r.trial_id})<br>{r.y:.2f} % after {r.epochs} epochs, {MARKS[state][1]}<br>"
                  f"expected at full budget: {number(r.accuracy)} %" for r in mine.itertuples()],
            hovertemplate="%{text}<extra></extra>", **where,
        )  # fmt: skip


def _star(fig: go.Figure, ahead: Mapping[str, Any], style: Style, first: bool, where: dict[str, Any]) -> None:
    band, text = ahead["believed"], f"<b>{ahead['label']}</b><br>expected {ahead['believed']['accuracy']:.2f} %"
    fig.add_scatter(
        x=[ahead["x_drawn"]], y=[band["accuracy"]], mode="markers", name=NEXT, showlegend=first,
        marker={"symbol": "star", "size": 1.8 * style.marker, "color": "#F0C808",
                "line": {"color": looks.INK, "width": max(1.0, style.line / 2)}},
        error_y={"type": "data", "symmetric": False, "array": [band["high_95"] - band["accuracy"]],
                 "arrayminus": [band["accuracy"] - band["low_95"]], "color": looks.INK,
                 "thickness": max(1.0, 0.6 * style.line), "width": 0.4 * style.marker},
        text=[text], hovertemplate="%{text}<extra></extra>", **where,
    )  # fmt: skip


# --- both fronts ---
def believed_front(results: Sequence[Any], style: Style) -> Figure | Skipped:
    """`believed_front`: the front that the search observed, the one that the model expects, and the confirmed one."""
    name, title = "believed_front", "The observed front, the model's and the confirmed one"
    panels, skipped = collect(name, results, data.fronts_info)
    if skipped:
        return skipped
    costs = [c for c in front.AXES if any(c in p.results.costs for p in panels)]
    infos = []
    for cost in costs:
        tables = [_of_kinds(p, len(panels) > 1) for p in panels if cost in p.results.costs]
        sense = next(p.results.objectives[cost] for p in panels if cost in p.results.costs)
        y_title = score_title(panels[0].results)
        infos.append(pareto_info(pd.concat(tables, ignore_index=True), cost, sense=sense, y_title=y_title))
    fig = pareto.draw_pareto(infos, style).update_layout(title_text=title, height=round(1.35 * style.height))
    looks.finish(fig, style, results, wide=len(infos) > 1)
    caption = several(panels, _front_caption) + notes.momentum_note([p.results for p in panels])
    return Figure(name, title, caption, fig, frame(panels, lambda panel: panel.info.to_dict("records")))


def _of_kinds(panel: Panel, named: bool) -> pd.DataFrame:
    kinds = panel.info["kind"]
    return panel.info.assign(study=f"{panel.results.name}, " + kinds if named else kinds)


def _front_caption(panel: Panel) -> str:
    found = panel.info["kind"].value_counts()
    parts = [f"{found[kind]} points {kind}" for kind in (data.OBSERVED, data.MODEL, data.CONFIRMED) if kind in found]
    finished = len(points.finished_search(panel.results))
    return (
        f"Fronts in validation accuracy: {', '.join(parts)}; of n = {finished} finished trials. Observed: single runs, "
        "so the lucky ones are on it. Model: what it expects of the same trials at full budget (bars: 95 % for the "
        "expected value). Confirmed: means over new seeds (bars: 95 % intervals), of the points that were chosen alone."
    )


# --- what confirming moved ---
def confirm_moved(results: Sequence[Any], style: Style) -> Figure | Skipped:
    """`confirm_moved`: of each confirmed point the search's value, what the model expected, and the confirmed mean."""
    name, title = "confirm_moved", "What confirming moved"
    panels, skipped = collect(name, results, data.moved_info)
    if skipped:
        return skipped
    fig = draw_moved(panels, style).update_layout(title_text=title)
    finish(fig, style, results)
    return Figure(name, title, several(panels, _moved_caption), fig, frame(panels, _moved_rows))


def _moved_rows(panel: Panel) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = panel.info.to_dict("records")
    return rows


def _moved_caption(panel: Panel) -> str:
    done = panel.info[panel.info["n"] > 0]
    model = "" if done["accuracy"].notna().any() else " What the model expected is not on record."
    other = "" if len(done) == len(panel.info) else " Without a confirmed mean: what the other choice would have taken."
    return (
        "Validation accuracy of each point, by rising cost: in the search (hollow: one run), as the model expected it "
        f"(line: 95 %), and confirmed (solid: mean over seeds, {seeds_in_words(done['n'])}; bars are 95 % intervals); "
        f"the arrow goes from the search to the mean.{model}{other}"
    )


def draw_moved(panels: Sequence[Panel], style: Style) -> go.Figure:
    """A row per study, in it a line per point."""
    most = max(len(panel.info) for panel in panels)
    fig = grid(panels, [""], style, height=max(0.7, (2.4 * most + 14) * style.font / style.height))
    named: set[str] = set()
    for row, panel in enumerate(panels, 1):
        table, where = panel.info, {"row": row, "col": 1}
        axis = "" if row == 1 else str(row)
        for place, point in enumerate(table.itertuples()):
            if point.n:
                fig.add_annotation(
                    x=point.mean, ax=point.searched, y=place, ay=place, xref=f"x{axis}", axref=f"x{axis}",
                    yref=f"y{axis}", ayref=f"y{axis}", showarrow=True, arrowhead=2, arrowwidth=style.line,
                    arrowcolor=looks.rgba(looks.colour(point.method), 0.6), text="", standoff=0.5 * style.marker,
                    startstandoff=0.5 * style.marker,
                )  # fmt: skip
        _marks(fig, table, style, named, where)
        labels = [short_name(str(label)) for label in table["label"]]
        fig.update_yaxes(tickvals=list(range(len(table))), ticktext=labels, range=[len(table) - 0.4, -0.6], **where)
        fig.update_xaxes(title_text=score_title(panel.results), **where)
    return fig


def _marks(fig: go.Figure, table: pd.DataFrame, style: Style, named: set[str], where: dict[str, Any]) -> None:
    place = pd.Series(range(len(table)), index=table.index)
    colours = [looks.colour(method) for method in table["method"]]
    kinds = (
        ("expected by the model", "accuracy", "low_95", "high_95", "diamond-open", -0.22),
        ("in the search", "searched", None, None, "circle-open", 0.0),
        ("confirmed", "mean", "low", "high", "circle", 0.0),
    )
    for name, column, low, high, symbol, shift in kinds:
        there = table[column].notna()
        if not there.any():
            continue
        rows = table[there]
        fig.add_scatter(
            x=rows[column], y=place[there] + shift, mode="markers", showlegend=False,
            marker={"symbol": symbol, "size": style.marker * (0.7 if shift else 1.0),
                    "color": [c for c, on in zip(colours, there, strict=True) if on]},
            error_x=_x_bars(rows, column, low, high, style) if low and high else None,
            text=[f"<b>{r.label}</b><br>{name}: {getattr(r, column):.2f} %"
                  + (f", {n_in_words(r.n)}" if column == "mean" else "") for r in rows.itertuples()],
            hovertemplate="%{text}<extra></extra>", **where,
        )  # fmt: skip
        if name not in named:
            marker = {"symbol": symbol, "size": style.marker, "color": looks.INK}
            fig.add_scatter(x=[None], y=[None], mode="markers", name=name, marker=marker, **where)
            named.add(name)


def _x_bars(rows: pd.DataFrame, column: str, low: str, high: str, style: Style) -> dict[str, Any]:
    return {
        "type": "data", "symmetric": False, "array": (rows[high] - rows[column]).fillna(0),
        "arrayminus": (rows[column] - rows[low]).fillna(0), "color": looks.UNKNOWN,
        "thickness": max(1.0, 0.6 * style.line), "width": 0.3 * style.marker,
    }  # fmt: skip

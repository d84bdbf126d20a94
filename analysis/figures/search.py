"""Figures over the search itself: rungs and budget, hypervolume over time, rank agreement. Drawing only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from analysis.figure_data import search_info as data
from analysis.figures import style as looks
from analysis.figures.figure import Figure, Skipped
from analysis.figures.panels import Panel, grid, panel_figure, rung_lines, several
from analysis.figures.style import Style
from analysis.results import front, notes
from analysis.results.load import Results
from analysis.text import counts

# --- rungs ---


def rung_survival(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """Trials that reached each rung, and epochs spent between rungs, by method."""
    return panel_figure(
        "rung_survival", "Who reached which rung, and where the epochs went", results, style,
        compute=lambda r: data.rung_flow(r.trials, r.reports, r.manifest["rungs"]),
        draw=draw_rungs, caption=_rung_caption, rows=_rung_rows, wide=True,
    )  # fmt: skip


def _rung_caption(panels: Sequence[Panel]) -> str:
    return (
        f"Search trials that ended, stacked by method ({several(panels, lambda p: counts(p.info.trials))}). Left: "
        "trials that reached an epoch at which the scheduler decides, and the full budget; right: epochs trained "
        "from one to the next. Declared baselines always go on."
    )


def _rung_rows(info: data.RungCounts) -> list[dict[str, Any]]:
    return [
        {"method": m, "epoch": end, "trials": info.trials[m], "reached": info.reached[m][i], "spent": info.spent[m][i]}
        for m in info.methods
        for i, end in enumerate(info.ends)
    ]


def draw_rungs(panels: Sequence[Panel], style: Style) -> go.Figure:
    """Two columns of stacked bars: survivors and epochs."""
    fig = grid(panels, ["", ""], style, height=0.9)
    named: set[str] = set()
    for row, panel in enumerate(panels, 1):
        info = panel.info
        steps = [str(end) for end in info.ends[:-1]] + [f"{info.ends[-1]} (full)"]
        spans = [f"{a + 1}–{b}" for a, b in zip((0, *info.ends[:-1]), info.ends, strict=True)]
        for method in info.methods:
            common = {
                "name": method,
                "legendgroup": method,
                "marker_color": looks.colour(method),
                "marker_line_width": 0,
            }
            reached = (info.trials[method], *info.reached[method])
            fig.add_bar(
                x=["start", *steps], y=reached, showlegend=method not in named, text=[v or "" for v in reached],
                row=row, col=1, **common,
            )  # fmt: skip
            spent = info.spent[method]
            fig.add_bar(
                x=spans,
                y=spent,
                showlegend=False,
                text=[f"{v:,}" if v else "" for v in spent],
                row=row,
                col=2,
                **common,
            )
            named.add(method)
        fig.update_xaxes(title_text="Rung (epoch)", type="category", row=row, col=1)
        fig.update_xaxes(title_text="Segment between rungs (epochs)", type="category", row=row, col=2)
        fig.update_yaxes(title_text="Trials that reached it", row=row, col=1)
        fig.update_yaxes(title_text="Epochs spent, all trials", row=row, col=2)
    fig.update_traces(textposition="inside", textangle=0, insidetextanchor="middle", insidetextfont={"color": "white"})
    fig.update_layout(barmode="stack", bargap=0.25, uniformtext={"minsize": style.type(0.75), "mode": "hide"})
    return fig


# --- hypervolume ---


def hypervolume_over_time(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """Hypervolume of the completed trials against the epochs that the search had spent."""
    return panel_figure(
        "hypervolume_over_time", "Hypervolume of the search over epochs spent", results, style,
        compute=data.hypervolumes, draw=draw_hypervolume, caption=_volume_caption, rows=_volume_rows, wide=_two_groups,
    )  # fmt: skip


def _volume_caption(panels: Sequence[Panel]) -> str:
    done = several(panels, lambda p: f"n = {len(p.info[data.ALL].hypervolume)} completed")
    return (
        f"Hypervolume (higher is better) after each completed search trial ({done}) of {_measured(panels)}. "
        f"{RIGHT if _two_groups(panels) else ''}Epochs count all trials of the search, stopped ones included. "
        f"One search: no interval.{notes.momentum_note([p.results for p in panels])}"
    )


RIGHT = "Right: without the methods that store nothing, whose single step hides the rest. "


def _measured(panels: Sequence[Panel]) -> str:
    """What the hypervolume is of, once if it is the same of all studies."""
    words = []
    for results, found in panels:
        reference = front.reference_in_words(found[data.ALL].corner, results.objectives)
        words.append(f"validation accuracy against {front.names_of(results.costs)}; {reference}")
    if len(set(words)) == 1:
        return words[0]
    return ". ".join(f"{panel.results.name}: {text}" for panel, text in zip(panels, words, strict=True))


def _volume_unit(results: Results) -> str:
    """`% × decades of bytes × s`; more than three units take two lines."""
    metrics = [front.OBJECTIVES[name] for name in results.objectives]
    units = ["bytes" if m.unit == "B" else m.unit for m in metrics]
    parts = [f"decades of {unit}" if m.log else unit for m, unit in zip(metrics, units, strict=True)]
    return " × ".join(parts) if len(parts) < 4 else f"{' × '.join(parts[:2])} ×<br>{' × '.join(parts[2:])}"


def _groups(panels: Sequence[Panel]) -> list[str]:
    return [group for group in (data.ALL, data.STORING) if any(group in panel.info for panel in panels)]


def _two_groups(panels: Sequence[Panel]) -> bool:
    return len(_groups(panels)) > 1


def _volume_rows(groups: dict[str, data.HypervolumeOverTime]) -> list[dict[str, Any]]:
    return [
        {"group": group, "epochs_spent": e, "hypervolume": v, "front_size": f, "completed": label}
        for group, info in groups.items()
        for e, v, f, label in zip(info.epochs_spent, info.hypervolume, info.front, info.labels, strict=True)
    ]


def draw_hypervolume(panels: Sequence[Panel], style: Style) -> go.Figure:
    """A column per group of methods; a line per study, or a row where studies differ in objectives or reference."""
    groups = _groups(panels)
    kinds = {(*r.objectives.items(), *found[data.ALL].corner) for r, found in panels}
    together = len(kinds) == 1
    fig = grid(panels[:1] if together else panels, groups if len(groups) > 1 else [""], style)
    for number, (results, found) in enumerate(panels):
        row, dash = 1 if together else number + 1, looks.DASHES[number % 5]
        fig.update_yaxes(title_text=f"Hypervolume<br>({_volume_unit(results)})", row=row, col=1)
        for column, group in enumerate(groups, 1):
            if group not in found:
                continue
            info = found[group]
            fig.add_scatter(
                x=info.epochs_spent, y=info.hypervolume, mode="lines+markers", name=results.name,
                line={"shape": "hv", "color": looks.INK, "width": style.line, "dash": dash}, customdata=info.labels,
                marker={"size": 0.6 * style.marker}, showlegend=len(panels) > 1 and column == 1, row=row, col=column,
                hovertemplate="after %{x} epochs: %{y:.2f}<br>%{customdata}<extra></extra>",
            )  # fmt: skip
    fig.update_xaxes(title_text="Epochs spent, all trials", rangemode="tozero")
    return fig


# --- rank agreement ---


def rank_agreement(results: Sequence[Results], style: Style) -> Figure | Skipped:
    """Does the ranking at a rung agree with the final one? Kendall's tau and Spearman's rho."""
    return panel_figure(
        "rank_agreement", "Does an early ranking agree with the final one?", results, style,
        compute=lambda r: data.rank_agreement(r.trials, r.reports, r.manifest["rungs"]),
        draw=draw_agreement, caption=_agreement_caption, rows=_agreement_rows, wide=_within,
    )  # fmt: skip


def _agreement_caption(panels: Sequence[Panel]) -> str:
    return (
        f"{several(panels, lambda p: agreement_words(p.info))} Rank correlation of accuracy at an epoch with accuracy "
        "at the last epoch over the same trials; bands: approximate 95 % intervals (Fisher's z, of one ranking). "
        "Dotted lines: rungs. Only completed trials have a final accuracy, and the scheduler chose them by these very "
        "ranks where it stopped others, so the picture holds for survivors."
    )


def _within(panels: Sequence[Panel]) -> bool:
    """Whether any method has enough trials for ranks of its own."""
    return any(panel.info.by_method for panel in panels)


def agreement_words(info: data.RankAgreement) -> str:
    """Who is in the picture, and tau at each rung."""
    at = dict(zip(info.epochs, info.overall, strict=True))
    rungs = ", ".join(f"{at[r].tau:.2f} [{at[r].tau_low:.2f}, {at[r].tau_high:.2f}] at epoch {r}" for r in info.rungs)
    who = f"Completed trials of the {info.stage} stage, n = {info.n}"
    if info.stage == "confirm":
        who = f"Points of the confirm stage, n = {info.n}, ranked within each seed (mean of {info.seeds})"
    return f"{who}; Kendall's tau {rungs or 'without rungs'}."


def _agreement_rows(info: data.RankAgreement) -> list[dict[str, Any]]:
    groups = {"all": info.overall, **info.by_method}
    return [
        {"group": group, "epoch": epoch, **found._asdict()}
        for group, column in groups.items()
        for epoch, found in zip(info.epochs, column, strict=True)
    ]


def draw_agreement(panels: Sequence[Panel], style: Style) -> go.Figure:
    """On the left tau and rho over all trials, on the right tau within each method."""
    titles = ["all methods", "within a method (τ)"]
    within = _within(panels)
    fig = grid(panels, titles if within else [""], style, height=0.95)
    named: set[str] = set()
    for row, panel in enumerate(panels, 1):
        info = panel.info
        left, right = {"row": row, "col": 1}, {"row": row, "col": 2}
        _add_correlation(fig, info.epochs, info.overall, "tau", "Kendall τ", looks.INK, "solid", style, left, row == 1)
        _add_correlation(fig, info.epochs, info.overall, "rho", "Spearman ρ", "#8A979D", "dash", style, left, row == 1)
        for method, found in info.by_method.items():
            _add_correlation(
                fig, info.epochs, found, "tau", method, looks.colour(method), looks.look(method).dash, style, right,
                method not in named,
            )  # fmt: skip
            named.add(method)
        for column in (1, 2) if within else (1,):
            rung_lines(fig, info.rungs, row, column, style)
            fig.update_xaxes(title_text="Epoch", rangemode="tozero", row=row, col=column)
            fig.update_yaxes(range=[-1.05, 1.05], dtick=0.5, row=row, col=column)
        fig.update_yaxes(title_text="Rank correlation with<br>the last epoch (−1 to 1)", row=row, col=1)
    return fig


def _add_correlation(
    fig: go.Figure, epochs: Sequence[int], found: Sequence[data.Agreement], what: str, name: str, colour: str,
    dash: str, style: Style, where: dict[str, Any], legend: bool,
) -> None:  # fmt: skip
    low, high = ([getattr(a, f"{what}_{end}") for a in found] for end in ("low", "high"))
    for bound, fill in ((high, None), (low, "tonexty")):
        fig.add_scatter(
            x=epochs, y=bound, mode="lines", line={"width": 0}, fill=fill, fillcolor=looks.rgba(colour, 0.13),
            hoverinfo="skip", showlegend=False, legendgroup=name, **where,
        )  # fmt: skip
    fig.add_scatter(
        x=epochs, y=[getattr(a, what) for a in found], mode="lines" if len(epochs) > 1 else "markers", name=name,
        line={"color": colour, "width": 1.3 * style.line, "dash": dash}, legendgroup=name, showlegend=legend,
        customdata=[a.n for a in found], hovertemplate="epoch %{x}: %{y:.2f}, n = %{customdata}", **where,
    )  # fmt: skip

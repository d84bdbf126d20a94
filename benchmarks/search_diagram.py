"""Critical-difference diagrams of `benchmarks.search_strategies` (scikit-posthocs; dependency group `search-bench`).

Strategies at their average rank over tasks; a bar joins those that the Nemenyi test does not tell apart at 5 % (Demsar
2006, "Statistical comparisons of classifiers over multiple data sets"). Shape legend: T tasks, N strategies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy import stats

try:
    import scikit_posthocs
    from matplotlib.figure import Figure
except ImportError:
    scikit_posthocs = None

LEVEL = 0.05
LEAST = 3
"""Strategies, and tasks: Friedman's test needs as many."""


def drawn(means_TN: Mapping[int, np.ndarray], names: Sequence[str], path: Path) -> str:
    """Writes PATH.svg and PATH.png, a diagram per budget, and says so; or says why not."""
    tasks = min(len(means) for means in means_TN.values())
    if len(names) < LEAST or tasks < LEAST:
        return f"No critical-difference diagram: it takes {LEAST} strategies and {LEAST} tasks."
    if scikit_posthocs is None:
        return "No critical-difference diagram: scikit-posthocs is missing (uv sync --group search-bench)."
    height = 1.1 + 0.22 * len(names)
    figure = Figure(figsize=(9, height * len(means_TN)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(len(means_TN), 1))
    colours = {name: f"C{i % 10}" for i, name in enumerate(names)}
    said = []
    for axis, (budget, means) in zip(axes, means_TN.items(), strict=True):
        ranks = dict(zip(names, stats.rankdata(-means, axis=1).mean(0), strict=True))
        differ = scikit_posthocs.posthoc_nemenyi_friedman(means)
        differ.index = differ.columns = list(names)
        labels = {"label_fmt_left": "{label} ({rank:.1f})  ", "label_fmt_right": "  {label} ({rank:.1f})"}
        scikit_posthocs.critical_difference_diagram(
            ranks, differ, ax=axis, alpha=LEVEL, color_palette=colours, **labels
        )
        axis.set_title(f"{budget} trainings, {len(means)} tasks: average rank (1 is best)", fontsize=10)
        p = stats.friedmanchisquare(*means.T).pvalue
        said.append(f"{p:.1e} at {budget}")
    for suffix in (".svg", ".png"):
        figure.savefig(path.with_suffix(suffix), dpi=150)
    return (
        f"![Critical differences]({path.with_suffix('.svg').name})\n\n"
        f"Bars join what the Nemenyi test does not tell apart at {LEVEL:.0%}; Friedman's p: {', '.join(said)}."
    )

"""The ablation of a study in words and as a table for a paper."""

from __future__ import annotations

import math

import pandas as pd

from analysis.figure_data.ablation_info import AblationInfo, ablation_info
from analysis.figure_data.common import NotEnough
from analysis.figures.ablation import chosen, rows, rule
from analysis.figures.style import rehearsal_label
from analysis.report.tables import Table
from analysis.results import notes
from analysis.results.front import AXES
from analysis.results.intervals import Interval
from analysis.results.load import Results
from analysis.text import few_note, n_cell, seeds_in_words, with_interval
from study.schema import wording

TOTAL = "All steps together"


def sentences(results: Results) -> list[str]:
    """What the path as a whole brought, which steps can be told from nothing, and what is missing; [] without one."""
    try:
        info = ablation_info(results)
    except NotEnough:
        return []
    first, last, count = info.steps[0], info.steps[-1], len(info.steps) - 1
    said = f"From {first.label} to {last.label} in {count} step{'s' * (count != 1)}"
    if info.total.n:
        said += f": {signed(info.total)} percentage points in {info.score.title}, n = {info.total.n} paired seeds"
    found = [f"{said}.", _told_apart(info)]
    if info.untrained:
        wanted = len(info.steps) * len(info.seeds)
        found.append(f"{info.untrained} of {wanted} trainings are missing.")
    return [one for one in found if one]


def _told_apart(info: AblationInfo) -> str:
    """The steps whose interval leaves out 0, the largest first."""
    known = [(step.change, step.difference) for step in info.steps if step.difference is not None]
    clear = [(change, one) for change, one in known if one.low > 0 or one.high < 0]
    if not clear:
        return "No step can be told from no change with these seeds."
    clear.sort(key=lambda pair: -abs(pair[1].mean))
    shown = "; ".join(f"{change} {signed(one)}" for change, one in clear)
    rest = len(known) - len(clear)
    return f"Told from no change: {shown}" + (f"; the other {rest} cannot be." if rest else ".")


def signed(one: Interval) -> str:
    """`+1.20 [+0.30, +2.10]`, `–` without a value."""
    if not math.isfinite(one.mean):
        return "–"
    text = f"{one.mean:+.2f}" + (f" [{one.low:+.2f}, {one.high:+.2f}]" if math.isfinite(one.low) else "")
    return text.replace("-", "−")


def ablation_table(results: Results) -> Table | None:
    """The steps with accuracy, paired difference to the step before and costs; None without an ablation."""
    try:
        info = ablation_info(results)
    except NotEnough:
        return None
    data = pd.DataFrame(rows(info))
    changes = [" ".join(filter(None, (step.change, step.beside and f"({step.beside})"))) for step in info.steps]
    differences = [step.difference for step in info.steps[1:]]
    shown = pd.DataFrame(
        {
            "Step": [f"{changes[0]} (baseline)", *changes[1:], TOTAL],
            info.score.title: [*(_cell(step.mean) for step in info.steps), "–"],
            "n": [n_cell(n) if n else "–" for n in (*(step.mean.n for step in info.steps), info.total.n)],
            "Difference (percentage points)": ["–", *(signed(one) for one in differences if one), signed(info.total)],
            **{
                AXES[c].title: [*(wording.value_in_words(step.costs[c], AXES[c]) for step in info.steps), "–"]
                for c in results.costs
            },
        }
    )
    means = [step.mean.mean for step in info.steps if step.mean.n]
    counts = [step.mean.n for step in info.steps if step.mean.n]
    brackets = "Single runs: no intervals."
    if max(counts) > 1:
        brackets = f"Brackets: {notes.interval_words([step.values for step in info.steps])}. {rule(info)}"
    caption = (
        f"{info.score.title} after each step, {seeds_in_words(counts)}. Difference: to the step before, paired at "
        f"equal seeds. {brackets} {chosen(info)}"
    )
    caption += notes.sampling_note(results, info.score.column, means) + notes.momentum_note([results])
    caption += few_note(counts)
    title = "Ablation: from a baseline, one parameter at a time"
    return Table("ablation", title, caption, shown, data, rehearsal_label([results]))


def _cell(mean: Interval) -> str:
    return with_interval(mean.mean, mean.low, mean.high)

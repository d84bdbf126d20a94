"""What each step of an ablation path brought: accuracy over seeds, and the difference to the step before, paired.

The path is the newest of `ablation.json`; its trials are those of the ablate stage and, where they are of the same
point, seed and budget, of the confirm stage.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from analysis.figure_data.common import NotEnough, completed
from analysis.results.intervals import CONFIDENCE, PERCENT, Interval, Values, intervals, pooled_of
from analysis.results.load import Results
from analysis.results.points import Score, by_seed, score_metric
from analysis.text import heading
from study import schema
from study.schema import ACCURACY, SUPPORT_BYTES


class Step(NamedTuple):
    """A point of the path. mean: %, over seeds; difference: percentage points to the step before, over shared seeds
    (None of the first one); costs: means over its trials, NaN where not known."""

    label: str
    method: str
    change: str
    """`method: none → kmclr`; of the first step its label."""
    beside: str
    """`with k = 400`: what came with the change, at its default; mostly empty."""
    costs: dict[str, float]
    mean: Interval
    difference: Interval | None
    values: dict[int, float]
    believed: Mapping[str, float]
    """What the model expected (`schema.BAND`) on validation at the search's budget; empty if it could not say."""
    trials: tuple[str, ...]


class AblationInfo(NamedTuple):
    """steps: the baseline first, the target last. paired: differences by seed of each step to the one before. total:
    the last minus the first, paired."""

    steps: tuple[Step, ...]
    paired: tuple[Values, ...]
    total: Interval
    score: Score
    seeds: tuple[int, ...]
    why: str
    """What made the last point the target."""
    best: bool
    """Whether it was chosen for its accuracy."""
    without: str | None
    """Why no model chose the order; None: one did."""

    @property
    def comparisons(self) -> int:
        """Differences whose intervals hold together: each step's, and with several steps the whole path's."""
        return len(self.steps) - 1 + (len(self.steps) > 2)

    @property
    def untrained(self) -> int:
        """Trials that are not there yet, or failed."""
        return len(self.steps) * len(self.seeds) - sum(step.mean.n for step in self.steps)


def ablation_info(results: Results) -> AblationInfo:
    """Raises NotEnough if there is no path, or no trial of it has completed."""
    paths = (results.ablation or {}).get("paths") or []
    if not paths or len(paths[-1]["steps"]) < 2:
        raise NotEnough("no ablation was asked for (--stage ablate)")
    path = paths[-1]
    groups = [_trials_of(results, path, step) for step in path["steps"]]
    if not any(map(len, groups)):
        raise NotEnough("no trial of the ablation has completed")
    score = _score(results, groups)
    values = [by_seed(group, score.column) for group in groups]
    means = intervals(dict(enumerate(values)), PERCENT)
    paired = [_paired(*pair) for pair in itertools.pairwise(values)]
    differences, total = _differences(paired, _paired(values[0], values[-1]))
    steps = [
        _step(results, step, groups[i], means[i], differences[i - 1] if i else None, values[i])
        for i, step in enumerate(path["steps"])
    ]
    return AblationInfo(
        tuple(steps),
        tuple(paired),
        total,
        score,
        tuple(path["seeds"]),
        path["why"],
        path["to"] == schema.BEST,
        path["without"],
    )


def _trials_of(results: Results, path: Mapping[str, Any], step: Mapping[str, Any]) -> pd.DataFrame:
    """Completed trials of a step, one a seed, those of the confirm stage before others."""
    done = completed(results.trials)
    chosen = done[
        done["stage"].isin([schema.CONFIRM, schema.ABLATE])
        & done["point"].isin(step["points"])
        & done["seed"].isin(path["seeds"])
        & (done["max_epochs"] == path["epochs"])
        & done[ACCURACY].notna()
    ]
    return chosen.drop_duplicates("seed")  # in the order of the stages


def _score(results: Results, groups: Sequence[pd.DataFrame]) -> Score:
    """On test where every trial has it, else on validation."""
    column = schema.SCORES.get(str(results.manifest["score"]), "test_acc1")
    if any(group[column].isna().any() for group in groups):
        return Score(ACCURACY, heading(score_metric(results)), schema.ABLATE)
    return Score(column, heading(schema.METRICS[column]), schema.ABLATE)


def _paired(before: Values, after: Values) -> dict[int, float]:
    return {seed: value - before[seed] for seed, value in after.items() if seed in before}


def _differences(paired: Sequence[Values], whole: Values) -> tuple[list[Interval], Interval]:
    """Of each step to the one before and of the last to the first, corrected for their number."""
    confidence = 1 - (1 - CONFIDENCE) / (len(paired) + (len(paired) > 1))
    found = intervals(dict(enumerate([*paired, whole])), least=pooled_of(paired), confidence=confidence)
    return [found[i] for i in range(len(paired))], found[len(paired)]


def _step(
    results: Results,
    step: Mapping[str, Any],
    group: pd.DataFrame,
    mean: Interval,
    difference: Interval | None,
    values: dict[int, float],
) -> Step:
    known = {SUPPORT_BYTES: float(step["support_bytes"])}
    costs = {name: float(group[name].mean()) if len(group) else known.get(name, math.nan) for name in results.costs}
    change, beside = changes_in_words(step["changes"])
    return Step(
        step["label"], step["method"], change or step["label"], beside, costs, mean, difference, values,
        step.get("believed", {}), tuple(group["trial_id"]),
    )  # fmt: skip


def changes_in_words(changes: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """What was switched, and what came with it: `method: none → kmclr` and `with k = 400, forget_every = 1`."""
    moved = [c for c in changes if c["before"] is not None and c["after"] is not None]
    came = [c for c in changes if c["before"] is None]
    switched = ", ".join(f"{c['name']}: {_shown(c['before'])} → {_shown(c['after'])}" for c in moved)
    beside = ", ".join(f"{c['name']} = {_shown(c['after'])}" for c in came)
    return switched, f"with {beside}" if beside else ""


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)

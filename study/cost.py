"""What a study will cost before it runs: how many epochs a scheduler leaves, and what a trial costs besides epochs."""

from __future__ import annotations

import bisect
import math
import statistics
from collections.abc import Sequence

import numpy as np

from study.search.rungs import make_rungs
from study.settings.config import StudyConfig

REPEATS = 50
START_S = 20.0
"""Once a study: starting Ray and loading PyTorch in the trial processes, and making the report."""
TRIAL_S = 0.5
"""Starting a trial in a reused process, and ending it."""


def expected_epochs(study: StudyConfig) -> int:
    """Epochs of the search stage, on average over orders of arrival, if a trial's rank is the same at every rung.

    The first trials to reach a rung are ranked among few, so more of them go on than the nominal 1/eta. Wandering ranks
    change who goes on, hardly how many; so does a second objective.
    """
    trials, full = study.search.trials, study.train.epochs
    rungs = make_rungs(study.scheduler, {"accuracy": "max"}, full)
    if rungs is None:
        return trials * full
    generator = np.random.default_rng(0)
    each = [[rungs.epochs[number % rungs.brackets :], number % rungs.brackets] for number in range(trials)]
    totals = [_replay(generator.random(trials), each, full, rungs.reduction_factor) for _ in range(REPEATS)]
    return round(statistics.mean(totals))


def _replay(qualities: Sequence[float], each: Sequence[Sequence], full: int, eta: int) -> int:
    """Epochs of trials that arrive one after another; `each`: the rungs that a trial meets, and its bracket."""
    reached: dict[tuple[int, int], list[float]] = {}
    total = 0
    for quality, (rungs, bracket) in zip(qualities, each, strict=True):
        ended = full
        for epoch in rungs:
            costs = reached.setdefault((bracket, epoch), [])
            rank = bisect.bisect_left(costs, -quality)
            costs.insert(rank, -quality)
            if rank >= math.ceil(len(costs) / eta):
                ended = epoch
                break
        total += ended
    return total


def wall_hours(epochs: float, trials: int, epoch_s: float, concurrent: int) -> float:
    """Hours for so many epochs in so many trials, `concurrent` at once, start and report included."""
    return (START_S + (epochs * epoch_s + trials * TRIAL_S) / concurrent) / 3600

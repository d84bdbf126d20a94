"""How many epochs the search stage of a study will take: its scheduler played through on trials that are made up."""

from __future__ import annotations

import bisect
import math
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from study.search.scheduling import make_rungs
from study.settings import space
from study.settings.config import PAUSING, StudyConfig
from trainables.vocabulary.parts import SCHEDULERS

REPEATS = 50
REPLAYED = 5000
"""Trials of a search whose scheduler is played through; those beyond end, on average, as the later half of these."""


def expected_epochs(study: StudyConfig) -> int:
    """Epochs of the search stage, on average over orders of arrival, if a trial's rank is the same at every rung.

    Where trials pause: all of the baselines, the first rung of each other trial, and as many epochs again in whole
    trainings.
    A scheduler of one's own is not played through: as if it stopped nobody.
    The first trials to reach a rung are ranked among few, so more of them go on than the nominal 1/eta. Wandering ranks
    change who goes on, hardly how many; so does a second objective.
    """
    trials, full = study.search.trials, study.train.epochs
    if study.scheduler.name == PAUSING:
        first, ends = min(study.scheduler.grace_period, full), min(trials, len(space.baseline_points(study)))
        others, rest = trials - ends, full - first
        go_on = min(others, math.ceil(others * first / rest)) if rest else 0
        return ends * full + others * first + go_on * rest
    own = study.scheduler.name in SCHEDULERS.loaded
    rungs = None if own else make_rungs(study.scheduler, study.objectives, full)
    if rungs is None:
        return trials * full
    generator, played = np.random.default_rng(0), min(trials, REPLAYED)
    each = [[rungs.epochs[number % rungs.brackets :], number % rungs.brackets] for number in range(played)]
    repeats = max(4, min(REPEATS, 4 * REPLAYED // played))
    replays = [_replay(generator.random(played).tolist(), each, full, rungs.reduction_factor) for _ in range(repeats)]
    total = statistics.mean(map(sum, replays))
    if trials > played:
        total += (trials - played) * statistics.mean(statistics.mean(ends[played // 2 :]) for ends in replays)
    return round(total)


def _replay(qualities: Sequence[float], each: Sequence[Sequence[Any]], full: int, eta: int) -> list[int]:
    """Epochs of each of the trials, which arrive in turn; `each`: the rungs that a trial meets, and its bracket."""
    reached: dict[tuple[int, int], list[float]] = {}
    ends = []
    for quality, (rungs, bracket) in zip(qualities, each, strict=True):
        ended = full
        for epoch in rungs:
            costs = reached.setdefault((bracket, epoch), [])
            rank = bisect.bisect_left(costs, -quality)
            costs.insert(rank, -quality)
            if rank >= math.ceil(len(costs) / eta):
                ended = epoch
                break
        ends.append(ended)
    return ends

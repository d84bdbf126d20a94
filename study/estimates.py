"""What a study will cost before it runs: how many epochs a scheduler leaves, and what a trial costs besides epochs."""

from __future__ import annotations

import statistics

import numpy as np

from study.config import StudyConfig
from study.pareto_asha import Rungs, make_rungs

REPEATS = 20
START_S = 20.0
"""Starting Ray and loading PyTorch in the trial processes, and making the report, once a study."""
TRIAL_S = 0.5
"""Starting a trial in a reused process, and ending it."""


def expected_epochs(study: StudyConfig) -> int:
    """Epochs of the search stage, on average over orders of arrival, if a trial's rank is the same at every rung.

    Simulated with the scheduler itself on one objective: the first trials to reach a rung are ranked among few, so more
    of them go on than the nominal 1/eta. Wandering ranks change who goes on, hardly how many.
    """
    trials, full = study.search.trials, study.train.epochs
    name = "asha" if study.scheduler.name == "pareto_asha" else study.scheduler.name
    scheduler = study.scheduler.model_copy(update={"name": name})
    if make_rungs(scheduler, {"accuracy": "max"}, full) is None:
        return trials * full
    generator = np.random.default_rng(0)
    totals = []
    for _ in range(REPEATS):
        rungs = make_rungs(scheduler, {"accuracy": "max"}, full)
        assert rungs is not None
        totals.append(sum(_epochs(rungs, number, quality) for number, quality in enumerate(generator.random(trials))))
    return round(statistics.mean(totals))


def _epochs(rungs: Rungs, number: int, quality: float) -> int:
    """Epochs that a trial of this quality runs."""
    for epoch in rungs.epochs:
        if not rungs.decide(str(number), number, epoch, {"accuracy": float(quality)}):
            return epoch
    return rungs.max_epochs


def wall_hours(epochs: float, trials: int, epoch_s: float, concurrent: int) -> float:
    """Hours for so many epochs in so many trials, `concurrent` at once, start and report included."""
    return (START_S + (epochs * epoch_s + trials * TRIAL_S) / concurrent) / 3600

"""The sampler `front`: models what is uncertain alone, takes what is known exactly, and seeks the front.

A support set's bytes follow from the settings, so a candidate's place on that axis is known and only its accuracy is
modelled (`front.belief`); the candidate of the largest expected gain of hypervolume is drawn. A draw depends on the
seed and on what the study holds alone: its trials and their reports.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from study.search.front.belief import FAILED, FINISHED, RUNNING, UNFINISHED, Question, Seen
from study.search.front.candidates import Candidate
from study.search.front.propose import SCREENED, propose, startup
from trainables.vocabulary.metrics_and_objectives import ACCURACY

Reports = Mapping[int, Sequence[Mapping[str, Any]]]
"""Optuna's number of a trial -> what it reported after each epoch so far, objectives by name."""
STATES = {TrialState.COMPLETE: FINISHED, TrialState.FAIL: FAILED, TrialState.PRUNED: UNFINISHED}


class FrontSampler(optuna.samplers.BaseSampler):
    """rungs: epochs at which trials pause; one whose last report is of such an epoch is paused.

    Where no model can be fitted `fallback` draws, with a warning of one line; before enough trials have
    reported (`propose.startup`) the draw is random.
    """

    def __init__(
        self,
        question: Question,
        *,
        seed: int,
        reports: Reports,
        rungs: Sequence[int] = (),
        startup_trials: int = SCREENED,
        fallback: optuna.samplers.BaseSampler | None = None,
    ) -> None:
        self._question, self._seed, self._rungs = question, seed, rungs
        self._reports = reports
        self._startup = startup(startup_trials, rungs)
        self._random = optuna.samplers.RandomSampler(seed=seed)
        self._fallback = fallback or self._random
        self._independent: optuna.samplers.BaseSampler = self._random
        self._drawn: Candidate | None = None

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Of the point that is drawn: which parameters there are depends on their values."""
        self._drawn = self._draw(study, trial)
        return {} if self._drawn is None else dict(self._drawn.distributions)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {} if self._drawn is None else dict(self._drawn.params)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def _draw(self, study: optuna.Study, trial: FrozenTrial) -> Candidate | None:
        """None where random or the fallback draws."""
        others = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
        seen = [self._seen(other) for other in others]
        self._independent = self._random
        if sum(bool(one.curve) for one in seen) < self._startup:
            return None
        try:
            return propose(self._question, seen, self._seed, self._rungs)[0].candidate
        except (ValueError, np.linalg.LinAlgError) as error:
            reason = str(error).splitlines()[0]
            warnings.warn(f"search.sampler: front has no model, so TPE draws: {reason}", stacklevel=2)
            self._independent = self._fallback
            return None

    def _seen(self, trial: FrozenTrial) -> Seen:
        """A trial of Optuna as the search sees it."""
        reports = self._reports.get(trial.number, ())
        curve = [float(report.get(ACCURACY, np.nan)) for report in reports]
        values = dict(reports[-1]) if reports else {}
        if trial.state == TrialState.COMPLETE and len(curve) < self._question.epochs:  # its reports were lost
            values = dict(zip(self._question.objectives, trial.values, strict=True))
            curve = [np.nan] * (self._question.epochs - 1) + [values[ACCURACY]]
        state = STATES.get(trial.state, UNFINISHED if len(reports) in self._rungs else RUNNING)
        if any(value > 0 for value in trial.constraints.values()):
            state = FAILED
        return Seen(trial.params, state, curve, values)

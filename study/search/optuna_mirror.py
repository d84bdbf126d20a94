"""Optuna as a mirror of the journal: it proposes points and is told how trials ended, and it can be lost at any time.

What it is told (tried on Optuna 5.0): an early-stopped trial is PRUNED with its values as user attributes, since a
value of a smaller budget would mislead the sampler; failed and diverged ones FAIL; one that ran out of memory is PRUNED
with a violated constraint; a duplicate gets its original's values, or PRUNED if there are none yet. What has no end
when the study stops is WAITING until it goes on; after a kill it stays RUNNING until then: nobody was left to say so.
Trials of earlier studies (`study.record.learning`) come before all draws and are told in the same way.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from study import schema
from study.search import optuna_storage
from study.search.optuna_storage import make_sampler
from study.settings.config import StudyConfig

Line = Mapping[str, Any]
"""A line of the journal."""
Space = Callable[[optuna.Trial | optuna.trial.FixedTrial], Mapping[str, Any]]
"""Suggests every parameter that applies; gives the flat point."""

STATES = {
    schema.COMPLETED: TrialState.COMPLETE,
    schema.STOPPED: TrialState.PRUNED,
    schema.OUT_OF_MEMORY: TrialState.PRUNED,
}
"""Every other end is a FAIL."""


class Mirror:
    """The Optuna study of a results folder, holding exactly the given draws and ends (lines, in the order written),
    behind the trials that were `learned` of other studies (lines of learned.jsonl).

    If its file holds anything else, or is damaged, it is made anew: every draw is asked for again, with its values
    given, at the point of the history where it was made, so that a sampler's own notes (nsga2's generations, qmc's
    place in its sequence) come out as they were.
    """

    def __init__(
        self,
        config: StudyConfig,
        space: Space,
        folder: Path,
        draws: Sequence[Line] = (),
        ends: Sequence[Line] = (),
        learned: Sequence[Line] = (),
    ) -> None:
        self._config = config
        self._space = space
        self._folder = folder
        self._learned = learned
        self._numbers: dict[str, int] = {}
        self._told: dict[str, list[float] | None] = {}
        """Trials whose end Optuna knows, with their values if they count as complete."""
        self._fill(self._open(draws, ends), draws, ends)

    # --- asking and telling ---
    def ask(
        self,
        number: int,
        attempt: int,
        point: Mapping[str, Any] | None,
        *,
        again: bool = False,
        reports: Mapping[str, Sequence[Line]] | None = None,
    ) -> tuple[optuna.Trial, dict[str, Any]]:
        """An Optuna trial and the parameters it suggests: those of `point` where given, else the sampler's, which may
        learn from the `reports` of each trial (lines, in the order of their epochs).

        again: the point was the sampler's own; it is asked, for the notes that it keeps, and not listened to.
        """
        self._revive()
        if point is not None:
            self.study.enqueue_trial(dict(point))
        told = {self._numbers[name]: lines for name, lines in (reports or {}).items() if name in self._numbers}
        self.study.sampler = make_sampler(self._config, number, attempt, told)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*out of range for distribution.*")
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            trial = self.study.ask()
            if again and self._config.search.sampler != "front":  # which keeps no notes, and takes its time
                _ = trial.relative_params
            return trial, dict(self._space(trial))

    def add(self, trial: optuna.Trial, draw: Line) -> None:
        """What came of an asked trial, once the journal has it."""
        trial.set_user_attr(schema.OPTUNA_DRAW, _identity(draw))
        if draw["duplicate_of"] is None:
            self._numbers[draw["trial_id"]] = trial.number
        else:
            values = self._told.get(draw["duplicate_of"])
            self.study.tell(trial, values, state=TrialState.PRUNED if values is None else None)

    def tell(self, end: Line) -> None:
        """How a trial ended; nothing if Optuna knows already, or was never asked for it."""
        if end["trial_id"] in self._told or end["trial_id"] not in self._numbers:
            return
        self._revive()
        state, values = _outcome(end, self._config.objectives)
        trial = self._handle(self._numbers[end["trial_id"]])
        trial.set_user_attr("status", end["status"])
        trial.set_user_attr("epochs", end["epochs"])
        if state != TrialState.COMPLETE:
            trial.set_user_attr("low_fidelity_values", values)
            if state == TrialState.PRUNED and len(values) == 1 and values[0] is not None:
                trial.report(values[0], end["epochs"])
        trial.set_constraint("memory", 1.0 if end["status"] == schema.OUT_OF_MEMORY else 0.0)
        complete = values if state == TrialState.COMPLETE else None
        self.study.tell(trial, complete, state=state)
        self._told[end["trial_id"]] = complete

    def rest(self) -> None:
        """The study stops: trials without an end are shown as waiting, not running, until it goes on.

        Never fails: what is shown is worth less than a clean stop.
        """
        with contextlib.suppress(Exception):
            for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                self.storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
        self._resting = True

    def _revive(self) -> None:
        """Take back `rest`: Optuna would hand waiting trials out as new ones."""
        if self._resting:
            for trial in self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
                self.storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
        self._resting = False

    def _handle(self, number: int) -> optuna.Trial:
        storage = self.storage
        self.study.sampler = optuna.samplers.RandomSampler()  # a handle asks its sampler, and qmc would take a step
        study_id = storage.get_study_id_from_name(self.study.study_name)
        return optuna.trial.Trial(self.study, storage.get_trial_id_from_study_id_trial_number(study_id, number))

    # --- being brought to what the journal holds ---
    def _open(self, draws: Sequence[Line], ends: Sequence[Line]) -> int:
        """Open the study; how many of the draws it holds. If it is unreadable or holds more, begin a new file."""
        try:
            self._load()
            known = self._matching(draws, ends)
        except Exception:  # a damaged file can fail in any way, and nothing in it is needed
            self.close()
            optuna_storage.put_aside(self._folder)
            known = None
        if known is None:
            self.close()
            optuna_storage.remove(self._folder)
            self._load()
        return known or 0

    def _load(self) -> None:
        self.storage = optuna_storage.open_storage(self._folder)
        self.study = optuna.create_study(
            study_name=self._config.name,
            storage=self.storage,
            sampler=optuna.samplers.RandomSampler(),  # each draw has one of its own
            pruner=optuna.pruners.NopPruner(),
            directions=["maximize" if sense == "max" else "minimize" for sense in self._config.objectives.values()],
            load_if_exists=True,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self.study.set_metric_names(list(self._config.objectives))
        self._resting = True
        self._revive()

    def _matching(self, draws: Sequence[Line], ends: Sequence[Line]) -> int | None:
        """How many of the draws Optuna holds behind the learned trials, in their order, in the space as it is now, and
        with no end unknown to the journal; else None."""
        trials = self.study.get_trials(deepcopy=False)
        final = {end["trial_id"]: end for end in ends}
        learned, trials = trials[: len(self._learned)], trials[len(self._learned) :]
        if len(learned) < len(self._learned) or not all(map(self._is_learned, learned, self._learned)):
            return None
        if len(trials) > len(draws):
            return None
        for trial, draw in zip(trials, draws, strict=False):
            now = self._distributions(draw["params"])
            if now is None:
                if trial.params or trial.user_attrs.get(schema.OPTUNA_DRAW) != _identity(draw):
                    return None
            elif trial.distributions != now or not _same(
                trial, draw, final.get(draw["trial_id"]), self._config.objectives
            ):
                return None
        return len(trials)

    def _fill(self, known: int, draws: Sequence[Line], ends: Sequence[Line]) -> None:
        """Add what Optuna lacks, in the order of the history; `known`: how many draws it holds."""
        for line in self._learned[len(self.study.get_trials(deepcopy=False)) :]:
            self._add_learned(line)
        trials = self.study.get_trials(deepcopy=False)
        for trial, line in zip(trials, self._learned, strict=False):
            if trial.state != TrialState.PRUNED or trial.params:
                self._numbers[line["trial_id"]] = trial.number
                self._told[line["trial_id"]] = trial.values if trial.state == TrialState.COMPLETE else None
        for trial, draw in zip(trials[len(self._learned) :], draws, strict=False):
            if draw["duplicate_of"] is None and self._distributions(draw["params"]) is not None:
                self._numbers[draw["trial_id"]] = trial.number
                if trial.state.is_finished():
                    self._told[draw["trial_id"]] = trial.values if trial.state == TrialState.COMPLETE else None
        told = 0
        for draw in draws[known:]:
            for end in ends[told : draw["ended"]]:
                self.tell(end)
            told = draw["ended"]
            if self._distributions(draw["params"]) is None:
                self._add_outside({schema.OPTUNA_DRAW: _identity(draw)})
                continue
            own = draw["point_index"] is None
            again, _ = self.ask(draw["number"], draw["attempt"], draw["params"], again=own)
            self.add(again, draw)
        for end in ends:
            self.tell(end)

    # --- what was learned of other studies ---
    def _is_learned(self, trial: optuna.trial.FrozenTrial, line: Line) -> bool:
        """Whether this is the trial, in the space as it is now."""
        now = self._distributions(line["params"]) or {}
        state, values = _outcome(line, self._config.objectives)
        same = trial.user_attrs.get(schema.OPTUNA_LEARNED) == _origin(line) and trial.distributions == now
        if not now:
            return same and trial.state == TrialState.PRUNED
        params = all(line["params"].get(name) == value for name, value in trial.params.items())
        return same and params and trial.state == state and (state != TrialState.COMPLETE or trial.values == values)

    def _add_learned(self, line: Line) -> None:
        """nsga2 alone is asked for its notes, so that such trials are of its generations."""
        if self._distributions(line["params"]) is None:
            self._add_outside({schema.OPTUNA_LEARNED: _origin(line)})
            return
        self.study.sampler = optuna.samplers.RandomSampler()
        if self._config.search.sampler == "nsga2":
            self.study.sampler = make_sampler(self._config, line["number"])
        self.study.enqueue_trial(dict(line["params"]))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*out of range for distribution.*")
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            trial = self.study.ask()
            if self._config.search.sampler == "nsga2":
                _ = trial.relative_params
            self._space(trial)
        trial.set_user_attr(schema.OPTUNA_LEARNED, _origin(line))
        self._numbers[line["trial_id"]] = trial.number
        self.tell(line)

    def _distributions(self, params: Line) -> dict[str, BaseDistribution] | None:
        """What the space says of each parameter of a point; None if it has a choice that the space has no more."""
        fixed = optuna.trial.FixedTrial(dict(params))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*out of the range of the distribution.*")
            try:
                self._space(fixed)
            except ValueError:
                return None
        return dict(fixed.distributions)

    def _add_outside(self, noted: dict[str, Any]) -> None:
        """A point that the space, changed since, does not hold any more: shown, and no sampler learns of it."""
        outside = optuna.trial.create_trial(state=TrialState.PRUNED, user_attrs=noted, params={}, distributions={})
        self.study.add_trial(outside)

    def close(self) -> None:
        """Close the database; it may be opened again."""
        if hasattr(self, "storage"):
            self.storage.engine.dispose()


def _identity(draw: Line) -> dict[str, Any]:
    return {name: value for name, value in draw.items() if name != "schema" and value is not None}


def _origin(line: Line) -> dict[str, Any]:
    return {name: line[name] for name in ("trial_id", "folder", "of", "label")}


def _outcome(end: Line, objectives: Mapping[str, str]) -> tuple[TrialState, list[Any]]:
    """Optuna's state for an end, and its values (None where one is missing)."""
    values = [end["metrics"].get(name) for name in objectives]
    state = STATES.get(end["status"], TrialState.FAIL)
    if state == TrialState.COMPLETE and any(value is None for value in values):
        state = TrialState.FAIL
    return state, values


def _same(trial: optuna.trial.FrozenTrial, draw: Line, end: Line | None, objectives: Mapping[str, str]) -> bool:
    """Whether an Optuna trial is the journal's draw, with its values, and has ended as the journal says or not yet."""
    if trial.user_attrs.get(schema.OPTUNA_DRAW) != _identity(draw):
        return False
    if any(draw["params"].get(name) != value for name, value in trial.params.items()):
        return False
    if draw["duplicate_of"] is not None:
        return trial.state.is_finished()
    if not trial.state.is_finished():
        return True
    if end is None:
        return False
    state, values = _outcome(end, objectives)
    return trial.state == state and (state != TrialState.COMPLETE or trial.values == values)

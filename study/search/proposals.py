"""The search stage's searcher: Ray Tune's OptunaSearch, made honest about fidelity and safe to resume.

What differs from OptunaSearch, and why (measured on Ray 2.60, Optuna 5.0):
- an early-stopped trial is told PRUNED with its values as user attributes, not COMPLETE with a low-fidelity value;
  failed and diverged ones FAIL; one that ran out of memory is PRUNED with a violated constraint (infeasible);
- Optuna learns of an end from the ledger, after the journal has it, so the journal is never behind;
- each draw has its own seed, so a search resumed with one trial at a time goes on exactly as if undisturbed;
- finished trials of a restored storage are never told again; a point that was drawn before is not trained again;
- it reads its state from the storage and the journal, not from Tune's snapshots, which can be stale or cut.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from study import schema
from study.record.journal import Journal
from study.record.task import Task, point_key
from study.search.optuna_storage import make_sampler
from study.settings.config import StudyConfig

IDENTITY = "trial"
"""User attribute that ties an Optuna trial to one of ours; a trial without it was asked for but never started."""
MAX_DUPLICATES = 50
OPTUNA_STATES = {
    schema.COMPLETED: TrialState.COMPLETE,
    schema.STOPPED: TrialState.PRUNED,
    schema.OUT_OF_MEMORY: TrialState.PRUNED,
}

MakeTask = Callable[[int, Mapping[str, Any], bool], Task]
"""(number, params, baseline) -> Task"""


class Queue:
    """Tasks waiting to be (re)started, in order; shared by both searchers."""

    def __init__(self, tasks: Sequence[Task] = ()) -> None:
        self.tasks = list(tasks)

    def pop(self) -> Task | None:
        return self.tasks.pop(0) if self.tasks else None


class TaskList(Searcher):
    """A searcher that hands out a fixed list of tasks (the confirm stage)."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.queue = Queue(tasks)

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        task = self.queue.pop()
        return Searcher.FINISHED if task is None else task.config()

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        """Nothing to learn."""

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).write_bytes(b"")

    def restore(self, checkpoint_path: str) -> None:
        """State lives in the journal."""


class StudySearch(OptunaSearch):
    """Baselines (or grid points) first, then what the sampler draws; see the module's docstring.

    space: (optuna trial) -> flat params. points: tried first, in order. limit: trials in all.
    stopped: asked before a new trial is drawn; True ends the search (budgets).
    """

    def __init__(
        self,
        study: StudyConfig,
        space: Callable[[optuna.Trial], Mapping[str, Any]],
        make_task: MakeTask,
        storage: optuna.storages.BaseStorage,
        *,
        points: Sequence[Mapping[str, Any]] = (),
        baselines: int = 0,
        study_name: str | None = None,
    ) -> None:
        super().__init__(
            space=space,
            metric=list(study.objectives),
            mode=list(study.objectives.values()),
            sampler=make_sampler(study, 0),
            study_name=study_name or study.name,
            storage=storage,
        )
        self._study = study
        self._make_task = make_task
        self._points = [dict(p) for p in points]
        self._baselines = baselines
        self._limit = study.search.trials
        self._grid = study.search.sampler == "grid"
        self._duplicates: dict[int, int] = {}
        self._handles: dict[str, optuna.Trial] = {}
        self._known: dict[str, str] = {}
        self._next_number = 0
        self._next_point = 0
        self.queue = Queue()
        self.exhausted = False

    # --- drawing ---
    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """Config of the next trial: interrupted ones first; FINISHED at the limit or when nothing new can be drawn."""
        task = self.queue.pop() or self.draw()
        return Searcher.FINISHED if task is None else task.config()

    def draw(self) -> Task | None:
        """A new point as a task, or None at the limit or when only duplicates come."""
        for _ in range(MAX_DUPLICATES - self._duplicates.get(self._next_number, 0)):  # earlier sessions' count too
            if self._next_number >= self._limit or (self._grid and self._next_point >= len(self._points)):
                return None
            task = self._ask(self._duplicates.get(self._next_number, 0))
            if task is not None:
                return task
        self.exhausted = True
        return None

    def _ask(self, attempt: int) -> Task | None:
        number, index = self._next_number, None
        if self._next_point < len(self._points):
            index = self._next_point
            self._next_point += 1
            self._ot_study.enqueue_trial(self._points[index])
        self._ot_study.sampler = make_sampler(self._study, number, attempt)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*out of range for distribution.*")
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            trial = self._ot_study.ask()
            drawn = dict(self._space(trial))
        params = drawn if index is None else {**drawn, **self._points[index]}
        original = self._known.get(point_key(params))
        if original is not None:
            repeat = {"duplicate_of": original, "for_number": number, "point_index": index}
            trial.set_user_attr(IDENTITY, repeat)
            self._duplicates[number] = self._duplicates.get(number, 0) + 1
            self._tell_duplicate(trial, original)
            return None
        task = self._make_task(number, params, index is not None and index < self._baselines)
        trial.set_user_attr(IDENTITY, self._identity(task, index))
        self._next_number += 1
        self._known[point_key(params)] = task.trial_id
        self._handles[task.trial_id] = trial
        return task

    @staticmethod
    def _identity(task: Task, index: int | None) -> dict[str, Any]:
        identity = {"trial_id": task.trial_id, "number": task.number, "label": task.label}
        return {**identity, "params": dict(task.params), "point_index": index}

    def _tell_duplicate(self, trial: optuna.Trial, original: str) -> None:
        handle = self._handles[original]
        frozen = handle.storage.get_trial(handle._trial_id)
        done = frozen.state == TrialState.COMPLETE
        self._ot_study.tell(trial, frozen.values if done else None, state=None if done else TrialState.PRUNED)

    # --- learning ---
    def on_trial_result(self, trial_id: str, result: dict) -> None:
        """Nothing: Optuna learns from the ledger (`learn`)."""

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        """Nothing: Optuna learns from the ledger (`learn`)."""

    def learn(self, task: Task, line: Mapping[str, Any]) -> None:
        """Tell Optuna how a trial ended; `line` is its line of trials.jsonl. Finished trials are left alone."""
        trial = self._handles.get(task.trial_id)
        if trial is None or trial.storage.get_trial(trial._trial_id).state.is_finished():
            return
        values = [line["metrics"].get(name) for name in self._study.objectives]
        known = all(v is not None for v in values)
        state = OPTUNA_STATES.get(line["status"], TrialState.FAIL)
        if state == TrialState.COMPLETE and not known:
            state = TrialState.FAIL
        trial.set_user_attr("status", line["status"])
        trial.set_user_attr("epochs", line["epochs"])
        if state != TrialState.COMPLETE:
            trial.set_user_attr("low_fidelity_values", values)
            if known and state == TrialState.PRUNED and len(values) == 1:
                trial.report(values[0], line["epochs"])
        trial.set_constraint("memory", 1.0 if line["status"] == schema.OUT_OF_MEMORY else 0.0)
        self._ot_study.tell(trial, values if state == TrialState.COMPLETE else None, state=state)

    # --- resuming ---
    def recover(self, journal: Journal) -> list[Task]:
        """Reconcile the storage with the journal; returns the trials to go on with, by number."""
        unfinished: list[Task] = []
        for frozen in self._ot_study.get_trials(deepcopy=False):
            attrs = frozen.user_attrs.get(IDENTITY, {})
            if attrs.get("point_index") is not None:
                self._next_point = max(self._next_point, attrs["point_index"] + 1)
            if "for_number" in attrs:
                self._duplicates[attrs["for_number"]] = self._duplicates.get(attrs["for_number"], 0) + 1
            if "trial_id" not in attrs:
                if not frozen.state.is_finished():  # killed between asking and starting: as if never asked
                    self._storage.set_trial_state_values(frozen._trial_id, TrialState.FAIL)
                continue
            task = self._adopt(optuna.trial.Trial(self._ot_study, frozen._trial_id), attrs)
            if journal.ended(task.trial_id):
                self.learn(task, journal.ends[task.trial_id])
            else:
                unfinished.append(task)
        for line in journal.final_ends("search"):
            if line["trial_id"] not in self._handles:
                self._rebuild(line)
        return sorted(unfinished, key=lambda task: task.number)

    def _adopt(self, trial: optuna.Trial, attrs: Mapping[str, Any]) -> Task:
        index = attrs.get("point_index")
        task = self._make_task(attrs["number"], attrs["params"], index is not None and index < self._baselines)
        self._handles[task.trial_id] = trial
        self._known[point_key(attrs["params"])] = task.trial_id
        self._next_number = max(self._next_number, task.number + 1)
        return task

    def _rebuild(self, line: Mapping[str, Any]) -> None:
        """Put a trial that the journal knows and the storage lost back into the storage."""
        fixed = optuna.trial.FixedTrial(dict(line["params"]))
        self._space(fixed)
        index = self._next_point if self._next_point < len(self._points) else None
        attrs = {name: line[name] for name in ("trial_id", "number", "label", "params")} | {"point_index": index}
        self._ot_study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params=fixed.params,
                distributions=fixed.distributions,
                user_attrs={IDENTITY: attrs},
            )
        )
        if index is not None:
            self._next_point += 1
        frozen = self._ot_study.get_trials(deepcopy=False)[-1]
        task = self._adopt(optuna.trial.Trial(self._ot_study, frozen._trial_id), attrs)
        self.learn(task, line)

    # --- Tune's snapshots: nothing of ours lives there ---
    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).write_bytes(b"")

    def restore(self, checkpoint_path: str) -> None:
        """State lives in the journal and the storage."""

    def __getstate__(self) -> dict[str, Any]:
        return {}

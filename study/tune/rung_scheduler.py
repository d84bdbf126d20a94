"""Ray Tune's side of the rule in `study.search.rules` and of `study.tune.lives`: who stops, who is tried again.

Differs from Ray's ASHAScheduler: exact integer rungs, only reports made at a rung count there, several objectives,
NaN stops a trial, and the time attribute is the epoch, which survives restarts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from study.search.rules import Stopping
from study.tune import ray_internals
from study.tune.lives import Lives, Verdict
from trainables import dominance

IDLE_S = 0.1


class RungScheduler(FIFOScheduler):
    """Stops trials by the given rule, such as rungs; None lets every trial run to its end.

    Declared baselines are ranked like the others but always go on: they are what the study compares with.
    A report without a finite value of every objective stops its trial, whatever the scheduler.
    """

    def __init__(self, rungs: Stopping | None, objectives: Mapping[str, str], lives: Lives) -> None:
        super().__init__()
        self.rungs = rungs
        self.objectives = dict(objectives)
        self.lives = lives
        self.held: dict[str, Verdict] = {}
        """Trials that have lost their process and are not to be tried again at once, by id."""
        self._controller: Any = None

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: object) -> bool:
        """The objectives are the rungs' own: a metric in TuneConfig is refused."""
        return not (metric or mode)

    def on_trial_result(self, tune_controller: object, trial: Any, result: dict[str, Any]) -> str:
        if not dominance.finite(result, self.objectives):
            return TrialScheduler.STOP
        config = trial.config
        if (until := config.get("repeat_until")) is not None:
            return TrialScheduler.CONTINUE if int(result["epoch"]) < until else TrialScheduler.STOP
        if (until := config.get("until")) is not None:
            return TrialScheduler.CONTINUE if int(result["epoch"]) < until else TrialScheduler.STOP
        if self.rungs is None:
            return TrialScheduler.CONTINUE
        goes_on = self.rungs.decide(config["trial_id"], config["number"], int(result["epoch"]), result)
        return TrialScheduler.CONTINUE if goes_on or config["baseline"] else TrialScheduler.STOP

    # --- trials that have lost their process ---
    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Tune queues the trial again after this, and calls `on_trial_add`."""
        self._controller = tune_controller
        others = [one for one in tune_controller.get_trials() if one is not trial and one.status == Trial.RUNNING]
        error, trial_id = ray_internals.error_of(trial), trial.config["trial_id"]
        verdict = self.lives.lost(trial_id, error, ray_internals.node_of(error), alone=not others)
        if verdict is not Verdict.GO_ON:
            self.held[trial_id] = verdict

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        if trial.config["trial_id"] in self.held:
            ray_internals.hold(self._controller, trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """The first held trial that may be tried again, else the first that waits for a process; those given up end."""
        trials = {trial.config["trial_id"]: trial for trial in tune_controller.get_trials()}
        for trial_id, verdict in list(self.held.items()):
            now = self.lives.verdict(trial_id) if verdict is Verdict.WAIT else verdict
            if now is not Verdict.WAIT:
                del self.held[trial_id]
            if now is Verdict.GIVE_UP:
                self._controller.stop_trial(trials[trial_id])
            elif now is Verdict.GO_ON:
                return trials[trial_id]
        states = {trial.status for trial in trials.values()}
        if self.held and not states & {Trial.PENDING, Trial.RUNNING}:
            time.sleep(IDLE_S)  # Tune asks again at once if it has nothing to wait for
        return next((trial for trial in trials.values() if trial.status == Trial.PENDING), None)

    def debug_string(self) -> str:
        return "FIFO" if self.rungs is None else self.rungs.summary()

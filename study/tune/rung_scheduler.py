"""Ray Tune's side of the rungs in `study.search.scheduling`: asks them at each report, stops who is told to stop.

Differs from Ray's ASHAScheduler: exact integer rungs, only reports made at a rung count there, several objectives,
NaN stops a trial, and the time attribute is the epoch, which survives restarts.
"""

from __future__ import annotations

from collections.abc import Mapping

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from study.search.scheduling import Rungs
from trainables import dominance


class RungScheduler(FIFOScheduler):
    """Stopping-form successive halving over the given rungs; None lets every trial run to its end.

    Declared baselines are ranked like the others but always go on: they are what the study compares with.
    A report without a finite value of every objective stops its trial, whatever the scheduler.
    """

    def __init__(self, rungs: Rungs | None, objectives: Mapping[str, str]) -> None:
        super().__init__()
        self.rungs = rungs
        self.objectives = dict(objectives)

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: object) -> bool:
        """The objectives are the rungs' own: a metric in TuneConfig is refused."""
        return not (metric or mode)

    def on_trial_result(self, tune_controller: object, trial: object, result: dict) -> str:
        if not dominance.finite(result, self.objectives):
            return TrialScheduler.STOP
        config = trial.config
        if (until := config.get("repeat_until")) is not None:
            return TrialScheduler.CONTINUE if int(result["epoch"]) < until else TrialScheduler.STOP
        if self.rungs is None:
            return TrialScheduler.CONTINUE
        goes_on = self.rungs.decide(config["trial_id"], config["number"], int(result["epoch"]), result)
        return TrialScheduler.CONTINUE if goes_on or config["baseline"] else TrialScheduler.STOP

    def debug_string(self) -> str:
        return "FIFO" if self.rungs is None else self.rungs.summary()

"""Who goes on, stops or pauses in a replayed search: one interface over the study's rungs and the plain rules.

`report` is called after each epoch of a running trial, `promoted` whenever a worker is free: the number of a paused
trial that goes on now, or None for a new one. No random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from study.search import pareto, promotion
from study.search.scheduling import Rungs
from trainables import dominance

GO, STOP, PAUSE = "go", "stop", "pause"
Values = Mapping[str, float]


class Scheduler(Protocol):
    def begun(self, number: int, params: Mapping[str, Any]) -> None: ...
    def report(self, number: int, epoch: int, values: Values) -> str: ...
    def promoted(self, *, exhausted: bool = False) -> int | None: ...


class Stopping:
    """The study's rungs, or nobody is stopped (None). Nobody pauses."""

    def __init__(self, rungs: Rungs | None) -> None:
        self.rungs = rungs

    def begun(self, number: int, params: Mapping[str, Any]) -> None:
        pass

    def report(self, number: int, epoch: int, values: Values) -> str:
        return GO if self.rungs is None or self.rungs.decide(str(number), number, epoch, values) else STOP

    def promoted(self, *, exhausted: bool = False) -> int | None:
        return None


class FrontByFront:
    """The plain rule: all to one rung, then finish front by front.

    Every trial pauses at `rung`. Half of the epochs go to new trials, half to finishing paused ones, in the order of
    the fronts that all trials form at the rung, and within a front by how well they spread.
    """

    def __init__(self, objectives: Mapping[str, str], rung: int, epochs: int) -> None:
        self.objectives, self.rung, self.epochs = objectives, rung, epochs
        self.costs: dict[int, np.ndarray] = {}
        self.paused: set[int] = set()
        self.spent = [0, 0]
        """Epochs of trials up to the rung, and after it; those of a trial that goes on are counted at once."""

    def begun(self, number: int, params: Mapping[str, Any]) -> None:
        pass

    def report(self, number: int, epoch: int, values: Values) -> str:
        self.spent[0] += epoch <= self.rung
        if epoch != self.rung:
            return GO
        self.costs[number] = dominance.to_costs(values, self.objectives)
        self.paused.add(number)
        return PAUSE

    def promoted(self, *, exhausted: bool = False) -> int | None:
        if not self.paused or (self.spent[1] + self.epochs - self.rung > self.spent[0] and not exhausted):
            return None
        numbers = list(self.costs)
        order = pareto.preference_order(np.array(list(self.costs.values())))
        number = next(numbers[i] for i in order if numbers[i] in self.paused)
        self.paused.remove(number)
        self.spent[1] += self.epochs - self.rung
        return number


class Promoting:
    """The study's own rule of who goes on (`study.search.promotion`)."""

    def __init__(self, rule: promotion.Rule) -> None:
        self.rule = rule
        self.trials: dict[int, promotion.Seen] = {}
        self.until = rule.epochs

    def begun(self, number: int, params: Mapping[str, Any]) -> None:
        self.trials[number] = promotion.Seen(number, params, {}, {}, "running", self.until)

    def report(self, number: int, epoch: int, values: Values) -> str:
        trial = self.trials[number]
        trial.reports[epoch] = dict(values)
        known = {name: value for name, value in values.items() if self.rule.metrics[name].known}
        paused = epoch == trial.until
        self.trials[number] = trial._replace(known=known, state="paused" if paused else "running")
        if epoch == self.rule.epochs:
            self.trials[number] = self.trials[number]._replace(state="ended")
        return PAUSE if paused else GO

    def promoted(self, *, exhausted: bool = False) -> int | None:
        action = promotion.next_action(list(self.trials.values()), self.rule, can_draw=not exhausted)
        if not isinstance(action, promotion.GoOn):
            self.until = self.rule.epochs if action is None else action.until
            return None
        self.trials[action.number] = self.trials[action.number]._replace(state="running", until=action.until)
        return action.number

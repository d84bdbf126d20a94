"""Asynchronous successive halving over one or several objectives, as plain Python: no Ray, no clock, no random numbers.

Stopping form of ASHA (Li et al. 2020) with the ranking of MO-ASHA (Schmucker et al. 2021, "Multi-objective Asynchronous
Successive Halving"): when a trial reaches a rung it is ranked among all that reached the rung before, by non-dominated
front and within a front by how well it spreads (epsilon-net); it goes on if it is in the best 1/eta, or, unlike in the
paper and unless `keep_front` is off, if no other dominates it. With one objective this is ASHA. Several brackets with
growing grace periods make it asynchronous Hyperband (Li et al. 2018).

A decision depends only on the reports that came before it, in their order: replaying a study's reports rebuilds the
rungs and repeats every decision, which is how a resumed study remembers them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from study.search import pareto
from study.settings.config import PAUSING, is_pausing
from trainables import dominance


def pauses(scheduler: Any) -> bool:
    """Whether trials pause under a `study.settings.config.SchedulerConfig`."""
    return is_pausing(scheduler.name)


def rung_epochs(grace_period: int, max_epochs: int, reduction_factor: int) -> tuple[int, ...]:
    """Exact integer rungs below `max_epochs`: grace, grace * eta, grace * eta^2, ... (may be empty).

    >>> rung_epochs(1, 243, 3)
    (1, 3, 9, 27, 81)
    """
    if grace_period < 1 or reduction_factor < 2:
        raise ValueError(
            f"rungs need grace_period >= 1 and reduction_factor >= 2, got {grace_period} and {reduction_factor}"
        )
    rungs = []
    epoch = grace_period
    while epoch < max_epochs:
        rungs.append(epoch)
        epoch *= reduction_factor
    return tuple(rungs)


@dataclass
class Rungs:
    """The memory of a scheduler: who reached which rung with which values, and who was told to stop.

    objectives: metric -> "max" | "min". brackets: 1 = successive halving; b > 1: trial number modulo b picks a bracket
    whose first s rungs are left out (s = 0 .. b - 1). keep_front: with several objectives, never stop a trial that no
    other at the rung dominates; False: exactly the best ceil(n / eta), MO-ASHA's rule.
    """

    objectives: Mapping[str, str]
    grace_period: int
    reduction_factor: int
    max_epochs: int
    brackets: int = 1
    keep_front: bool = True
    members: dict[str, dict[str, tuple[float, ...]]] = field(default_factory=dict)
    verdicts: dict[str, dict[str, bool]] = field(default_factory=dict)

    @property
    def epochs(self) -> tuple[int, ...]:
        """Every rung's epoch, rising."""
        return rung_epochs(self.grace_period, self.max_epochs, self.reduction_factor)

    def _rung(self, number: int, epoch: int) -> str | None:
        bracket = number % self.brackets
        return f"{bracket}:{epoch}" if epoch in self.epochs[bracket:] else None

    def decide(self, trial_id: str, number: int, epoch: int, metrics: Mapping[str, Any]) -> bool:
        """True if the trial goes on. Between rungs always; at a rung if it is among the best ceil(n / eta) or on the
        first front of several objectives.

        The same trial at the same rung again (an epoch re-run after a restart) gets the verdict it got first.
        A missing, NaN or infinite objective is refused: the trial stops and never enters the rung.
        """
        if not dominance.finite(metrics, self.objectives):
            return False
        rung = self._rung(number, epoch)
        if rung is None:
            return True
        known = self.verdicts.setdefault(rung, {})
        if trial_id in known:
            return known[trial_id]
        costs = dominance.to_costs(metrics, self.objectives)
        members = self.members.setdefault(rung, {})
        members[trial_id] = tuple(float(c) for c in costs)
        known[trial_id] = list(members).index(trial_id) in self._kept(np.array(list(members.values())))
        return known[trial_id]

    def learn(self, trial_id: str, number: int, epoch: int, metrics: Mapping[str, Any]) -> None:
        """A report of a trial of an earlier study: others are ranked beside it, and it is not decided about."""
        rung = self._rung(number, epoch)
        if rung is not None and dominance.finite(metrics, self.objectives):
            costs = tuple(float(c) for c in dominance.to_costs(metrics, self.objectives))
            self.members.setdefault(rung, {}).setdefault(trial_id, costs)

    def _kept(self, costs_NM: np.ndarray) -> set[int]:
        """Indices of the best ceil(n / eta), and with `keep_front` and several objectives of the whole first front.

        Stopping a trial that no other beats makes a hole in the front that the study is after, and while a rung is
        small would stop the cheap ones. MO-ASHA keeps exactly 1/eta; in replays of searches the whole front was better,
        though it stops fewer trials (benchmarks/README.md).
        """
        order = pareto.preference_order(costs_NM)
        keep = math.ceil(len(order) / self.reduction_factor)
        if self.keep_front and costs_NM.shape[1] > 1:
            keep = max(keep, int(dominance.on_front(costs_NM).sum()))
        return set(order[:keep])

    def summary(self) -> str:
        """One line: how many reached each rung and how many of them went on."""
        parts = [f"{rung}: {sum(v.values())}/{len(v)}" for rung, v in self.verdicts.items()]
        return "rungs (bracket:epoch went on/reached) " + (", ".join(parts) or "none reached")


def decision_epochs(scheduler: Any, max_epochs: int) -> tuple[int, ...]:
    """Epochs at which it is decided who goes on."""
    if scheduler.name == "none":
        return ()
    return rung_epochs(scheduler.grace_period, max_epochs, scheduler.reduction_factor)


def make_rungs(scheduler: Any, objectives: Mapping[str, str], max_epochs: int) -> Rungs | None:
    """The rungs of a `study.settings.config.SchedulerConfig` that stops trials at them; else (none, promote) None.

    asha and hyperband look at the first objective only; pareto_asha at all of them.
    """
    if scheduler.name in ("none", PAUSING):
        return None
    first = dict([next(iter(objectives.items()))])
    count = len(rung_epochs(scheduler.grace_period, max_epochs, scheduler.reduction_factor))
    return Rungs(
        objectives=dict(objectives) if scheduler.name == "pareto_asha" else first,
        grace_period=scheduler.grace_period,
        reduction_factor=scheduler.reduction_factor,
        max_epochs=max_epochs,
        brackets=max(1, count) if scheduler.name == "hyperband" else 1,
        keep_front=scheduler.keep_front,
    )

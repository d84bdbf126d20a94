"""Who goes on: the rule of a search whose trials pause at rungs. Plain NumPy: no Ray, no torch, no random numbers.

`next_action` is asked whenever a trial may start. It sees the trials so far and says: draw a new one and let it pause
at an epoch, or let a paused one go on to an epoch. It depends on its arguments alone, so a study that is replayed from
its journal repeats every decision.

Who goes on: the paused trial of the largest expected gain of hypervolume (`expected_gain`) per remaining epoch; what it
will come to is foretold from the study's own finished trials (`foretelling`), and known objectives are taken exactly.

How much goes to new trials, and where they pause: if a share `a` of the spread of last values is foretold at epoch e,
finishing the best of k trials is worth about k^a trials without choice (the largest of k normal values grows as
sqrt(2 ln k), and of what correlates with them as sqrt(2 a ln k)), and costs k e + E - e epochs. So the best share of
epochs to spend on new trials is `a` itself, and the best rung that of the largest k^a / (k e + E - e). `a` is estimated
from the study's finished trials; before there are any it is `(e / E)^CAUTION`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from study.search.expected_gain import expected_gain
from study.search.foretelling import explained, foretell
from study.search.scheduling import rung_epochs
from trainables import dominance
from trainables.vocabulary.metrics_and_objectives import OBJECTIVES, Metric

CAUTION = 0.5
"""How slowly early values are trusted before trials have finished: the foretold share is (e / E) to this power."""
CAUTION_WEIGHT = 3.0
"""That guess weighs as much as so many finished trials."""
MOST = 0.75
"""Largest share of epochs for new trials."""
FLOOR = 0.1
"""Values worse than this quantile, from the worst, count as it: what is so bad adds nothing to a front."""


class Seen(NamedTuple):
    """A trial as far as the study knows it."""

    number: int
    params: Mapping[str, Any]
    known: Mapping[str, float]
    """Objectives that follow from the settings."""
    reports: Mapping[int, Mapping[str, float]]
    """Epoch (from 1) -> objectives, in rising order."""
    state: Literal["running", "paused", "ended"]
    """ended: finished, failed, or stopped; it finished if it reported its last epoch."""
    until: int = 0
    """running: the epoch at which it will pause or end."""


class Rule(NamedTuple):
    """Of a study: what it optimises, and where trials may pause."""

    objectives: Mapping[str, str]
    """name -> "max" | "min"."""
    epochs: int
    """Full budget of a trial."""
    first_rung: int
    """Earliest epoch at which a trial may pause."""
    eta: int = 3
    """Factor between rungs."""
    metrics: Mapping[str, Metric] = OBJECTIVES


class Draw(NamedTuple):
    """A new trial, which pauses at epoch `until` (ends there if that is the last one)."""

    until: int


class GoOn(NamedTuple):
    """A paused trial goes on to epoch `until`, where it pauses again or ends."""

    number: int
    until: int


def next_action(trials: Sequence[Seen], rule: Rule, *, can_draw: bool = True) -> Draw | GoOn | None:
    """What a free place does. `can_draw`: whether there may be new trials (the limit, an exhausted space).

    None: nothing to do now: no new trial may be drawn and none is paused.
    """
    rung, share = screening(trials, rule)
    paused = [trial for trial in trials if trial.state == "paused"]
    if not paused:
        return Draw(rung) if can_draw else None
    left_P = np.array([rule.epochs - _epoch(trial) for trial in paused])
    chosen = paused[int(np.argmax(gains(trials, paused, rule) / left_P))]
    until = next((e for e in rungs(rule) if e > _epoch(chosen) and e >= rung), rule.epochs)
    if can_draw and not _had_their_share(trials, rung, share, until - _epoch(chosen)):
        return Draw(rung)
    return GoOn(chosen.number, until)


def rungs(rule: Rule) -> list[int]:
    """Epochs at which trials may pause, rising, all below the full budget."""
    return [e for e in rung_epochs(rule.first_rung, rule.epochs, rule.eta) if e < rule.epochs]


def screening(trials: Sequence[Seen], rule: Rule) -> tuple[int, float]:
    """Epoch at which new trials pause, and the share of epochs that goes to new trials up to there.

    The full budget and a share of 1 if pausing anywhere is worth nothing.
    """
    table = _Table(trials, rule)
    best, found = 1.0 / rule.epochs, (rule.epochs, 1.0)
    for epoch in rungs(rule):
        share = foretold_share(table, rule, epoch)
        count = share * (rule.epochs - epoch) / (epoch * (1 - share))
        if count <= 1:
            continue
        worth = count**share / (count * epoch + rule.epochs - epoch)
        if worth > best:
            best, found = worth, (epoch, share)
    return found


def foretold_share(table: _Table, rule: Rule, epoch: int) -> float:
    """Share (0 to MOST) of the spread of last values that values at an epoch foretell: of the uncertain objectives the
    least; the cautious guess and what finished trials showed, weighed."""
    guess = (epoch / rule.epochs) ** CAUTION
    shares = [MOST]
    for name in table.uncertain:
        at_N, last_N = table.at(name, epoch), table.at(name, rule.epochs)
        shown = explained(at_N, last_N, at_N)
        count = 0 if shown is None else int((np.isfinite(at_N) & np.isfinite(last_N)).sum())
        shares.append((CAUTION_WEIGHT * guess + count * (shown or 0.0)) / (CAUTION_WEIGHT + count))
    return min(shares)


def gains(trials: Sequence[Seen], candidates: Sequence[Seen], rule: Rule) -> np.ndarray:
    """Expected gain of hypervolume [C] if candidates ran to their end, over what is finished and what is on the way.

    A trial that is going to its end counts as if it had come to what is foretold of it. A candidate without finite
    values gains nothing.
    """
    table = _Table(trials, rule)
    mean_NM, deviation_NM = table.beliefs()
    valid_N = np.isfinite(mean_NM).all(1)
    found_C = np.zeros(len(candidates))
    if not valid_N.any():
        return found_C
    reference_M = table.corner(mean_NM[valid_N])
    counted = [(t.state == "running" and t.until == rule.epochs) or _epoch(t) == rule.epochs for t in trials]
    front_NM = mean_NM[valid_N & np.array(counted)]
    place = {trial.number: i for i, trial in enumerate(trials)}
    rows_C = np.array([place[candidate.number] for candidate in candidates], dtype=int)
    known_C = valid_N[rows_C]
    rows = rows_C[known_C]
    found_C[known_C] = expected_gain(mean_NM[rows], deviation_NM[rows], front_NM, reference_M)
    return found_C


class _Table:
    """The trials' values as scaled costs [N], NaN where there is none; the worst ones are cut."""

    def __init__(self, trials: Sequence[Seen], rule: Rule) -> None:
        self.trials, self.rule = trials, rule
        self.uncertain = [name for name in rule.objectives if not rule.metrics[name].known]
        self._columns: dict[tuple[str, int], np.ndarray] = {}

    def at(self, name: str, epoch: int) -> np.ndarray:
        """Values [N] at an epoch, those worse than the quantile FLOOR as good as it."""
        if (name, epoch) not in self._columns:
            values = [self._cost(name, trial.reports.get(epoch, {})) for trial in self.trials]
            column_N = np.array(values, dtype=float)
            finite = column_N[np.isfinite(column_N)]
            cut = float(np.quantile(finite, 1 - FLOOR)) if len(finite) else np.inf
            self._columns[name, epoch] = np.minimum(column_N, cut)
        return self._columns[name, epoch]

    def _cost(self, name: str, values: Mapping[str, float]) -> float:
        """One value as a scaled cost; NaN if it is missing or not finite."""
        if not dominance.finite(values, [name]):
            return math.nan
        return float(dominance.scaled_costs(values, {name: self.rule.objectives[name]}, self.rule.metrics)[0])

    def beliefs(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation [N, M] of the trials' last values; NaN where nothing is known."""
        shape = (len(self.trials), len(self.rule.objectives))
        mean_NM, deviation_NM = np.full(shape, math.nan), np.zeros(shape)
        epoch_N = np.array([_epoch(trial) for trial in self.trials], dtype=int)
        for m, name in enumerate(self.rule.objectives):
            if name not in self.uncertain:
                mean_NM[:, m] = [self._cost(name, trial.known) for trial in self.trials]
                continue
            last_N = self.at(name, self.rule.epochs)
            for epoch in sorted(set(epoch_N.tolist()) - {0}):
                here_N = epoch_N == epoch
                at_N = self.at(name, epoch)
                if epoch == self.rule.epochs:
                    mean_NM[here_N, m] = last_N[here_N]
                    continue
                spread = float(np.nanstd(at_N)) if np.isfinite(at_N).any() else 0.0
                usable_N = here_N & np.isfinite(at_N)
                mean, variance = foretell(at_N[usable_N], at_N, last_N, spread)
                mean_NM[usable_N, m], deviation_NM[usable_N, m] = mean, np.sqrt(variance)
        return mean_NM, deviation_NM

    def corner(self, mean_NM: np.ndarray) -> np.ndarray:
        """The corner [M] that bounds gains: the quantile FLOOR of what is uncertain, the worst of what is known."""
        known_M = np.array([self.rule.metrics[name].known for name in self.rule.objectives])
        beyond_M = 0.02 * (mean_NM.max(0) - mean_NM.min(0)) + 1e-6
        return np.where(known_M, mean_NM.max(0), np.quantile(mean_NM, 1 - FLOOR, axis=0)) + beyond_M


def _had_their_share(trials: Sequence[Seen], rung: int, share: float, more: int) -> bool:
    """Whether new trials have had their share of the epochs, should `more` go to an old one; promised ones count."""
    heading = [max(_epoch(trial), trial.until if trial.state == "running" else 0) for trial in trials]
    return sum(min(epoch, rung) for epoch in heading) >= share * (sum(heading) + more)


def _epoch(trial: Seen) -> int:
    return max(trial.reports, default=0)

"""Who goes on: the rule of a search whose trials pause at rungs. No Ray, no torch; the same arguments, the same action.

`next_action` is asked whenever a trial may start. It sees the trials so far and says: draw a new one and let it pause
at an epoch, or let a paused one go on to an epoch. A study that is replayed from its journal so repeats every decision.

The largest expected gain of hypervolume per epoch decides (`front.propose.decide`): what a paused trial, or the best
new point, will come to is believed from the settings and from how well early values foretold the end in this study's
own finished trials (`front.belief`). Where that has no model (too few reports, no space given), the plain rule does:
all to the first rung, half of the epochs for that and half for finishing them, front by front. So that the model soon
has ends to learn from, and not all of them of one kind, the first OPENING trials that go on are chosen front by front.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from study.search import pareto
from study.search.front import belief
from study.search.front.candidates import Space
from study.search.front.propose import SCREENED, decide, draw_seed, startup
from study.search.scheduling import rung_epochs
from trainables import dominance
from trainables.vocabulary.metrics_and_objectives import ACCURACY, OBJECTIVES, Metric

OPENING = 2
"""Trials that go on front by front before the model chooses (`benchmarks.search_strategies`, development tasks)."""


class Seen(NamedTuple):
    """A trial as far as the study knows it."""

    number: int
    params: Mapping[str, Any]
    """Those that the space suggests."""
    known: Mapping[str, float]
    """Objectives that follow from the settings."""
    reports: Mapping[int, Mapping[str, float]]
    """Epoch (from 1) -> objectives, in rising order."""
    state: Literal["running", "paused", "ended"]
    """ended: finished, failed, or stopped; it finished if it reported its last epoch."""
    until: int = 0
    """running: the epoch at which it will pause or end."""
    failed: bool = False
    """ended: by a fault, or out of memory."""


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
    space: Space | None = None
    """The study's define-by-run space (`study.settings.space.define`); None: the plain rule."""
    known: belief.Known | None = None
    """Point that the space gives -> objectives that follow from it (`front.question.known_of`)."""
    arm_of: Callable[[Any], str] | None = None
    """Point -> its arm, where each arm's own front is searched for (`front.belief.Question`)."""
    seed: int = 0
    startup_trials: int = SCREENED
    """`search.startup_trials`; see `front.propose.startup`."""
    wanted: Mapping[str, float] = {}
    """Objective -> the worst value that is wanted."""


class Draw(NamedTuple):
    """A new trial, which pauses at epoch `until` (ends there if that is the last one)."""

    until: int


class GoOn(NamedTuple):
    """A paused trial goes on to epoch `until`, where it pauses again or ends."""

    number: int
    until: int


def next_action(
    trials: Sequence[Seen], rule: Rule, *, can_draw: bool = True, learned: Sequence[Seen] = ()
) -> Draw | GoOn | None:
    """What a free place does. `can_draw`: whether there may be new trials (the limit, an exhausted space). `learned`:
    trials of earlier studies, all ended: the model knows them, and no epoch of theirs is counted.

    None: nothing to do now: no new trial may be drawn and none is paused.
    """
    paused = [i for i, trial in enumerate(trials) if trial.state == "paused"]
    if not paused and not can_draw:
        return None
    if rule.space is None or ACCURACY not in rule.objectives:
        return _plain(trials, rule, can_draw)
    everybody = [*learned, *trials]
    if (opening := _opening(everybody, rule)) is not None:
        return opening
    known = rule.known or (lambda point: {})
    question = belief.Question(
        rule.space, known, rule.objectives, rule.epochs, rule.metrics, arm_of=rule.arm_of, wanted=rule.wanted
    )
    told = [_told(trial, rule) for trial in everybody]
    waiting = [len(learned) + i for i in paused]
    seed = draw_seed(rule.seed, max((trial.number for trial in trials), default=-1) + 1, 0)  # the next draw's
    try:
        action = decide(question, told, waiting, seed, rungs(rule), room=can_draw, startup_trials=rule.startup_trials)
    except (ValueError, np.linalg.LinAlgError):
        return _plain(trials, rule, can_draw)
    return Draw(action.until) if action.paused is None else GoOn(everybody[action.paused].number, action.until)


def rungs(rule: Rule) -> list[int]:
    """Epochs at which trials may pause, rising, all below the full budget."""
    return [e for e in rung_epochs(rule.first_rung, rule.epochs, rule.eta) if e < rule.epochs]


def _told(trial: Seen, rule: Rule) -> belief.Seen:
    state = {"running": belief.RUNNING, "paused": belief.UNFINISHED, "ended": belief.UNFINISHED}[trial.state]
    if trial.state == "ended" and _epoch(trial) == rule.epochs:
        state = belief.FINISHED
    values = trial.reports.get(_epoch(trial), {})
    curve = [trial.reports.get(e, {}).get(ACCURACY, np.nan) for e in range(1, _epoch(trial) + 1)]
    return belief.Seen(trial.params, belief.FAILED if trial.failed else state, curve, values)


def _plain(trials: Sequence[Seen], rule: Rule, can_draw: bool) -> Draw | GoOn | None:
    """All to the first rung; half of the epochs for that, half for going on to the end, front by front of what all
    reported at the rung. A trial without finite values there comes last."""
    first = rungs(rule)[0] if rungs(rule) else rule.epochs
    paused = [trial for trial in trials if trial.state == "paused"]
    heading = [max(_epoch(trial), trial.until if trial.state == "running" else 0) for trial in trials]
    early = sum(min(epoch, first) for epoch in heading)
    late = sum(heading) - early + (rule.epochs - _epoch(paused[0]) if paused else 0)
    if can_draw and (not paused or late > early):
        return Draw(first)
    if not paused:
        return None
    return _best_goes_on(first, trials, rule)


def _opening(trials: Sequence[Seen], rule: Rule) -> GoOn | None:
    """The next of the first OPENING that go on, once as many have reported as the model needs."""
    where, paused = rungs(rule), any(trial.state == "paused" for trial in trials)
    if not where or not paused or sum(len(t.reports) > 0 for t in trials) < startup(rule.startup_trials, where):
        return None
    beyond = sum(max(_epoch(t), t.until if t.state == "running" else 0) > where[0] for t in trials)
    return _best_goes_on(where[0], trials, rule) if beyond < OPENING else None


def _best_goes_on(epoch: int, trials: Sequence[Seen], rule: Rule) -> GoOn:
    """To the end: the first of those that are paused, front by front of what all reported at this epoch; of several
    arms the one of which fewest have gone on, and the first of its own fronts. Those whose known objectives are not
    wanted come last."""
    paused = [trial.number for trial in trials if trial.state == "paused"]
    arms: dict[str, list[tuple[Seen, Mapping[str, float]]]] = {}
    for trial in trials:
        if dominance.finite(trial.reports.get(epoch, {}), rule.objectives):
            arms.setdefault(rule.arm_of(trial.params) if rule.arm_of else "", []).append((trial, trial.reports[epoch]))
    first = []
    for rows in arms.values():
        costs_NM = np.array([dominance.to_costs(values, rule.objectives) for _, values in rows])
        order = sorted(pareto.preference_order(costs_NM), key=lambda i: not _is_wanted(rows[i][0], rule))  # stable
        here = [rows[i][0] for i in order if rows[i][0].state == "paused"]
        gone_on = sum(t.state != "paused" for t, _ in rows)
        first += [(not _is_wanted(here[0], rule), gone_on, here[0].number)] if here else []
    return GoOn(min(first)[2] if first else paused[0], rule.epochs)


def _is_wanted(trial: Seen, rule: Rule) -> bool:
    limits = {name: limit for name, limit in rule.wanted.items() if name in trial.known}
    return dominance.within(trial.known, limits, rule.objectives)


def _epoch(trial: Seen) -> int:
    return max(trial.reports, default=0)

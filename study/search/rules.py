"""The rule by which trials of a search stop or pause: the one that `scheduler.name` names, or one of its user's own.

One of one's own has `decide`, whether a trial goes on after an epoch, or `next_action`, which trial goes on. Either is
asked about what the journal holds, in the order of its lines, so that a resumed study repeats every decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from study import schema
from study.record.journal import metrics_of
from study.search import promotion, scheduling
from study.search.front.question import arm_of, known_of
from study.search.promotion import Draw, GoOn, Rule, Seen
from study.settings import space
from study.settings.config import StudyConfig
from trainables import dominance
from trainables.settings import own_code
from trainables.vocabulary.parts import SCHEDULER, SCHEDULERS

Action = Draw | GoOn | None
Next = Callable[..., Action]
"""(trials, can_draw) -> what a free place does, as `promotion.next_action` has it."""


class SchedulerSpec(NamedTuple):
    """What a scheduler of one's own is made of, once in each session."""

    options: Any
    """As its class's `Options`; None if it has none."""
    objectives: Mapping[str, str]
    """name -> "max" | "min", accuracy first."""
    epochs: int
    """Full budget of a trial."""


class Stopping(Protocol):
    """What stops trials, as `scheduling.Rungs` does."""

    def decide(self, trial_id: str, number: int, epoch: int, metrics: Mapping[str, Any]) -> bool: ...

    def learn(self, trial_id: str, number: int, epoch: int, metrics: Mapping[str, Any]) -> None: ...

    def summary(self) -> str: ...


class OwnStopping:
    """A rule of one's own that stops. It is asked once for each trial and epoch; a report without a finite value of
    every objective stops its trial without asking it."""

    def __init__(self, name: str, rule: Any, objectives: Mapping[str, str]) -> None:
        self.name, self.rule, self.objectives = name, rule, objectives
        self.verdicts: dict[tuple[str, int], bool] = {}

    def decide(self, trial_id: str, number: int, epoch: int, metrics: Mapping[str, Any]) -> bool:
        """Whether the trial goes on. Raises UserError for an answer that is neither true nor false."""
        if not dominance.finite(metrics, self.objectives):
            return False
        if (trial_id, epoch) not in self.verdicts:
            answer = self.rule.decide(trial_id, number, epoch, metrics_of(metrics, schema.METRICS))
            if answer not in (True, False):
                said = f"decide gave {schema.wording.shorten(repr(answer))} for {trial_id}, epoch {epoch}"
                raise schema.UserError(f"scheduler.name ({self.name}): {said}; return whether the trial goes on")
            self.verdicts[trial_id, epoch] = bool(answer)
        return self.verdicts[trial_id, epoch]

    def learn(self, trial_id: str, number: int, epoch: int, metrics: Mapping[str, Any]) -> None:
        """A rule of one's own is not told of earlier studies' trials."""

    def summary(self) -> str:
        """One line: how many trials were stopped."""
        return f"{self.name}: {sum(not goes_on for goes_on in self.verdicts.values())} stopped"


class OwnPausing:
    """A rule of one's own whose trials pause. Raises UserError for an answer that cannot be followed."""

    def __init__(self, name: str, rule: Any, epochs: int) -> None:
        self.name, self.rule, self.epochs = name, rule, epochs

    def __call__(self, trials: Sequence[Seen], *, can_draw: bool = True) -> Action:
        action: Action = self.rule.next_action(trials, can_draw=can_draw)
        reached = {one.number: max(one.reports, default=0) for one in trials if one.state == "paused"}
        if isinstance(action, Draw):
            fits = can_draw and 1 <= action.until <= self.epochs
        else:
            fits = action is None or (
                isinstance(action, GoOn) and reached.get(action.number, self.epochs) < action.until <= self.epochs
            )
        if not fits:
            raise schema.UserError(
                f"scheduler.name ({self.name}): next_action gave {schema.wording.shorten(repr(action))} with "
                f"can_draw={can_draw}; return GoOn(number, until) for a paused trial with an epoch beyond its last, "
                f"Draw(until) with an epoch from 1 to {self.epochs} if it can draw, or None"
            )
        return action


def own_rule(study: StudyConfig) -> Any:
    """The scheduler of one's own that a study names; None if it is the house's."""
    part = SCHEDULERS.loaded.get(study.scheduler.name)
    options = own_code.options(SCHEDULER, study.scheduler)
    return None if part is None else part(SchedulerSpec(options, study.objectives, study.train.epochs))


def decision_epochs(study: StudyConfig) -> tuple[int, ...]:
    """Epochs before the last at which it is decided who goes on; of a rule of one's own those that it names."""
    full = study.train.epochs
    if study.scheduler.name not in SCHEDULERS.loaded:
        return scheduling.decision_epochs(study.scheduler, full)
    return tuple(sorted({int(epoch) for epoch in getattr(own_rule(study), "epochs", ()) if 0 < epoch < full}))


def stopping(study: StudyConfig) -> Stopping | None:
    """What stops trials of the search; None where none is stopped, or where they pause."""
    name = study.scheduler.name
    if scheduling.pauses(study.scheduler):
        return None
    if name in SCHEDULERS.loaded:
        return OwnStopping(name, own_rule(study), study.objectives)
    return scheduling.make_rungs(study.scheduler, study.objectives, study.train.epochs)


def pausing(study: StudyConfig, learned: Sequence[Seen] = ()) -> Next:
    """Which trial goes on, where they pause. learned: trials of earlier studies, of which a rule of one's own is not
    told."""
    if study.scheduler.name in SCHEDULERS.loaded:
        return OwnPausing(study.scheduler.name, own_rule(study), study.train.epochs)
    rule = rule_of(study)
    return lambda trials, *, can_draw=True: promotion.next_action(trials, rule, can_draw=can_draw, learned=learned)


def rule_of(study: StudyConfig) -> Rule:
    """What the promotion needs to know of a study."""
    return Rule(
        study.objectives,
        study.train.epochs,
        study.scheduler.grace_period,
        study.scheduler.reduction_factor,
        space=space.define(study),
        known=known_of(study),
        arm_of=arm_of(study),
        seed=study.search.seed,
        startup_trials=study.search.startup_trials,
        wanted=study.wanted_limits,
    )

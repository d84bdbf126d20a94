"""Which changes a study may take when it is resumed: those after which its old trials are still trials of it.

A trial is one point trained with one budget on one data set. What the search draws next, when trials end early, how
many are confirmed: that may change at any time. What a trial is may not, and a range may be narrowed past old points,
which stay on record and in the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from study.settings.config import StudyConfig, is_pausing
from study.settings.space import PARAMETERS, methods_of
from trainables.settings.changes import NOT_SET, Change
from trainables.vocabulary.parts import SCHEDULERS

MAY_CHANGE = {
    "space": "ranges wider or narrower, choices more or fewer; parameters, where no old trial could have had them",
    "baselines": "more of them, which are measured next, or fewer; what was measured as one stays one",
    "search": "more trials or fewer, another sampler, more to learn from: for the trials to come",
    "wanted": "another region: for the trials to come, and for what is not confirmed yet",
    "scheduler": "another one: for the trials to come; not to or from promote, nor its rungs",
    "confirm": "more seeds or points; anything, as long as nothing has been confirmed",
    "ablate": "anything: what was trained for one path serves another",
}
"""Sections that a study may change on a resume, and within which limits."""
WHY_NOT = {
    "data": "its trials saw other data",
    "train.epochs": "its trials had another budget",
    "encoder": "its trials trained another network",
    "heads": "its trials trained another network",
    "objectives": "its trials were judged otherwise",
    "probe": "the accuracy of its trials was measured otherwise",
    "seed": "its trials had another seed",
    "name": "the folder holds a study of another name",
}
"""Why any other setting may not differ, by setting or section; else OTHERWISE."""
OTHERWISE = "its trials were trained otherwise"


class Refusal(NamedTuple):
    """A change that the old trials would not survive."""

    change: Change
    why: str


def refusals(
    changes: Sequence[Change], before: Mapping[str, Any], study: StudyConfig, *, confirming: bool
) -> list[Refusal]:
    """Those of the changes (of a resolved study that was resumed, without what is free) that must be refused.

    before: the settings so far; confirming: whether a trial of the confirm stage has begun.
    """
    reasons = [(change, _why_not(change, before, study, confirming=confirming)) for change in changes]
    return [Refusal(change, why) for change, why in reasons if why is not None]


def _why_not(change: Change, before: Mapping[str, Any], study: StudyConfig, *, confirming: bool) -> str | None:
    section = change[0].partition(".")[0]
    if section == "space":
        return _space(change, before, study)
    if section == "scheduler":
        return _scheduler(change, before, study)
    if section == "confirm":
        return _confirm(change, confirming=confirming)
    if change[0] == "search.learn_from" and (gone := [one for one in change[1] or () if one not in change[2]]):
        return (
            f"what was learned from {gone[0]} is on record, and points that it holds were not trained here; leave it in"
        )
    return None if section in MAY_CHANGE else _never(change)


def _never(change: Change) -> str:
    parts = change[0].split(".")
    names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((WHY_NOT[name] for name in names if name in WHY_NOT), OTHERWISE)


def _space(change: Change, before: Mapping[str, Any], study: StudyConfig) -> str | None:
    """A parameter comes or goes only with the methods to which alone it applies."""
    _, _, name = change[0].partition(".")
    if change[1] is not NOT_SET and change[2] is not NOT_SET:
        return None
    if name not in PARAMETERS:
        return None  # `space.k.step` and the like
    old = before.get("space", {}).get("method", [before.get("method")])
    arms = old if change[1] is NOT_SET else methods_of(study)
    if not set(PARAMETERS[name].methods) & set(arms):
        return None
    if change[1] is NOT_SET:
        return "its trials have no value of it; give it one in its own section instead"
    return "its trials have different values of it; narrow it instead"


def _scheduler(change: Change, before: Mapping[str, Any], study: StudyConfig) -> str | None:
    names = {str(before.get("scheduler", {}).get("name")), study.scheduler.name}
    if change[0] == "scheduler.max_paused" or not any(map(_may_pause, names)):
        return None
    return "trials that pause at rungs wait where it is on record, and cannot be mixed with others"


def _may_pause(scheduler: str) -> bool:
    """Whether trials pause under it; one of the user's own whose code is not there any more may."""
    return is_pausing(scheduler) or scheduler not in (*SCHEDULERS.house, *SCHEDULERS.loaded)


def _confirm(change: Change, *, confirming: bool) -> str | None:
    if not confirming:
        return None
    if change[0] in ("confirm.epochs", "confirm.linear_epochs"):
        return "its confirm trials had another budget"
    if change[0] == "confirm.seeds" and (gone := [seed for seed in change[1] if seed not in change[2]]):
        return f"points have been confirmed with seed {gone[0]}, which stays in their means"
    return None

"""Keeping part of a budget for the confirm stage: what it would take if the search ended now, and if it still fits.

Counted are the points that would be confirmed now, each with every seed that is left, at the time that its trial of the
search has held its process for each epoch, and one point more, which a trial that is still running may become; the
evaluation on test counts as one more epoch.
"""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study import schema
from study.record.budget import Budget
from study.record.journal import Journal
from study.record.learned import is_learned
from study.search import stages
from study.settings.config import StudyConfig
from trainables import dominance

MARGIN = 1.1
"""Times as long as expected the confirm stage may take."""
BEGIN_S = 5.0
"""Of the stage, in which processes are started."""
TEST_EPOCHS = 1.0
"""Epochs that take as long as the evaluation on test."""


@dataclass(frozen=True)
class Needed:
    """What the confirm stage would take: epochs of all its trials, hours that they hold a process, and wall hours."""

    epochs: int
    held_h: float
    wall_h: float


class Reserve:
    """`reached()` says that the search has to end, so that the confirm stage fits into each budget.

    concurrent: trials at once. per_method: whether each method's front is confirmed.
    """

    def __init__(
        self,
        study: StudyConfig,
        journal: Journal,
        budget: Budget,
        *,
        concurrent: Callable[[], int],
        per_method: bool = False,
    ) -> None:
        self._study, self._journal, self._budget = study, journal, budget
        self._concurrent, self._per_method = concurrent, per_method
        self._known: tuple[int, Needed | None] = (-1, None)

    @property
    def on(self) -> bool:
        """Whether anything is to be kept."""
        limits = self._study.budget
        return limits.reserve_for_confirm and self._study.confirm.enabled and bool(self._budget.used())

    def needed(self) -> Needed | None:
        """Of a confirm stage that began now; None before a trial of the search has completed."""
        if self._known[0] != len(self._journal.ends):  # else nothing has changed
            self._known = len(self._journal.ends), self._count()
        return self._known[1]

    def reached(self) -> str | None:
        """One line that names the budget and what is kept of it; None as long as the search may go on."""
        if not self.on or (needed := self.needed()) is None or not needed.epochs:
            return None
        gpu_hours = needed.held_h * self._budget.recorder.gpus_per_trial
        kept = {
            "epochs": (needed.epochs + self._concurrent() + 1, f"{needed.epochs:,} epochs"),  # none may be the last
            "wall_clock_h": (needed.wall_h, schema.wording.seconds_in_words(3600 * needed.wall_h)),
            "gpu_hours": (gpu_hours, f"{gpu_hours:.3g} GPU-hours"),
        }
        for name, (used, limit) in self._budget.used().items():
            amount, words = kept[name]
            if used + amount >= limit:
                ended, wanted = len(self._journal.final_ends(schema.SEARCH)), self._study.search.trials
                return (
                    f"budget.{name} ({limit:g}): the search ended with {ended} of {wanted} trials, to keep the {words} "
                    f"that the confirm stage is expected to take"
                )
        return None

    def _count(self) -> Needed | None:
        ends = self._journal.final_ends(schema.SEARCH)
        if not dominance.completed(ends, self._study.objectives):
            return None
        points = self._points(stages.to_choose_from(self._study, ends, self._journal.learned_ends))
        usual = statistics.fmean(_epoch_s(end) for end in ends if end["epochs"])
        full = self._study.confirm.epochs or self._study.train.epochs
        epochs, seconds = 0, []
        for seed in self._study.confirm.seeds:
            for end in points:
                trial_id = stages.confirm_id(end, seed) if end else ""
                if not self._journal.ended(trial_id):
                    left = full - self._journal.last_epoch.get(trial_id, 0)
                    epochs += left
                    seconds.append(
                        (left + TEST_EPOCHS) * (_epoch_s(end) if end and not is_learned(end["trial_id"]) else usual)
                    )
        wall_s = makespan(seconds, self._concurrent()) + BEGIN_S if seconds else 0.0
        return Needed(epochs, MARGIN * sum(seconds) / 3600, MARGIN * wall_s / 3600)

    def _points(self, ends: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Ends of the trials that would be confirmed; an empty one for each that is not known yet."""
        confirm = self._study.confirm
        begun = set(map(stages.point_of, stages.being_confirmed(self._journal.ends.values())))
        points = stages.confirm_points(
            ends, self._study.objectives, confirm.max_points, begun, None, self._per_method, self._study.wanted_limits
        )
        chosen = sum(not end["baseline"] for end in points)
        unknown = max(0, confirm.max_points - chosen)
        return [*points, *[{}] * (unknown if confirm.choose == "model" else min(1, unknown))]


def _epoch_s(end: Mapping[str, Any]) -> float:
    """Seconds that a trial held its process for each of its epochs."""
    return float(end["wall_s"]) / max(1, int(end["epochs"]))


def makespan(seconds: Sequence[float], concurrent: int) -> float:
    """Seconds until the last of these trials has ended, each begun as soon as one of so many places is free."""
    places = [0.0] * max(1, min(concurrent, len(seconds)))
    for one in seconds:
        heapq.heapreplace(places, places[0] + one)
    return max(places)

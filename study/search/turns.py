"""Trials that pause: whose turn it is next, from what the journal holds. Free of Ray.

Every turn (a trial begins, or a paused one goes on) is a line of `turns.jsonl` before it is trained, with the epoch at
which it pauses again. What `study.search.promotion` decides depends on the trials alone, so with one trial at a time a
search that was killed takes the decisions that an undisturbed one takes. A trial that has reported the epoch of its
last turn is paused; one that has not is in the middle of a turn. The search is over when the rule wants a new trial,
none may be drawn, and no fewer epochs have gone to finishing trials than to beginning them (baselines apart); what is
paused then is stopped. Under a rule of one's own it is over when that lets none go on, and none is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from study import schema
from study.record.checkpoints import Checkpoints
from study.record.journal import Journal
from study.record.recorder import Recorder
from study.record.task import Task
from study.search import rules, stages
from study.search.promotion import Draw, GoOn, Seen
from study.settings.config import StudyConfig
from trainables.vocabulary.metrics_and_objectives import OBJECTIVES
from trainables.vocabulary.parts import SCHEDULERS


class Later(Exception):
    """Nothing can begin until a running trial pauses or ends."""


class Turns:
    """The turns of one session. draw: a new trial's task, or None if there is none."""

    def __init__(
        self, study: StudyConfig, journal: Journal, checkpoints: Checkpoints, draw: Callable[[], Task | None]
    ) -> None:
        self._study = study
        self._journal = journal
        self._checkpoints = checkpoints
        self._draw = draw
        self._next_action = rules.pausing(study, [self._learned(line) for line in journal.learned])
        self._own = study.scheduler.name in SCHEDULERS.loaded
        self._last: dict[str, Mapping[str, Any]] = {line["trial_id"]: line for line in journal.turns}
        """The last turn of each trial."""

    def next(self) -> Task | None:
        """The task of the next turn, on record; None if the search is over. Raises Later."""
        seen = self._seen()
        if self._closing(seen):
            return None
        room = sum(one.state == "paused" for one in seen) < self._study.scheduler.max_paused
        action = self._next_action(seen, can_draw=room)
        if isinstance(action, Draw):
            return self._begin(action.until, seen)
        if action is None and not any(one.state == "running" for one in seen):
            return None
        if action is None:
            raise Later
        return self._go_on(action)

    def _begin(self, until: int, seen: Sequence[Seen]) -> Task | None:
        task = self._draw()
        if task is not None:
            return self._turn(task, until)
        if self._owes_more(seen) and isinstance(action := self._next_action(seen, can_draw=False), GoOn):
            return self._go_on(action)
        if any(one.state == "running" for one in seen):
            raise Later  # what it reports may change what is wanted
        return None

    def _owes_more(self, seen: Sequence[Seen]) -> bool:
        """Whether fewer epochs have gone, or will go, to finishing trials than to beginning them; a rule of one's own
        decides that itself."""
        if self._own:
            return True
        others = [one for one in seen if not stages.is_baseline(self._study, one.params)]
        heading = [max(one.until if one.state == "running" else 0, *one.reports, 0) for one in others]
        first = self._study.scheduler.grace_period
        return sum(max(epoch - first, 0) for epoch in heading) < sum(min(epoch, first) for epoch in heading)

    def _go_on(self, action: GoOn) -> Task:
        drawn = next(line for line in self._journal.draws if line["trial_id"] == stages.search_id(action.number))
        task = stages.drawn_task(self._study, drawn)
        return self._turn(self._from_checkpoint(task), action.until)

    def _turn(self, task: Task, until: int) -> Task:
        if task.baseline:
            until = task.max_epochs  # they are what the study compares with
        before = self._last.get(task.trial_id)
        turn = 0 if before is None else int(before["turn"]) + 1
        line = {
            "trial_id": task.trial_id,
            "number": task.number,
            "turn": turn,
            "until": until,
        }
        self._journal.append_turn(line)
        self._last[task.trial_id] = line
        return replace(task, until=until, turn=turn)

    def _from_checkpoint(self, task: Task) -> Task:
        return task.resumed(self._checkpoints.of(task), self._journal.whole_until(task.trial_id))

    # --- what the journal holds ---
    def _seen(self) -> list[Seen]:
        reports: dict[str, dict[int, Mapping[str, float]]] = {}
        for line in self._journal.reports:
            if line["stage"] == schema.SEARCH:
                values = {name: line[name] for name in self._study.objectives if line.get(name) is not None}
                reports.setdefault(line["trial_id"], {})[line["epoch"]] = values
        return [
            self._seen_of(line, reports.get(line["trial_id"], {}))
            for line in self._journal.draws
            if line["duplicate_of"] is None
        ]

    def _seen_of(self, draw: Mapping[str, Any], reports: Mapping[int, Mapping[str, float]]) -> Seen:
        trial_id = draw["trial_id"]
        last = reports[max(reports)] if reports else {}
        known = {name: value for name, value in last.items() if OBJECTIVES[name].known}
        until = self._last[trial_id]["until"] if trial_id in self._last else 0
        failed = False
        if self._journal.ended(trial_id):
            state: Literal["running", "paused", "ended"] = "ended"
            failed = self._journal.ends[trial_id]["status"] not in (schema.COMPLETED, schema.STOPPED)
        else:
            awaits_its_end = max(reports, default=0) >= self._study.train.epochs
            paused = trial_id in self._last and self._paused(trial_id) and not awaits_its_end
            state = "paused" if paused else "running"
        return Seen(draw["number"], draw["params"], known, dict(sorted(reports.items())), state, until, failed)

    def _learned(self, line: Mapping[str, Any]) -> Seen:
        """A trial of an earlier study; its number is none of this one."""
        last = line["reports"][-1] if line["reports"] else {}
        known = {name: value for name, value in last.items() if name in OBJECTIVES and OBJECTIVES[name].known}
        reports = {report["epoch"]: report for report in line["reports"]}
        failed = line["status"] not in (schema.COMPLETED, schema.STOPPED)
        return Seen(-1 - line["number"], line["params"], known, reports, "ended", failed=failed)

    def _paused(self, trial_id: str) -> bool:
        """Whether it has done its last turn."""
        return bool(self._journal.whole_until(trial_id) >= self._last[trial_id]["until"])

    def _closing(self, seen: Sequence[Seen]) -> bool:
        """Whether the search is over, and a kill came while the paused trials were being stopped; more trials than have
        begun, asked for since, open it again."""
        if len(seen) < self._study.search.trials:
            return False
        ends = [self._journal.ends[stages.search_id(one.number)] for one in seen if one.state == "ended"]
        return any(end["status"] == schema.STOPPED for end in ends)

    def in_the_middle(self, tasks: Sequence[Task]) -> list[Task]:
        """Of the trials that have not ended those that were being trained, to be trained to the end of their turn; a
        drawn one whose turn is not on record gets one, that which it would have had."""
        found = []
        for task in tasks:
            if task.trial_id in self._last:
                if not self._paused(task.trial_id):
                    line = self._last[task.trial_id]
                    found.append(replace(task, until=line["until"], turn=line["turn"]))
            else:
                others = [one for one in self._seen() if one.number < task.number]
                action = self._next_action(others)
                first = min(self._study.scheduler.grace_period, task.max_epochs)
                found.append(self._turn(task, action.until if isinstance(action, Draw) else first))
        return found

    def stop_the_rest(self, recorder: Recorder) -> None:
        """The search is over: what is paused has been stopped."""
        for task in stages.drawn_tasks(self._study, self._journal.draws):
            if not self._journal.ended(task.trial_id):
                self._checkpoints.tidy(task, keep=0)
                recorder.end(task, schema.STOPPED)

"""The trials of one session of a study: what each stage has left to train, and what a damaged journal has lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study import disk_and_storage, schema
from study.interrupt import StudyStopped
from study.listeners.terminal import Terminal
from study.record.checkpoints import Checkpoints
from study.record.journal import Journal
from study.record.recorder import Recorder
from study.record.task import Task
from study.search import ablation
from study.search.rules import Stopping
from study.search.scheduling import pauses
from study.settings.config import StudyConfig
from trainables.reported import epochs_in_words

REPAIR = "repair"
"""Names the sessions of Tune in which lost reports are made again."""
Stop = Callable[[], str | None]


@dataclass(frozen=True)
class Training:
    """Runs what is left of the stages."""

    study: StudyConfig
    folder: Path
    journal: Journal
    recorder: Recorder
    screen: Terminal
    rungs: Stopping | None
    places: Checkpoints
    session: int
    """Which session of the study this is, from 1."""
    part: bool
    """Whether only one stage was asked for."""
    trainable: Callable[[], type]
    connect: Callable[[], Any]
    """Ray, when it is needed."""
    stop: Stop
    """Why the study is to stop, if it is: a signal or a budget."""
    stop_at_once: Stop
    """A signal alone."""
    again: Callable[[], str]
    """The command to go on with."""
    turn: AbstractContextManager[Any]
    """Held by whoever writes into the folder while Ray runs."""
    believe: Callable[[], Any]
    """Writes down what a model makes of the search (`study.listeners.believer`)."""
    full: Callable[[], str | None] = lambda: None
    """Why the search is to end although the study goes on, if it is: the rest of a budget is the confirm stage's."""
    ended_early: Callable[[str], None] = lambda reason: None
    """Told why, once the search has ended so."""
    closed: bool = False
    """Whether it ended so in an earlier session, under the same budget."""
    per_method: bool = False
    """Whether each method's front is confirmed."""

    def stage(self, name: str) -> None:
        """Train what is left of a stage. Raises StudyStopped, DiskFull, StorageGone."""
        with disk_and_storage.raise_storage_gone(self.places.uri, self.again):
            self._train(name)
        disk_and_storage.check_room(self.recorder.without_room, self.places.uri, self.again())

    def _train(self, name: str) -> None:
        from study.search import resume
        from study.search.turns import Turns

        if name == schema.SEARCH and self.closed:
            return
        rungs, draw, turns = (self.rungs, None, None) if name == schema.SEARCH else (None, None, None)
        with self.turn:
            self.recorder.tell = None
            if name == schema.ABLATE:
                self._choose_path()
            tasks = self._tasks(name)
            waiting, planned = self._settled(name, tasks), len(tasks)
            if name == schema.SEARCH:
                proposals, _ = resume.make_search(self.study, self.folder, self.journal, self.recorder)
                draw, planned = proposals.draw, self.study.search.trials
                if pauses(self.study.scheduler):
                    turns = Turns(self.study, self.journal, self.places, draw)
                    waiting, draw = turns.in_the_middle(waiting), turns.next
            self.screen.stage(name, planned, None if name != schema.ABLATE else planned - len(waiting))
        early = self._until_full(name, waiting, draw, rungs, 1 if turns else None)
        if turns is not None and early is None:
            with self.turn:
                turns.stop_the_rest(self.recorder)
        if name == schema.SEARCH:
            with self.turn:
                self.believe()

    def _until_full(
        self,
        name: str,
        waiting: Sequence[Task],
        draw: Callable[[], Task | None] | None,
        rungs: Stopping | None,
        at_once: int | None,
    ) -> str | None:
        """Run a stage; why it has ended early, None if it has not. Of a search only, whose running trials then wait."""
        early: list[str] = []

        def stop() -> str | None:
            if (reason := self.stop()) is None and name == schema.SEARCH and (reason := self.full()) is not None:
                early.append(reason)
            return reason

        try:
            self._run(name, waiting, draw, rungs, stop, at_once)
        except StudyStopped:
            if not early:
                raise
            with self.turn:
                self.recorder.interrupt()
                self.ended_early(early[0])
            return early[0]
        return None

    def _settled(self, name: str, tasks: Sequence[Task]) -> list[Task]:
        """Those that have not ended, after their reports have been heard; the others' ends are on record then."""
        from study.search import resume

        stopped = resume.replay(self.rungs if name == schema.SEARCH else None, self.journal)
        unfinished = [task for task in tasks if not self.journal.ended(task.trial_id)]
        with self.turn:
            return resume.settle(unfinished, stopped, self.recorder, self.places)

    def _run(
        self,
        name: str,
        waiting: Sequence[Task],
        draw: Callable[[], Task | None] | None,
        rungs: Stopping | None,
        stop: Stop,
        at_once: int | None = None,
    ) -> None:
        from study.tune import engine
        from study.tune.feed import Feed

        engine.run_stage(
            f"{name}-{self.session}",
            Feed(waiting, draw, self.turn, at_once),
            rungs,
            trainable=self.trainable(),
            recorder=self.recorder,
            checkpoints=self.places,
            connect=self.connect,
            stop=stop,
            turn=self.turn,
            study=self.study,
        )

    # --- what a damaged journal has lost ---
    def repair(self) -> None:
        """Make it again, stage by stage; nothing if the journal is whole. No budget counts here."""
        from study.search import repair

        repair.restore_draws(self.study, self.folder, self.journal)
        repair.check_draws(self.study, self.journal)
        repair.restore_last_reports(self.journal)
        with disk_and_storage.raise_storage_gone(self.places.uri, self.again):
            for name in schema.STAGES:
                if self.journal.lost or self.journal.damaged:
                    self._repair(name)

    def _repair(self, name: str) -> None:
        from study.search import repair

        known = (*self.journal.reports, *self.journal.ends.values())
        begun = name == schema.SEARCH or any(line["stage"] == name for line in known)
        tasks = self._tasks(name) if begun else []
        if repeated := repair.to_repeat(tasks, self.journal, self.places):
            lost = {task.trial_id: self.journal.lost[task.trial_id] for task in repeated}
            self.screen.announce(f"Trained again, because their reports are lost: {epochs_in_words(lost)}")
            self._run(REPAIR, repeated, None, None, self.stop_at_once)
            self.places.forget(REPAIR)
            repair.check_repeated(repeated, self.journal, self.recorder.not_repeated)
        self._settled(name, tasks)

    # --- the trials of a stage ---
    def _tasks(self, name: str) -> list[Task]:
        """All that are known by now."""
        from study.search import repair, stages

        if name == schema.CONFIRM:
            return self._confirm_tasks()
        if name == schema.ABLATE:
            return self._ablate_tasks()
        repair.restore_draws(self.study, self.folder, self.journal)
        return stages.drawn_tasks(self.study, self.journal.draws)

    def _confirm_tasks(self) -> list[Task]:
        from study.search import stages

        own = self.journal.final_ends(schema.SEARCH)
        ends = stages.to_choose_from(self.study, own, self.journal.learned_ends)
        numbers = stages.being_confirmed((*self.journal.reports, *self.journal.ends.values()))
        begun = set(map(stages.point_of, numbers))
        expected = self._expected() if self.study.confirm.choose == "model" else None
        points = stages.confirm_points(
            ends,
            self.study.objectives,
            self.study.confirm.max_points,
            begun,
            expected,
            self.per_method,
            self.study.wanted_limits,
        )
        if not points:
            raise schema.UserError(f"{self.folder}: no search trial has completed, so there is nothing to confirm")
        if self.part and len(own) < self.study.search.trials:
            self.screen.say(f"The search stage has {len(own)} of {self.study.search.trials} trials; confirming these.")
        return stages.confirm_tasks(self.study, points, numbers)

    def _choose_path(self) -> None:
        """Of the ablate stage, on disk before anything of it is trained."""
        path = ablation.current(self.study, self.journal, self.believe)
        for line in ablation.in_words(path):
            self.screen.say(line)

    def _ablate_tasks(self) -> list[Task]:
        """Of the newest path; while the journal is damaged of all, as each may have lost something."""
        if not (paths := ablation.on_record(self.folder)):
            self._choose_path()
            paths = ablation.on_record(self.folder)
        return ablation.tasks(self.study, self.journal, paths if self.journal.lost else paths[-1:])

    def _expected(self) -> dict[str, tuple[float, ...]] | None:
        """The costs that a model expects of the search's trials; None, with a line, if there is no model."""
        found = self.believe()
        expected: dict[str, tuple[float, ...]] | None = None if found is None else found.expected
        if expected is not None:
            return expected
        reason = "it could not be fitted" if found is None else found.without
        self.screen.say(f"confirm.choose: model has no model, so the observed front is confirmed: {reason}")
        return None

"""Runs a study: its stages in order, its results folder, its way out. The entry is `run`."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from study import disk_and_storage, schema
from study.interrupt import Interrupted, StopSignals, StudyStopped
from study.listeners import terminal, tracker
from study.listeners.believer import Believer
from study.options import Options
from study.record import checkpoints, earlier, learning, manifest, results_folder
from study.record.budget import Budget, budget_of
from study.record.journal import Journal, JournalWriteError
from study.record.lock import FolderLock
from study.record.recorder import Recorder
from study.search import ablation
from study.search.reserve import Reserve
from study.search.rules import decision_epochs, stopping
from study.settings.config import StudyConfig
from study.training import Training
from study.tune import environment
from study.tune.watchdog import RayGone
from trainables import exit_codes


def run(loaded: Any, **options: Any) -> int:
    """Run the study that `study.settings.loading.load_study` gave. `options`: fields of `Options`.

    Returns 0 (finished, or a budget reached), 1 (failed, or a trial after the search has), 128 + signal (interrupted).
    Raises UserError for what the user can put right, a full disk (`DiskFull`) and a lost storage (`StorageGone`) too.
    """
    how = Options(**options)
    folder = how.out / loaded.name_on_disk
    going_on = results_folder.check_target(folder, how.resume, how.stage)
    full_disk = disk_and_storage.raise_disk_full(folder, how.argv, how.storage)
    with full_disk, StopSignals() as signals, FolderLock(folder):
        return StudyRun(loaded, folder, how, signals, going_on).run()


class StudyRun:
    """One session of a study in its locked folder."""

    def __init__(self, loaded: Any, folder: Path, options: Options, signals: StopSignals, going_on: bool) -> None:
        self.study: StudyConfig = loaded.study
        self.loaded = loaded
        self.folder = folder
        self.options = options
        self.signals = signals
        self.going_on = going_on
        self.session: Any = None
        self._recorder: Recorder | None = None
        self.stages: list[str] = []
        """Those of this session."""
        self.screen = terminal.Terminal(self.study, quiet=options.quiet, whole=options.stage is None)
        self.rungs = stopping(self.study)
        self.turn = threading.RLock()
        """Held by whoever writes into the folder while Ray runs: the main thread, or the watchdog at the end."""
        self.needing_ray: list[Any] = []
        """Listeners that cannot be asked once Ray is gone."""

    @property
    def recorder(self) -> Recorder:
        """Of the open folder."""
        assert self._recorder is not None
        return self._recorder

    # --- the folder ---
    def _open(self) -> None:
        data = dict(self.options.describe(self.study))
        command = disk_and_storage.command_again(self.options.argv)
        rungs, changed, learned = list(decision_epochs(self.study)), list[str](), list[learning.Learned]()
        if self.going_on:
            source = str(self.loaded.path or self.loaded.name_on_disk)
            self.record, changes = results_folder.reopen(self.folder, self.study, source, data)
            if changes:
                manifest.follow(self.record, self.study, changes, rungs)
                changed = list(map(manifest.in_words, changes))
                self.screen.announce(f"Changed since the last session: {'; '.join(changed)}")
        else:
            earlier.check(self.study.search.learn_from, self.folder)
            learned = learning.gather(self.study, self.study.search.learn_from, data.get("fingerprint"))
            fresh = manifest.new(self.study, rehearsal=self.loaded.rehearsal, command=command, data=data, rungs=rungs)
            self.record = results_folder.create(self.folder, self.study, fresh)
        self.storage = checkpoints.storage_of(self.record, self.options.storage)
        if self.storage and not self.options.storage:
            self.screen.say(f"Checkpoints are in {self.storage}, as before (--storage names another place).")
        self.journal = Journal(self.folder)
        try:
            told = learning.settle(self.study, self.journal, self.record, data, learned)
        except BaseException:
            self.journal.close()
            raise
        for line in told:
            self.screen.announce(line)
        if self.options.stage == schema.ABLATE:
            self._check_ablation()
        hours = results_folder.hours_used(self.record, self.journal.reports)
        again = self._try_again()
        retry = {"which": self.options.retry, "trials": len(again)} if self.options.retry else None
        manifest.begin_session(self.record, command, self.journal.damage, storage=self.storage, retry=retry,
                               changed=changed)  # fmt: skip
        manifest.save(self.folder, self.record)
        manifest.save_study(self.folder, self.study)  # what a resume may change may have changed
        self._recorder = Recorder(self.journal, self.study.objectives)
        self.budget = Budget(self.study.budget, self.recorder, hours)
        self.early = manifest.ended_early(self.record, self.study)
        """Why the search has ended before its last trial, although the study goes on."""
        for line in self.journal.damage:
            self.screen.announce(line)
        if self.options.retry:
            self.screen.say(f"Tried again: {', '.join(again)}" if again else "No trial is to be tried again.")
        self.screen.attach(self.journal)
        self.believer = Believer(self.study, self.journal, self.screen.announce)
        self.recorder.listeners = [self.screen, self.believer, *self._trackers()]

    def _trackers(self) -> list[Any]:
        began = self.record["started"]
        return tracker.listeners(self.study, self.folder, self.journal, began=began, say=self.screen.announce)

    # --- Ray ---
    def _connect(self) -> Any:
        if self.session is None:
            environment.set_variables(local=self.options.address is None)
            from study.tune import dashboard
            from study.tune import session as ray_session

            environment.silence_loggers()
            on_gpu = self.record["device"] != "cpu"
            if self.options.address and self.study.device == "auto":
                on_gpu = None  # the cluster's GPUs count, not the driver's
            metrics = self.study.tracking.prometheus
            self.signals.listen()  # an exception in the middle of ray.init leaves a process that crashes at its end
            self.session = ray_session.connect(
                self.study.resources,
                on_gpu=on_gpu,
                address=self.options.address,
                dashboard=self.options.dashboard,
                metrics=metrics,
                keeper=ray_session.Keeper(
                    self._ray_gone,
                    self.turn,
                    f"Stopped: Ray has died while it started. Continue with: {self._resume_command()}",
                ),
            )
            self.recorder.gpus_per_trial = self.session.share.gpu
            if on_gpu is None:
                self.record["device"] = "cuda" if self.session.share.gpu else "cpu"
                manifest.save(self.folder, self.record)
            if (name := self.signals.reason()) is not None:
                raise StudyStopped(name)
            objectives = self.study.objectives
            plates = dashboard.NamePlates(objectives, self.options.name_after_s)
            self.needing_ray = [*([dashboard.Gauges(self.journal, objectives)] if metrics else []), plates]
            self.recorder.listeners += self.needing_ray
            self.screen.connected(self.session.dashboard, self.session.share.concurrent)
            if self.session.note:
                self.screen.announce(self.session.note)
        return self.session

    def _stop_reason(self) -> str | None:
        return self.signals.reason() or self.budget.spent()

    # --- start to end ---
    def run(self) -> int:
        """Exit code; see `run` of this module."""
        try:
            self._open()
            environment.set_variables(local=self.options.address is None)
            training = self._training()
            if self.going_on:
                training.repair()
            for name in self.stages:
                if (reason := self._stop_reason()) is not None:
                    raise StudyStopped(reason)
                training.stage(name)
        except Interrupted as stop:
            return self._interrupted(stop.signum)
        except StudyStopped as stop:
            if self.signals.received is not None:
                return self._interrupted(self.signals.received)
            self.recorder.interrupt()
            self._close("finished", stop.reason)
            self.screen.announce(f"{stop.reason}: stopped {self._how_far()}")
            self.screen.announce(f"Raised, it goes on with: {self._resume_command(stop.reason)}")
            return self._verdict()
        except JournalWriteError as error:
            self._failed(error)
            if disk_and_storage.disk_full_cause(error, self.folder):
                raise
            print(f"Stopped: {error}\nContinue with: {self._resume_command()}", file=sys.stderr)
            return exit_codes.FAILED
        except RayGone as gone:
            self._ray_gone(str(gone))
            return exit_codes.FAILED
        except BaseException as error:
            if self.session is not None and not isinstance(error, schema.UserError):
                self.session.settle()
            self._failed(error)
            raise
        self._close("finished", self.early or "done")
        if self.stages != [schema.ABLATE]:
            self._show_result()
        if schema.ABLATE in self.stages:
            self.screen.path(ablation.outcome(self.journal, ablation.on_record(self.folder)[-1]))
        if self.early is not None:
            more = self._resume_command(self.early)
            self.screen.announce(f"{self.early}. Raised, the search goes on with: {more}")
        return self._verdict()

    def _show_result(self) -> None:
        """The search's front, or how much was confirmed of it, whose front the report shows."""
        confirmed = [e for e in self.journal.final_ends(schema.CONFIRM) if e["status"] == schema.COMPLETED]
        if confirmed:
            self.screen.confirmed(confirmed)
        else:
            self.screen.front(self.journal)

    def _verdict(self) -> int:
        """Of a session that ended by itself: lists the trials that failed; FAILED if one after the search has."""
        bad = [end for end in self.journal.ends.values() if end["status"] in schema.UNSUCCESSFUL]
        bad = [end for end in bad if end["stage"] in self.stages]
        if bad:
            again = disk_and_storage.command_again(self.options.argv, retry="failed")
            self.screen.failures(sorted(bad, key=lambda end: (schema.STAGES.index(end["stage"]), end["number"])), again)
        return exit_codes.FAILED if any(end["stage"] != schema.SEARCH for end in bad) else exit_codes.DONE

    def _training(self) -> Training:
        own = checkpoints.own_storage(self.storage, self.folder.name, self.record["started"])
        return Training(
            study=self.study,
            folder=self.folder,
            journal=self.journal,
            recorder=self.recorder,
            screen=self.screen,
            rungs=self.rungs,
            places=checkpoints.Checkpoints(self.folder, own),
            session=len(self.record["sessions"]),
            part=self.options.stage is not None,
            trainable=self.options.trainable,
            connect=self._connect,
            stop=self._stop_reason,
            stop_at_once=self.signals.reason,
            again=self._resume_command,
            turn=self.turn,
            per_method=self.record.get("per_method", False),
            believe=self.believer.write,
            full=self._reserve().reached,
            ended_early=self._ended_early,
            closed=self.early is not None,
        )

    def _reserve(self) -> Reserve:
        return Reserve(
            self.study,
            self.journal,
            self.budget,
            concurrent=lambda: 1 if self.session is None else self.session.share.concurrent,
            per_method=self.record.get("per_method", False),
        )

    def _ended_early(self, reason: str) -> None:
        """The search has ended to leave the confirm stage its part of a budget."""
        self.early = reason
        manifest.note_early_end(self.record, self.study, reason)
        manifest.save(self.folder, self.record)
        self.screen.stop()
        self.screen.announce(reason)

    def _check_ablation(self) -> None:
        """Before the session is on record: what cannot be meant leaves the folder as it was."""
        try:
            ablation.check(self.study, self.journal)
        except schema.UserError:
            self.journal.close()
            raise

    def _try_again(self) -> list[str]:
        """Settles the stages, and which of their trials are trained again: without --stage also those of an ablation
        that was begun, which is a stage of the session only if it has anything left to train."""
        usual = [schema.SEARCH, schema.CONFIRM] if self.study.confirm.enabled else [schema.SEARCH]
        self.stages = [self.options.stage] if self.options.stage else usual
        begun = not self.options.stage and (self.folder / schema.ABLATION_FILE).exists()
        statuses = schema.RETRIES[self.options.retry or "interrupted"]
        again = self.journal.try_again([*self.stages, *[schema.ABLATE] * begun], statuses)
        if begun:
            paths = ablation.on_record(self.folder)
            self.stages += [schema.ABLATE] * (bool(paths) and not ablation.is_whole(self.journal, paths[-1]))
        return again

    def _resume_command(self, reason: str = "") -> str:
        """The command to go on with; after a budget was the reason to stop, with twice as much of it."""
        sets = {}
        if (name := budget_of(reason)) is not None:
            sets[f"budget.{name}"] = f"{2 * getattr(self.study.budget, name):.12g}"
        return disk_and_storage.command_again(self.options.argv, resume=True, sets=sets)

    def _how_far(self) -> str:
        """Where a budget ended the study, and what has not been done."""
        stage, wanted = self.screen.name, self.screen.total or self.study.search.trials
        ended = len(self.journal.final_ends(stage))
        left = "; nothing has been confirmed on test" if stage == schema.SEARCH and self.study.confirm.enabled else ""
        return f"in the {stage} stage, {ended} of {wanted} trials ended{left}."

    def _interrupted(self, signum: int) -> int:
        name = signal.Signals(signum).name
        if self._recorder is None:
            begun = results_folder.begun(self.folder)
            again = f"continue with: {self._resume_command()}" if begun else "start again with the same command."
            self.screen.announce(f"Stopped by {name} before the first trial; {again}")
            return 128 + signum
        running = self.recorder.interrupt()
        self._close("interrupted", name)
        self.screen.say(f"Stopped by {name}; {_will_go_on(running)}")
        self.screen.announce(f"Continue with: {self._resume_command()}")
        return 128 + signum

    def _ray_gone(self, reason: str) -> None:
        """Ray has died under the study: no trial's fault."""
        self.recorder.listeners = [one for one in self.recorder.listeners if one not in self.needing_ray]
        running = len(self.recorder.running)
        with contextlib.suppress(OSError):
            self.recorder.interrupt()
        with contextlib.suppress(OSError):
            self._close("interrupted", reason)
        left = f"{_will_go_on(running)} " if running else ""
        print(f"Stopped: {reason}. {left}Continue with: {self._resume_command()}", file=sys.stderr, flush=True)

    def _failed(self, error: BaseException) -> None:
        """Leave a truthful folder behind, as far as the disk allows."""
        if self._recorder is None:
            return
        with contextlib.suppress(OSError):
            self.recorder.interrupt()
        with contextlib.suppress(OSError):
            self._close("failed", f"{type(error).__name__}: {error}"[:500])

    def _close(self, status: str, reason: str) -> None:
        self.screen.stop()
        try:
            self.recorder.finish(hurry=status != "finished")
            self.journal.close()
            manifest.end_session(self.record, status=status, reason=reason)
            manifest.save(self.folder, self.record)
        finally:
            if self.session is not None:
                self.session.close()


def _will_go_on(running: int) -> str:
    if running == 1:
        return "1 running trial will go on from its last checkpoint."
    return f"{running} running trials will go on from their last checkpoint." if running else "no trial was running."

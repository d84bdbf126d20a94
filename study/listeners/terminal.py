"""What a person sees while a study runs: a compact live table on a terminal, plain lines otherwise, or nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from study import schema
from study.record.journal import Journal
from study.record.task import Task
from study.settings.config import StudyConfig
from trainables import dominance
from trainables.wording import counted, number_in_words, seconds_in_words, shorten, value_in_words

ROWS = 14
MOST_LISTED = 30
"""Failed trials that the end of a study lists."""
COLOURS = {schema.COMPLETED: "green", schema.STOPPED: "dim", schema.INTERRUPTED: "yellow"}
COLOURS |= {"paused": "blue", "running": "cyan"}


def heading(name: str) -> str:
    """What stands above an objective's column: `accuracy %`, `support set`."""
    metric = schema.OBJECTIVES[name]
    return f"{metric.title.lower()} {'' if metric.unit == 'B' else metric.unit}".strip()


def cells(metrics: Mapping[str, Any], objectives: Iterable[str]) -> list[str]:
    """Values of the objectives, for columns under `heading`."""
    return [number_in_words(metrics.get(name), schema.OBJECTIVES[name]) for name in objectives]


class TrialRow:
    """One trial in the live table."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.status = "running"
        self.metrics: Mapping[str, Any] = {}
        self.epoch = 0

    def cells(self, objectives: Iterable[str]) -> tuple[str | Text, ...]:
        """Texts of the live table's columns."""
        colour = COLOURS.get(self.status, "red")
        return (
            self.task.trial_id,
            Text(self.status, colour),
            Text(self.task.label + (f" seed {self.task.seed}" if self.task.stage != schema.SEARCH else "")),
            f"{self.epoch}/{self.task.max_epochs}",
            *cells(self.metrics, objectives),
        )


class Terminal:
    """A listener of the recorder (`study.record.recorder.Listener`) that prints, and draws the live table."""

    def __init__(
        self, study: StudyConfig, *, quiet: bool = False, console: Console | None = None, whole: bool = True
    ) -> None:
        """whole: the stages follow one another; else only one was asked for."""
        self.study, self.whole = study, whole
        self.console = console or Console(stderr=False, soft_wrap=True)
        self.quiet = quiet
        self.live: Live | None = None
        self.rows: dict[str, TrialRow] = {}
        self.best: dict[str, float] = {}
        self.total = 0
        self.done = 0
        self.concurrent = 1
        self.name = schema.STAGES[0]
        self._journal: Journal | None = None
        self._walls: list[float] = []
        self._epochs: list[int] = []

    # --- set-up ---
    def say(self, text: str) -> None:
        """One line, unless quiet."""
        if not self.quiet:
            self.console.print(text, markup=False, highlight=False)

    def announce(self, text: str) -> None:
        """One line, also when quiet: how to go on is part of the result."""
        self.console.print(text, markup=False, highlight=False)

    def attach(self, journal: Journal) -> None:
        """Count from this journal: what a resumed study has already done is in it."""
        for line in journal.ends.values():
            self._note_best(line["stage"], line["metrics"])
        self._journal = journal

    def connected(self, dashboard: str | None, concurrent: int) -> None:
        """Ray is up."""
        self.concurrent = concurrent
        if dashboard:
            self.say(f"Ray dashboard: http://{dashboard} (token: `ray get-auth-token`, or `uv run ray get-auth-token`)")

    def stage(self, name: str, total: int, done: int | None = None) -> None:
        """A stage begins; `total` trials are planned, of which so many have ended (default: all ends of the stage)."""
        self.stop()
        self.name, self.total, self.rows = name, total, {}
        ended = len(self._journal.final_ends(name)) if self._journal else 0
        self.done = ended if done is None else done
        self._walls, self._epochs = [], []
        going_on = f", {self.done} already done" if self.done else ""
        self.say(f"Stage {name}: {total} trials{going_on}")
        if self.console.is_terminal and not self.quiet:
            self.live = Live(console=self.console, get_renderable=self.table, refresh_per_second=2, transient=True)
            self.live.start()

    def stop(self) -> None:
        """Take the live table down."""
        if self.live is not None:
            self.live.stop()
            self.live = None

    # --- events ---
    def started(self, task: Task) -> None:
        self.rows.setdefault(task.trial_id, TrialRow(task)).status = "running"

    def reported(self, task: Task, line: Mapping[str, Any]) -> None:
        row = self.rows.setdefault(task.trial_id, TrialRow(task))
        row.metrics, row.epoch = line, line["epoch"]
        self._note_best(task.stage, line)

    def paused(self, task: Task, epoch: int) -> None:
        row = self.rows.setdefault(task.trial_id, TrialRow(task))
        row.status, row.epoch = "paused", epoch
        if self.live is None:
            self.say(f"{task.trial_id} paused    {task.label} | epoch {epoch}/{task.max_epochs}")
        self._drop_old()

    def ended(self, task: Task, line: Mapping[str, Any]) -> None:
        row = self.rows.setdefault(task.trial_id, TrialRow(task))
        row.status, row.metrics, row.epoch = line["status"], line["metrics"], line["epochs"]
        if line["status"] != schema.INTERRUPTED:
            self.done += 1
            self._walls.append(float(line["wall_s"]))
            self._epochs.append(int(line["epochs"]))
        if self.live is None or line["error"]:
            self._print_end(line)
        self._drop_old()

    def _print_end(self, line: Mapping[str, Any]) -> None:
        metrics = [(schema.OBJECTIVES[name], line["metrics"].get(name)) for name in self.study.objectives]
        parts = [
            f"[{self.done}/{self.total}] {line['trial_id']} {line['status']:<9} {line['label']}",
            f"epoch {line['epochs']}/{line['max_epochs']}",
            *(f"{metric.title.lower()} {value_in_words(value, metric)}" for metric, value in metrics),
            self._best_in_words(line["stage"]),
            self.eta(),
            line["error"] or "",
        ]
        self.say(" | ".join(filter(None, parts)))

    def tick(self) -> None:
        """The live table refreshes itself."""

    def close(self, hurry: bool) -> None:
        self.stop()

    # --- what is shown ---
    def _note_best(self, stage: str, metrics: Mapping[str, Any]) -> None:
        """Keep the best value of the study's first objective."""
        name, sense = next(iter(self.study.objectives.items()))
        value = metrics.get(name)
        if value is not None:
            better = max if sense == "max" else min
            self.best[stage] = better(value, self.best.get(stage, value))

    def _best_in_words(self, stage: str) -> str:
        first = schema.OBJECTIVES[next(iter(self.study.objectives))]
        return f"best {value_in_words(self.best.get(stage), first)}"

    def _drop_old(self) -> None:
        ended = [trial_id for trial_id, row in self.rows.items() if row.status != "running"]
        for trial_id in ended[: max(0, len(self.rows) - ROWS)]:
            del self.rows[trial_id]

    def eta(self) -> str:
        """Time left in the stage, from the trials that ended in this session, and what confirming takes after it."""
        left = self.total - self.done
        if left > 0 and not self._walls:
            return "ETA -"
        then = "" if (wait := self._confirm_s()) is None else f", then confirming, up to {seconds_in_words(wait)}"
        if left <= 0:
            return f"last trials{then}"
        return f"ETA {seconds_in_words(float(np.mean(self._walls)) * left / max(1, self.concurrent))}{then}"

    def _confirm_s(self) -> float | None:
        """Seconds that the confirm stage will take at most, at the pace of the search's epochs, one more for the test;
        None once it has begun, without it, and before an epoch is known."""
        confirm, epochs = self.study.confirm, sum(self._epochs)
        if not (self.name == schema.SEARCH and self.whole and confirm.enabled and epochs):
            return None
        points = min(confirm.max_points, self.total) + len(self.study.baselines)
        each = ((confirm.epochs or self.study.train.epochs) + 1) * sum(self._walls) / epochs
        return points * len(confirm.seeds) * each / max(1, self.concurrent)

    def table(self) -> Table:
        """The live table."""
        caption = (
            f"{self.name} {self.done}/{self.total} done | {self._best_in_words(self.name)} | {self.eta()}"
            f" | {time.strftime('%H:%M:%S')}"
        )
        table = Table(caption=caption, box=None, pad_edge=False, expand=False)
        for name in ("trial", "status", "point"):
            table.add_column(name, no_wrap=True)
        for name in ("epoch", *map(heading, self.study.objectives)):
            table.add_column(name, justify="right", no_wrap=True)
        for row in list(self.rows.values())[-ROWS:]:
            table.add_row(*row.cells(self.study.objectives))
        return table

    def failures(self, ends: Sequence[Mapping[str, Any]], again: str) -> None:
        """Trials that failed, one line each (also when quiet), and the command that trains them again."""
        self.announce(f"{counted(len(ends), 'trial')} did not reach the end:")
        for end in ends[:MOST_LISTED]:
            status = end["status"].replace("_", " ")
            text = f"  {end['trial_id']} {status} after epoch {end['epochs']} of {end['max_epochs']}: {end['error']}"
            self.announce(shorten(text))
        if len(ends) > MOST_LISTED:
            self.announce(f"  and {len(ends) - MOST_LISTED} more; the report lists all")
        self.announce(f"Once the cause is mended, train them again with: {again}")

    def confirmed(self, ends: Sequence[Mapping[str, Any]]) -> None:
        """How much was confirmed; means and their front are the report's."""
        points, seeds = ({end[name] for end in ends} for name in ("point", "seed"))
        many = (f"{len(found)} {what}{'s' * (len(found) != 1)}" for found, what in ((points, "point"), (seeds, "seed")))
        self.say(f"Confirmed: {' with '.join(many)}")

    def path(self, rows: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> None:
        """The ablation, printed at the end (also when quiet): means over seeds after each step."""
        table = Table("step", title="Ablation (validation, means over seeds)", box=None, pad_edge=False)
        for name in ("n", *map(heading, self.study.objectives)):
            table.add_column(name, justify="right")
        for step, found in rows:
            means = {name: float(np.mean([one[name] for one in found])) for name in self.study.objectives if found}
            table.add_row(Text(step), str(len(found)), *cells(means, self.study.objectives))
        self.console.print(table)

    def front(self, journal: Journal) -> None:
        """The search stage's Pareto front, printed at the end (also when quiet: it is the answer)."""
        objectives = self.study.objectives
        origin = schema.origins(journal.learned, journal.folder.name)
        ends = [*journal.final_ends(schema.SEARCH), *journal.learned_ends]
        done = len(dominance.completed(ends, objectives))
        if not done:
            self.console.print("No trial has completed, so there is no front.")
            return
        others = len(dominance.completed(journal.learned_ends, objectives))
        trials = counted(done, "completed trial")
        trials += f", {others} of them of earlier studies" if others else ""
        title = f"Pareto front of {trials} (validation, seed {self.study.seed}: n = 1 each)"
        table = Table("trial", "point", title=title, box=None, pad_edge=False)
        for name in objectives:
            table.add_column(heading(name), justify="right")
        for end in reversed(dominance.front(ends, objectives)):
            label = f"{end['label']} (from {origin[end['trial_id']]})" if end["trial_id"] in origin else end["label"]
            table.add_row(end["trial_id"], Text(label), *cells(end["metrics"], objectives))
        self.console.print(table)

"""What a person sees while a study runs: a compact live table on a terminal, plain lines otherwise, or nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table

from study import schema
from study.record.journal import Journal
from study.record.task import Task
from study.search import pareto
from study.settings.config import StudyConfig

ROWS = 14
COLOURS = {schema.COMPLETED: "green", schema.STOPPED: "dim", schema.INTERRUPTED: "yellow", "running": "cyan"}


def human_bytes(count: float | None) -> str:
    """`1.5 MB` (powers of 1000)."""
    if count is None:
        return "-"
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    raise AssertionError("unreachable")


def human_seconds(seconds: float) -> str:
    """`45 s`, `12 min`, `3.2 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def number(value: Any, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


class Row:
    """One trial as shown."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.status = "running"
        self.metrics: Mapping[str, Any] = {}
        self.epoch = 0

    def cells(self) -> tuple[str, ...]:
        colour = COLOURS.get(self.status, "red")
        return (
            self.task.trial_id,
            f"[{colour}]{self.status}[/]",
            self.task.label + (f" seed {self.task.seed}" if self.task.stage == "confirm" else ""),
            f"{self.epoch}/{self.task.max_epochs}",
            number(self.metrics.get(schema.ACCURACY)),
            human_bytes(self.metrics.get(schema.SUPPORT_BYTES)),
        )


class Display:
    """A listener of the ledger (`study.record.recorder.Listener`) that draws."""

    def __init__(self, study: StudyConfig, *, quiet: bool = False, console: Console | None = None) -> None:
        self.study = study
        self.console = console or Console(stderr=False, soft_wrap=True)
        self.quiet = quiet
        self.live: Live | None = None
        self.rows: dict[str, Row] = {}
        self.best: dict[str, float] = {}
        self.total = 0
        self.done = 0
        self.concurrent = 1
        self.name = schema.STAGES[0]
        self._walls: list[float] = []

    # --- set-up ---
    def say(self, text: str) -> None:
        """One line, unless quiet."""
        if not self.quiet:
            self.console.print(text, markup=False, highlight=False)

    def insist(self, text: str) -> None:
        """One line, also when quiet: how to go on is part of the result."""
        self.console.print(text, markup=False, highlight=False)

    def remember(self, journal: Journal) -> None:
        """Take over what a resumed study has already done."""
        for line in journal.ends.values():
            self._note_best(line["stage"], line["metrics"])
        self._journal = journal

    def connected(self, dashboard: str | None, concurrent: int) -> None:
        """Ray is up."""
        self.concurrent = concurrent
        if dashboard:
            self.say(f"Ray dashboard: http://{dashboard} (token: `ray get-auth-token`, or `uv run ray get-auth-token`)")

    def stage(self, name: str, total: int) -> None:
        """A stage begins; `total` trials are planned."""
        self.stop()
        self.name, self.total, self.rows = name, total, {}
        self.done = len(self._journal.final_ends(name))
        self._walls = []
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
        self.rows.setdefault(task.trial_id, Row(task))

    def reported(self, task: Task, line: Mapping[str, Any]) -> None:
        row = self.rows.setdefault(task.trial_id, Row(task))
        row.metrics, row.epoch = line, line["epoch"]
        self._note_best(task.stage, line)

    def ended(self, task: Task, line: Mapping[str, Any]) -> None:
        row = self.rows.setdefault(task.trial_id, Row(task))
        row.status, row.metrics, row.epoch = line["status"], line["metrics"], line["epochs"]
        if line["status"] != schema.INTERRUPTED:
            self.done += 1
            self._walls.append(float(line["wall_s"]))
        if self.live is None or line["error"]:
            self._print_end(line)
        self._forget_old()

    def _print_end(self, line: Mapping[str, Any]) -> None:
        metrics = line["metrics"]
        text = (
            f"[{self.done}/{self.total}] {line['trial_id']} {line['status']:<9} {line['label']}"
            f" | epoch {line['epochs']}/{line['max_epochs']} | accuracy {number(metrics.get(schema.ACCURACY))} %"
            f" | {human_bytes(metrics.get(schema.SUPPORT_BYTES))} | best {number(self.best.get(line['stage']))} %"
            f" | {self.eta()}"
        )
        self.say(text + (f" | {line['error']}" if line["error"] else ""))

    def tick(self) -> None:
        """The live table refreshes itself."""

    def close(self, hurry: bool) -> None:
        self.stop()

    # --- what is shown ---
    def _note_best(self, stage: str, metrics: Mapping[str, Any]) -> None:
        value = metrics.get(schema.ACCURACY)
        if value is not None:
            self.best[stage] = max(value, self.best.get(stage, value))

    def _forget_old(self) -> None:
        ended = [trial_id for trial_id, row in self.rows.items() if row.status != "running"]
        for trial_id in ended[: max(0, len(self.rows) - ROWS)]:
            del self.rows[trial_id]

    def eta(self) -> str:
        """Time left in the stage, from the trials that ended in this session."""
        left = self.total - self.done
        if left <= 0:
            return "last trials"
        if not self._walls:
            return "ETA -"
        return f"ETA {human_seconds(float(np.mean(self._walls)) * left / max(1, self.concurrent))}"

    def table(self) -> Table:
        """The live table."""
        caption = (
            f"{self.name} {self.done}/{self.total} done | best {number(self.best.get(self.name))} % | {self.eta()}"
            f" | {time.strftime('%H:%M:%S')}"
        )
        table = Table(caption=caption, box=None, pad_edge=False, expand=False)
        for name in ("trial", "status", "point", "epoch", "accuracy %", "support"):
            table.add_column(name, justify="left" if name in ("trial", "status", "point") else "right", no_wrap=True)
        for row in list(self.rows.values())[-ROWS:]:
            table.add_row(*row.cells())
        return table

    def front(self, journal: Journal) -> None:
        """The search stage's Pareto front, printed at the end (also when quiet: it is the answer)."""
        objectives = self.study.objectives
        ends = [e for e in journal.final_ends("search") if e["status"] == schema.COMPLETED]
        ends = [e for e in ends if pareto.finite(e["metrics"], objectives)]
        if not ends:
            self.console.print("No trial has completed, so there is no front.")
            return
        costs = np.array([pareto.to_costs(e["metrics"], objectives) for e in ends])
        title = f"Pareto front of {len(ends)} completed trials (validation, seed {self.study.seed})"
        table = Table(title=title, box=None, pad_edge=False)
        for name in ("trial", "point", *objectives):
            table.add_column(name, justify="right" if name in objectives else "left")
        for i in reversed(pareto.front_indices(costs)):
            metrics = ends[i]["metrics"]
            shown = [human_bytes(metrics[o]) if o.endswith("bytes") else number(metrics[o]) for o in objectives]
            table.add_row(ends[i]["trial_id"], ends[i]["label"], *shown)
        self.console.print(table)

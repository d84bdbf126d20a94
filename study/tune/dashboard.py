"""What Ray's dashboard shows of a study: one named actor per running trial, and the study's own gauges.

Trials share processes (`reuse_actors`), and Ray fixes an actor's name when its process starts, so the actors
themselves cannot carry the trials' names (the processes' titles do: `study.tune.durable`). So a running trial also
gets a name plate: an actor without resources, named after it, that answers `status()`; and gets it once it has run for
a while, so that short trials do not pay for it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import ray
from ray.util.metrics import Gauge

from study import schema
from study.record.journal import Journal
from study.record.task import Task
from trainables import dominance

NAMESPACE = "kmclr"
BEST, FRONT_SIZE, HYPERVOLUME = "kmclr_best_{}", "kmclr_front_size", "kmclr_hypervolume"
IMAGES_PER_S, EPOCHS_DONE = "kmclr_images_per_s", "kmclr_epochs_done"


def gauges_of(objectives: Mapping[str, str]) -> dict[str, str]:
    """What the study's gauges are called and what they say."""
    first = next(iter(objectives))
    metric = schema.OBJECTIVES[first]
    axes = ", ".join(f"log10(1 + {name})" if schema.OBJECTIVES[name].log else name for name in objectives)
    return {
        BEST.format(first): f"Best {metric.title.lower()} of any trial so far, {metric.unit}",
        FRONT_SIZE: "Points on the front of the completed search trials",
        HYPERVOLUME: f"Hypervolume of the front, axes: {axes}",
        IMAGES_PER_S: "Training throughput of the last report, images per second and trial",
        EPOCHS_DONE: "Epochs on record, all stages",
    }


class NamePlate:
    """The named actor of a running trial: `ray.get_actor(name, namespace="kmclr").status.remote()`."""

    def __init__(self, name: str, line: Mapping[str, Any]) -> None:
        self.name = name
        self.line = dict(line)

    def update(self, line: Mapping[str, Any]) -> None:
        """Take note of the trial's last report."""
        self.line = dict(line)

    def status(self) -> dict[str, Any]:
        """The trial's last report, as far as shown here."""
        return self.line

    def __repr__(self) -> str:
        return self.name


class NamePlates:
    """A listener of the recorder that keeps one NamePlate per running trial."""

    def __init__(self, objectives: Mapping[str, str], after_s: float) -> None:
        self.shown = ("epoch", *objectives, "images_per_s")
        self.after_s = after_s
        self.kind = ray.remote(num_cpus=0, max_restarts=0)(NamePlate)
        self.began: dict[str, tuple[float, Task]] = {}
        self.lines: dict[str, dict[str, Any]] = {}
        self.actors: dict[str, Any] = {}

    def started(self, task: Task) -> None:
        self.began.setdefault(task.trial_id, (time.monotonic(), task))

    def reported(self, task: Task, line: Mapping[str, Any]) -> None:
        self.lines[task.trial_id] = {name: line.get(name) for name in self.shown}
        if task.trial_id in self.actors:
            self.actors[task.trial_id].update.remote(self.lines[task.trial_id])

    def tick(self) -> None:
        """Give the trials that have run for a while their name plates."""
        for trial_id, (began, task) in self.began.items():
            if trial_id not in self.actors and time.monotonic() - began >= self.after_s:
                named = self.kind.options(name=task.name, namespace=NAMESPACE)
                self.actors[trial_id] = named.remote(task.name, self.lines.get(trial_id, {}))

    def paused(self, task: Task, epoch: int) -> None:
        self._take_down(task)

    def ended(self, task: Task, line: Mapping[str, Any]) -> None:
        self._take_down(task)

    def _take_down(self, task: Task) -> None:
        self.began.pop(task.trial_id, None)
        self.lines.pop(task.trial_id, None)
        actor = self.actors.pop(task.trial_id, None)
        if actor is not None:
            ray.kill(actor)

    def close(self, hurry: bool) -> None:
        """The actors go with Ray; on a cluster that goes on they are ended here."""
        for actor in self.actors.values():
            ray.kill(actor)
        self.actors.clear()


class Gauges:
    """A listener of the recorder that sets the gauges (they appear with the prefix `ray_` on the metrics port)."""

    def __init__(self, journal: Journal, objectives: Mapping[str, str]) -> None:
        self.journal = journal
        self.objectives = objectives
        self.gauges = {name: Gauge(name, description=text) for name, text in gauges_of(objectives).items()}
        self.first, sense = next(iter(objectives.items()))
        self.better = max if sense == "max" else min
        self.best: float | None = None
        for line in journal.reports:
            self._note_best(line)
        self._front()

    def _note_best(self, line: Mapping[str, Any]) -> None:
        value = line.get(self.first)
        if value is not None:
            self.best = value if self.best is None else self.better(value, self.best)

    def started(self, task: Task) -> None:
        """Nothing to count."""

    def reported(self, task: Task, line: Mapping[str, Any]) -> None:
        self._note_best(line)
        if self.best is not None:
            self.gauges[BEST.format(self.first)].set(self.best)
        self.gauges[IMAGES_PER_S].set(float(line.get("images_per_s") or 0.0))
        self.gauges[EPOCHS_DONE].set(len(self.journal.reports))

    def paused(self, task: Task, epoch: int) -> None:
        """It has not ended."""

    def ended(self, task: Task, line: Mapping[str, Any]) -> None:
        if line["stage"] == schema.SEARCH:
            self._front()

    def _front(self) -> None:
        ends = self.journal.final_ends(schema.SEARCH)
        self.gauges[FRONT_SIZE].set(len(dominance.front(ends, self.objectives)))
        self.gauges[HYPERVOLUME].set(dominance.front_volume(ends, self.objectives))

    def tick(self) -> None:
        """Gauges keep their value."""

    def close(self, hurry: bool) -> None:
        """Gauges go with Ray."""

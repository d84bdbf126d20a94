"""What Ray's dashboard shows of a study: one named actor per running trial, and the study's own gauges.

Trials share processes (`reuse_actors`), and Ray fixes an actor's name when its process starts, so the processes
themselves cannot carry the trials' names. A sign is an actor without resources, named after its trial, that answers
`status()`; a trial gets one once it has run for a while, so that short trials do not pay for it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import ray
from ray.util.metrics import Gauge

from study import schema
from study.record.journal import Journal
from study.record.task import Task
from study.search import pareto

NAMESPACE = "kmclr"
SHOWN = ("epoch", schema.ACCURACY, schema.SUPPORT_BYTES, "images_per_s")
GAUGES = {
    "kmclr_best_accuracy": "Best validation accuracy of any trial so far, %",
    "kmclr_front_size": "Points on the front of the completed search trials",
    "kmclr_hypervolume": "Hypervolume of the front: accuracy (%) times log10 bytes, against 0 % and 1 GiB",
    "kmclr_images_per_s": "Training throughput of the last report, images per second and trial",
    "kmclr_epochs_done": "Epochs on record, all stages",
}


def sign_name(task: Task) -> str:
    """`search-0007: kmclr k=400 t=0.2 seed=0`, unique in a study."""
    return f"{task.trial_id}: {task.label} seed={task.seed}"


class TrialSign:
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


class Signs:
    """A listener of the ledger that keeps one TrialSign per running trial."""

    def __init__(self, after_s: float) -> None:
        self.after_s = after_s
        self.kind = ray.remote(num_cpus=0, max_restarts=0)(TrialSign)
        self.began: dict[str, tuple[float, Task]] = {}
        self.lines: dict[str, dict[str, Any]] = {}
        self.actors: dict[str, Any] = {}

    def started(self, task: Task) -> None:
        self.began.setdefault(task.trial_id, (time.monotonic(), task))

    def reported(self, task: Task, line: Mapping[str, Any]) -> None:
        self.lines[task.trial_id] = {name: line.get(name) for name in SHOWN}
        if task.trial_id in self.actors:
            self.actors[task.trial_id].update.remote(self.lines[task.trial_id])

    def tick(self) -> None:
        """Put up the signs of trials that have run for a while."""
        for trial_id, (began, task) in self.began.items():
            if trial_id not in self.actors and time.monotonic() - began >= self.after_s:
                name = sign_name(task)
                named = self.kind.options(name=name, namespace=NAMESPACE)
                self.actors[trial_id] = named.remote(name, self.lines.get(trial_id, {}))

    def ended(self, task: Task, line: Mapping[str, Any]) -> None:
        self.began.pop(task.trial_id, None)
        self.lines.pop(task.trial_id, None)
        actor = self.actors.pop(task.trial_id, None)
        if actor is not None:
            ray.kill(actor)

    def close(self, hurry: bool) -> None:
        """The signs go with Ray; on a cluster that goes on they are taken down."""
        for actor in self.actors.values():
            ray.kill(actor)
        self.actors.clear()


class Gauges:
    """A listener of the ledger that sets the gauges (they appear with the prefix `ray_` on the metrics port)."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.gauges = {name: Gauge(name, description=text) for name, text in GAUGES.items()}
        accuracies = [line.get(schema.ACCURACY) for line in journal.reports]
        self.best = max((a for a in accuracies if a is not None), default=0.0)
        self._front()

    def started(self, task: Task) -> None:
        """Nothing to count."""

    def reported(self, task: Task, line: Mapping[str, Any]) -> None:
        self.best = max(self.best, line.get(schema.ACCURACY) or 0.0)
        self.gauges["kmclr_best_accuracy"].set(self.best)
        self.gauges["kmclr_images_per_s"].set(float(line.get("images_per_s") or 0.0))
        self.gauges["kmclr_epochs_done"].set(len(self.journal.reports))

    def ended(self, task: Task, line: Mapping[str, Any]) -> None:
        if line["stage"] == "search":
            self._front()

    def _front(self) -> None:
        names = (schema.ACCURACY, schema.SUPPORT_BYTES)
        done = [e["metrics"] for e in self.journal.final_ends("search") if e["status"] == schema.COMPLETED]
        points = np.array([[-m[names[0]], m[names[1]]] for m in done if all(m.get(n) is not None for n in names)])
        front = points[pareto.front_indices(points)] if len(points) else np.zeros((0, 2))
        self.gauges["kmclr_front_size"].set(len(front))
        self.gauges["kmclr_hypervolume"].set(pareto.hypervolume_accuracy_bytes(-front[:, 0], front[:, 1]))

    def tick(self) -> None:
        """Gauges keep their value."""

    def close(self, hurry: bool) -> None:
        """Gauges go with Ray."""

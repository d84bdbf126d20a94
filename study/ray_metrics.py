"""The study's own gauges in Ray's metrics (they appear with the prefix `ray_` on the node's metrics port)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ray.util.metrics import Gauge

from study import pareto, schema
from study.journal import Journal
from study.tasks import Task

GAUGES = {
    "kmclr_best_accuracy": "Best validation accuracy of any trial so far, %",
    "kmclr_front_size": "Points on the front of the completed search trials",
    "kmclr_hypervolume": "Hypervolume of the front: accuracy (%) times log10 bytes, against 0 % and 1 GiB",
    "kmclr_images_per_s": "Training throughput of the last report, images per second and trial",
    "kmclr_epochs_done": "Epochs on record, all stages",
}


class RayMetrics:
    """A listener of the ledger that sets gauges."""

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

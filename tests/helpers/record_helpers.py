"""A task, its reports, a listener and checkpoints for tests of what a study records."""

from __future__ import annotations

import json
from pathlib import Path

from study.record.task import Task

DATA = {"name": "digits", "fingerprint": "abc"}
AWKWARD_NAMES = ("q?1", "a%20b", "{x}", "a#b", "[/]", "a b", "é&=;")
"""Of folders: what URLs, templates, glob patterns and rich's markup would take for something else."""
BOTH = {"accuracy": "max", "support_bytes": "min"}


def task(number=0, **more) -> Task:
    params = {"method": "kmclr", "k": 50}
    fixed = {"label": "kmclr k=50", "method": "kmclr", "seed": 0, "max_epochs": 4, "params": params, "run": {"seed": 0}}
    return Task(**{"stage": "search", "trial_id": f"search-{number:04d}", "number": number, **fixed, **more})


def result(epoch, accuracy=50.0, **more) -> dict:
    return {"epoch": epoch, "accuracy": accuracy, "support_bytes": 10, "epoch_s": 2.0, "config": {}, **more}


class Witness:
    """A listener that writes everything down."""

    def __init__(self) -> None:
        self.seen: list[tuple] = []

    def started(self, task) -> None:
        self.seen.append(("started", task.trial_id))

    def reported(self, task, line) -> None:
        self.seen.append(("reported", line["epoch"]))

    def paused(self, task, epoch) -> None:
        self.seen.append(("paused", epoch))

    def ended(self, task, line) -> None:
        self.seen.append(("ended", line["status"]))

    def tick(self) -> None:
        self.seen.append(("tick",))

    def close(self, hurry) -> None:
        self.seen.append(("close", hurry))


def checkpoint(folder: Path, session: str, trial_id: str, index: int, state: object) -> Path:
    path = folder / "ray" / session / trial_id / f"checkpoint_{index:06d}"
    path.mkdir(parents=True)
    (path / "state.json").write_text(state if isinstance(state, str) else json.dumps(state))
    return path

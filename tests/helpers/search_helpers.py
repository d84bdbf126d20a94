"""A search in a folder, driven by hand, and what may become of its Optuna database."""

from __future__ import annotations

import sqlite3

import optuna

from study import schema
from study.record.journal import Journal
from study.record.recorder import Recorder
from study.record.task import from_config
from study.search.resume import make_search
from study.search.scheduling import Rungs
from study.tune.feed import Feed
from tests.helpers.engine_helpers import make_study
from tests.helpers.fake_trainable import curve, support_bytes
from tests.helpers.record_helpers import BOTH


class Bench:
    """A search in a folder, driven by hand; opening the same folder again is a resume."""

    def __init__(self, folder, study=None) -> None:
        self.study = study or make_study()
        self.journal = Journal(folder)
        self.recorder = Recorder(self.journal, self.study.objectives)
        self.search, self.unfinished = make_search(self.study, folder, self.journal, self.recorder)
        self.feed = Feed([], self.search.draw)

    def close(self) -> None:
        self.journal.close()
        self.search.mirror.close()

    def next(self):
        config = self.feed.suggest("tune's id")
        return config if config == "FINISHED" else from_config(config)

    def run(self, task, epochs=None, status=None, error=None) -> None:
        self.recorder.start(task)
        for epoch in range(1, (task.max_epochs if epochs is None else epochs) + 1):
            metrics = {"accuracy": curve(task.params, task.seed, epoch), "support_bytes": support_bytes(task.params)}
            self.recorder.report(task, {"epoch": epoch, **metrics})
        done = schema.COMPLETED if epochs is None else schema.STOPPED
        self.recorder.end(task, status or done, error=error)

    def optuna_trials(self) -> list[optuna.trial.FrozenTrial]:
        return self.search.mirror.study.get_trials()


HARMS = ("none", "missing", "garbage", "cut", "asked", "edited")


def harm(path, kind: str) -> None:
    """Damage an Optuna database, or leave in it what a kill leaves."""
    if kind == "missing":
        path.unlink()
    elif kind == "garbage":
        path.write_bytes(b"garbage" * 1000)
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    elif kind == "asked":  # killed before the journal had the draw
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
        optuna.load_study(study_name="fake", storage=storage).ask()
        storage.engine.dispose()
    elif kind == "edited":
        with sqlite3.connect(path) as connection:
            connection.execute("update trial_user_attributes set value_json = '{\"a'")
        connection.close()


def rungs(objectives=None, *, grace=1, eta=3, epochs=27, **more) -> Rungs:
    return Rungs(objectives or BOTH, grace, eta, epochs, **more)


def point(accuracy, size=0.0) -> dict:
    return {"accuracy": accuracy, "support_bytes": size}

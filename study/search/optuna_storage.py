"""The Optuna storage of a results folder and the samplers that draw from it."""

from __future__ import annotations

import sqlite3
import time
import warnings
from pathlib import Path

import optuna
import sqlalchemy

from study import schema
from study.search.front.propose import draw_seed
from study.search.front.question import question_of
from study.search.front.sampler import FrontSampler, Reports
from study.search.scheduling import PAUSING, decision_epochs
from study.settings.config import StudyConfig

NOTHING: Reports = {}


def healthy(path: Path) -> bool:
    """True if the file is an SQLite database that passes its own check."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    try:
        connection = sqlite3.connect(path, timeout=30)
        try:
            return bool(connection.execute("PRAGMA quick_check").fetchone() == ("ok",))
        finally:
            connection.close()
    except sqlite3.DatabaseError:
        return False


def url_of(path: Path) -> str:
    """The URL of a database file, whatever stands in its path (?, #, %, {}); optuna-dashboard takes it too."""
    return sqlalchemy.engine.URL.create("sqlite", database=str(path)).render_as_string()


def open_storage(folder: Path) -> optuna.storages.RDBStorage:
    """`optuna.db` of the folder, made if missing; a damaged file is put aside before."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = folder / schema.OPTUNA_FILE
    if path.exists() and not healthy(path):
        put_aside(folder)
    storage = optuna.storages.RDBStorage(url_of(path), engine_kwargs={"connect_args": {"timeout": 60}})
    sqlalchemy.event.listen(storage.engine, "connect", _do_not_wait_for_the_disk)
    storage.engine.dispose()  # connections made from now on heed it
    return storage


def put_aside(folder: Path) -> None:
    """Rename a damaged `optuna.db`, with a warning."""
    path = folder / schema.OPTUNA_FILE
    if path.exists():
        aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
        path.rename(aside)
        warnings.warn(f"{path}: damaged; moved to {aside.name} and rebuilt from {schema.DRAWS_FILE}", stacklevel=2)
    remove(folder)


def remove(folder: Path) -> None:
    """Delete `optuna.db` and what SQLite keeps beside it."""
    for suffix in ("", *schema.OPTUNA_SUFFIXES):
        (folder / f"{schema.OPTUNA_FILE}{suffix}").unlink(missing_ok=True)


def _do_not_wait_for_the_disk(connection: sqlite3.Connection, _: object) -> None:
    """A killed process loses nothing by this, a killed machine perhaps the file, which the journal then rebuilds."""
    connection.execute("PRAGMA synchronous=OFF")


def make_sampler(
    study: StudyConfig, number: int, attempt: int = 0, reports: Reports = NOTHING
) -> optuna.samplers.BaseSampler:
    """The sampler for trial `number`; `grid` has its points enqueued and draws nothing, so any sampler serves.
    `reports`: what `front` learns from beside the trials' ends."""
    search = study.search
    seed = draw_seed(search.seed, number, attempt)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if search.sampler in ("tpe", "front"):
            tpe = optuna.samplers.TPESampler(seed=seed, n_startup_trials=search.startup_trials)
            if search.sampler == "tpe":
                return tpe
            rungs = decision_epochs(study.scheduler, study.train.epochs) if study.scheduler.name == PAUSING else ()
            return FrontSampler(
                question_of(study),
                seed=seed,
                reports=reports,
                rungs=rungs,
                startup_trials=search.startup_trials,
                fallback=tpe,
            )
        if search.sampler == "nsga2":
            population = max(4, min(50, search.trials // 4))
            return optuna.samplers.NSGAIISampler(seed=seed, population_size=population)
        if search.sampler == "qmc":
            independent = optuna.samplers.RandomSampler(seed=seed)
            return optuna.samplers.QMCSampler(
                seed=search.seed,
                scramble=True,
                independent_sampler=independent,
                warn_independent_sampling=False,
                warn_asynchronous_seeding=False,
            )
        return optuna.samplers.RandomSampler(seed=seed)

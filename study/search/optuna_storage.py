"""The Optuna storage of a results folder and the samplers that draw from it."""

from __future__ import annotations

import sqlite3
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import optuna
import sqlalchemy

from study import schema
from study.search.front.propose import draw_seed
from study.search.front.question import known_of, question_of
from study.search.front.sampler import FrontSampler, Reports
from study.search.rules import decision_epochs
from study.search.scheduling import pauses
from study.settings import space
from study.settings.config import StudyConfig
from trainables.settings import own_code
from trainables.vocabulary.parts import SAMPLER, SAMPLERS

NOTHING: Reports = {}


class SamplerSpec(NamedTuple):
    """What a sampler of one's own is made of, anew for each draw, so that a search goes on after a kill as undisturbed.
    The trials so far, and how they ended, are the Optuna study's that it is asked with (`study.search.optuna_mirror`).
    """

    options: Any
    """As its class's `Options`; None if it has none."""
    seed: int
    """Of this draw alone; follows from `search.seed`, number and attempt."""
    number: int
    """Of the trial that the draw is for, from 0, baselines included."""
    attempt: int
    """Draws for this number before it, all of them points that were drawn before."""
    objectives: Mapping[str, str]
    """name -> "max" | "min", in the order of the values of Optuna's trials."""
    epochs: int
    """Full budget of a trial."""
    space: Callable[[Any], Mapping[str, Any]]
    """The define-by-run space: Optuna trial -> point."""
    known: Callable[[Mapping[str, Any]], Mapping[str, float]]
    """Point -> objectives that follow from the settings, before any training."""
    reports: Reports
    """Number of an Optuna trial -> its reports, in the order of their epochs; a trial that has none is not there."""


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
    if search.sampler in SAMPLERS.loaded:
        known, run = known_of(study), space.define(study)
        options = own_code.options(SAMPLER, search)
        spec = SamplerSpec(options, seed, number, attempt, study.objectives, study.train.epochs, run, known, reports)
        made: optuna.samplers.BaseSampler = SAMPLERS.loaded[search.sampler](spec)
        return made
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if search.sampler in ("tpe", "front"):
            tpe = optuna.samplers.TPESampler(seed=seed, n_startup_trials=search.startup_trials)
            if search.sampler == "tpe":
                return tpe
            rungs = decision_epochs(study) if pauses(study.scheduler) else ()
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

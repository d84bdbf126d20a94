"""What Optuna's own storage in a results folder says: its study, read without touching the file, and importances.

Optuna is imported where it is used: it takes seconds, and an analysis without a storage does without it.
"""

from __future__ import annotations

import math
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from analysis.figure_data.common import NotEnough, ordered_methods
from study import schema

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

MIN_TRIALS = 8
"""Completed trials (of a method) from which an importance is computed."""
MIN_PARAMETERS = 2
"""Of a single parameter the importance is 1, whatever it does."""


class Importances(NamedTuple):
    """fANOVA importances (shares of the explained variance of one objective, 0-1, sum 1) over the completed trials of
    each group: a method, or `all` with the parameters that every method has. n: trials in each group."""

    shares: dict[str, dict[str, float]]
    n: dict[str, int]


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna without its log lines and its warnings about experimental features; restores the level of its log."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)


def read_study(folder: Path, objectives: list[str]) -> optuna.Study:
    """The search as an Optuna study in memory, from a copy of optuna.db (a running study is not disturbed).

    Trials that were only told again (duplicates) are left out. Raises NotEnough if there is no readable storage.
    """
    path = Path(folder) / schema.OPTUNA_FILE
    if not path.exists():
        raise NotEnough(f"no {schema.OPTUNA_FILE} in the results folder")
    return _read(path, path.stat().st_mtime_ns, tuple(objectives))


@lru_cache(maxsize=8)
def _read(path: Path, changed: int, objectives: tuple[str, ...]) -> optuna.Study:
    """`changed`: when the file was, so that a running study is read again."""
    import optuna

    with quiet(), tempfile.TemporaryDirectory() as scratch:
        try:
            trials, directions = _copy_and_read(path, Path(scratch) / "copy.db", len(objectives))
        except (sqlite3.DatabaseError, optuna.exceptions.StorageInternalError, RuntimeError, KeyError) as error:
            raise NotEnough(f"{schema.OPTUNA_FILE} cannot be read ({str(error).splitlines()[0]})") from None
        study = optuna.create_study(directions=directions)
        study.set_metric_names(list(objectives))
        study.add_trials([t for t in trials if "duplicate_of" not in _draw(t)])
    return study


def _copy_and_read(path: Path, copy: Path, objectives: int) -> tuple[list[FrozenTrial], list[Any]]:
    import optuna
    import sqlalchemy

    uri = f"{path.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=30)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    url = sqlalchemy.engine.URL.create("sqlite", database=str(copy))  # $TMPDIR may hold what a URL means otherwise
    storage = optuna.storages.RDBStorage(url.render_as_string())
    try:
        found = [s for s in storage.get_all_studies() if len(s.directions) == objectives]
        if not found:
            raise KeyError("it holds no study with this study's objectives")
        biggest = max(found, key=lambda s: storage.get_n_trials(s._study_id))
        return storage.get_all_trials(biggest._study_id), list(biggest.directions)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def done(study: optuna.Study) -> list[FrozenTrial]:
    """Trials with values at full budget."""
    import optuna

    return [t for t in study.get_trials(deepcopy=False) if t.state == optuna.trial.TrialState.COMPLETE]


def method_of(trial: FrozenTrial) -> str:
    """Of the trial's point, also where the method is fixed and not searched."""
    return str(trial.params.get("method", _draw(trial).get("params", {}).get("method", "")))


def _draw(trial: FrozenTrial) -> dict[str, Any]:
    """The line of draws.jsonl that the trial stands for."""
    return dict(trial.user_attrs.get(schema.OPTUNA_DRAW, {}))


def only(study: optuna.Study, method: str, parameters: list[str] | None = None) -> optuna.Study:
    """The completed trials of one method as a study of their own, without `method` (or with these parameters only)."""
    import optuna

    part = optuna.create_study(directions=study.directions)
    if study.metric_names:
        part.set_metric_names(list(study.metric_names))
    for trial in done(study):
        if method_of(trial) == method:
            part.add_trial(_with(trial, parameters or [p for p in trial.params if p != "method"]))
    return part


def _with(trial: FrozenTrial, names: list[str], values: list[float] | None = None) -> FrozenTrial:
    import optuna

    return optuna.trial.create_trial(
        values=values or trial.values,
        params={n: v for n, v in trial.params.items() if n in names},
        distributions={n: d for n, d in trial.distributions.items() if n in names},
        user_attrs=trial.user_attrs,
    )


def shared_parameters(study: optuna.Study) -> list[str]:
    """Parameters that every completed trial has and that take more than one value."""
    trials = done(study)
    names = set.intersection(*(set(t.params) for t in trials)) if trials else set()
    return sorted(n for n in names if len({t.params[n] for t in trials}) > 1)


@lru_cache(maxsize=8)
def importances(study: optuna.Study, objective: int) -> Importances:
    """fANOVA (seed 0) of value number `objective`, per group of MIN_TRIALS trials, over the parameters that vary.

    In a conditional space fANOVA knows only parameters that all its trials have, hence one forest per method.
    Raises NotEnough if no group has enough trials, parameters and spread.
    """
    shares: dict[str, dict[str, float]] = {}
    counts: dict[str, int] = {}
    with quiet():
        methods = ordered_methods(method_of(t) for t in done(study))
        groups = {"all": study} if len(methods) > 1 else {}
        groups |= {m: only(study, m) for m in methods}
        for group, part in groups.items():
            found = _fanova(part, objective)
            if found:
                shares[group], counts[group] = found, len(done(part))
    if not shares:
        most = max((len(done(part)) for part in groups.values()), default=0)
        raise NotEnough(
            f"importances need {MIN_TRIALS} completed trials of one method with at least two parameters that vary; "
            f"the largest group has {most}"
        )
    return Importances(shares, counts)


def _fanova(part: optuna.Study, objective: int) -> dict[str, float]:
    import optuna

    names, trials = shared_parameters(part), done(part)
    if len(trials) < MIN_TRIALS or len(names) < MIN_PARAMETERS or len({t.values[objective] for t in trials}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found = optuna.importance.get_param_importances(
        part, evaluator=evaluator, params=names, target=lambda t: t.values[objective]
    )
    return {name: float(share) for name, share in found.items()}


def renamed(study: optuna.Study, names: Sequence[str], log: Sequence[bool]) -> optuna.Study:
    """The completed trials with other names for their values, of which those with `log` become log10(1 + value): the
    same ranks, a readable axis."""
    import optuna

    with quiet():
        part = optuna.create_study(directions=study.directions)
        part.set_metric_names(list(names))
        for trial in done(study):
            values = [math.log10(1 + v) if own else v for v, own in zip(trial.values, log, strict=True)]
            part.add_trial(_with(trial, list(trial.params), values))
    return part

"""What each stage runs: tasks of the search, and the points of the search that are confirmed. Free of Ray."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from study import schema
from study.record.learned import is_learned
from study.record.task import Task, point_key
from study.search import pareto
from study.settings import space
from study.settings.config import StudyConfig
from trainables import dominance


def search_id(number: int) -> str:
    """Name of trial `number` of the search."""
    return f"{schema.SEARCH}-{number:04d}"


def confirm_id(end: Mapping[str, Any], seed: int) -> str:
    """Name of the confirm trial that repeats a trial of the search, or a learned one, whatever else is confirmed."""
    repeated = end["trial_id"] if is_learned(end["trial_id"]) else f"{end['number']:04d}"
    return f"{schema.CONFIRM}-{repeated}-{seed}"


def search_task(study: StudyConfig, number: int, params: Mapping[str, Any], baseline: bool) -> Task:
    """Trial `number` of the search stage at a point; every trial of a search has the study's seed."""
    run = space.to_run(study, dict(params), seed=study.seed)
    return Task(
        stage=schema.SEARCH,
        trial_id=search_id(number),
        number=number,
        label=space.label(dict(params)),
        method=run.method,
        seed=study.seed,
        max_epochs=run.train.epochs,
        params=dict(params),
        run=run.model_dump(mode="json"),
        baseline=baseline,
    )


def is_baseline(study: StudyConfig, params: Mapping[str, Any]) -> bool:
    """Whether a point is declared under `baselines`; the sampler may have drawn it before it was."""
    return point_key(params) in {point_key(point) for point in space.baseline_points(study)}


def drawn_task(study: StudyConfig, draw: Mapping[str, Any]) -> Task:
    """The task of a line of draws.jsonl that is no duplicate."""
    return search_task(study, draw["number"], draw["params"], is_baseline(study, draw["params"]))


def drawn_tasks(study: StudyConfig, draws: Sequence[Mapping[str, Any]]) -> list[Task]:
    """The trials of the search, by number."""
    return [drawn_task(study, draw) for draw in draws if draw["duplicate_of"] is None]


def to_choose_from(
    study: StudyConfig, ends: Sequence[Mapping[str, Any]], learned: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Ends of which the confirm stage chooses, each with whether it is a baseline now: those of the search, then those
    of learned trials whose points the search has not trained itself."""
    declared = {point_key(point) for point in space.baseline_points(study)}
    own = {point_key(end["params"]) for end in ends}
    standing = [e for e in learned if e["status"] == schema.COMPLETED or point_key(e["params"]) not in declared]
    others = [end for end in standing if point_key(end["params"]) not in own]
    return [{**e, "baseline": e["baseline"] or point_key(e["params"]) in declared} for e in (*ends, *others)]


def confirm_points(
    ends: Sequence[Mapping[str, Any]],
    objectives: Mapping[str, str],
    max_points: int,
    begun: Collection[str] = (),
    expected: Mapping[str, tuple[float, ...]] | None = None,
    per_method: bool = False,
    wanted: Mapping[str, float] = {},
) -> list[Mapping[str, Any]]:
    """Lines of search trials to confirm: the front of the completed ones, then the baselines that are not on it.

    Of equal points the earlier one stands for all; a front of more than `max_points` is thinned to the points that
    spread best (epsilon-net), ends included. Early-stopped trials are not on the front: their values are of another
    budget. begun: search trials that are being confirmed already; they stay, also where a trial that was tried again
    has since moved the front. expected: trial -> costs (`search.confirming`), of which the front then is. per_method:
    the front of each method's trials in place of the one front; see `_in_turns`. wanted: objective -> worst value; see
    `chosen`.
    """
    points = chosen(ends, objectives, max_points, expected, per_method, wanted)
    taken = {e["trial_id"] for e in points}
    points += [e for e in ends if e["baseline"] and e["trial_id"] not in taken]
    taken = {e["trial_id"] for e in points}
    return [*points, *(e for e in ends if e["trial_id"] in begun and e["trial_id"] not in taken)]


def chosen(
    ends: Sequence[Mapping[str, Any]],
    objectives: Mapping[str, str],
    max_points: int,
    expected: Mapping[str, tuple[float, ...]] | None = None,
    per_method: bool = False,
    wanted: Mapping[str, float] = {},
) -> list[Mapping[str, Any]]:
    """Those of `confirm_points` that are chosen for being on the front; where the search has measured any that are
    wanted, these alone count."""
    done = dominance.completed(ends, objectives)
    done = [end for end in done if dominance.within(end["metrics"], wanted, objectives)] or done
    values_of: Mapping[str, tuple[float, ...]]
    if expected is None:
        values_of = {end["trial_id"]: tuple(dominance.to_costs(end["metrics"], objectives)) for end in done}
        done = sorted(done, key=lambda end: values_of[end["trial_id"]])
    else:
        values_of = expected
        done = [end for end in done if end["trial_id"] in values_of]
    costs = [values_of[end["trial_id"]] for end in done]
    groups: dict[str, list[int]] = {}
    for place, end in enumerate(done):
        groups.setdefault(end["method"] if per_method else "", []).append(place)
    fronts = [_front(costs, places) for places in groups.values()]
    if per_method:
        places = _in_turns([[i for i in front if not done[i]["baseline"]] for front in fronts], costs, max_points)
    else:
        places = [i for front in fronts for i in front][:max_points]
    return [done[i] for i in sorted(places)]


def _front(costs: Sequence[tuple[float, ...]], places: Sequence[int]) -> list[int]:
    """Of these points those on their front, the ones that spread best first; of equal points the first."""
    costs_NM = np.array([costs[i] for i in places])
    first: dict[tuple[float, ...], int] = {}
    for i in np.flatnonzero(dominance.on_front(costs_NM)).tolist():
        first.setdefault(costs[places[i]], places[i])
    kept = list(first.values())
    return [kept[i] for i in pareto.preference_order(np.array([costs[i] for i in kept]))]


def _in_turns(fronts: Sequence[Sequence[int]], costs: Sequence[tuple[float, ...]], most: int) -> list[int]:
    """So many points: each front gives one in turn, in its own order, a round's best first.

    Baselines are left out beforehand: they are confirmed in any case and take no place.
    """
    rounds = ([i for i in one if i is not None] for one in itertools.zip_longest(*fronts))
    return [i for one in rounds for i in sorted(one, key=lambda i: (costs[i], i))][:most]


def being_confirmed(lines: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Confirm trials that reports and ends speak of, and their numbers."""
    return {line["trial_id"]: line["number"] for line in lines if line["stage"] == schema.CONFIRM}


def point_of(trial_id: str) -> str:
    """The search trial, or the learned one, that a confirm trial repeats."""
    repeated = trial_id.removeprefix(f"{schema.CONFIRM}-").rpartition("-")[0]
    return repeated if is_learned(repeated) else search_id(int(repeated))


def confirm_tasks(
    study: StudyConfig, points: Sequence[Mapping[str, Any]], numbers: Mapping[str, int] | None = None
) -> list[Task]:
    """Every point with every seed at full budget, seed by seed. A task's `point` is the search trial's id.

    numbers: of the trials that have begun, which keep them.
    """
    numbers, tasks = numbers or {}, []
    free = (number for number in itertools.count() if number not in numbers.values())
    for seed in study.confirm.seeds:
        for end in points:
            run = space.to_run(study, dict(end["params"]), seed=seed, epochs=study.confirm.epochs)
            trial_id = confirm_id(end, seed)
            tasks.append(
                Task(
                    stage=schema.CONFIRM,
                    trial_id=trial_id,
                    number=numbers[trial_id] if trial_id in numbers else next(free),
                    label=end["label"],
                    method=run.method,
                    seed=seed,
                    max_epochs=run.train.epochs,
                    params=dict(end["params"]),
                    run=run.model_dump(mode="json"),
                    point=end["trial_id"],
                    baseline=bool(end["baseline"]),
                    extra={"linear_epochs": study.confirm.linear_epochs},
                )
            )
    return tasks

"""The ablate stage: which path it takes from a baseline to a point of the front, on record, and its trials.

The path (`study.search.path`) is chosen by what a model expects of the accuracy (`front.belief`, fitted to the study's
own trials) and written to `ablation.json` before any of it is trained. It stays as it is until all of it is trained,
whatever the search learns meanwhile. A trial's point is known by its settings, so that paths share what is trained, and
what the confirm stage has trained with the same seed counts.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from study import schema
from study.record.journal import Journal, now, plain
from study.record.task import Task, point_key
from study.search import stages
from study.search.believing import Believed, band
from study.search.front.belief import Belief
from study.search.front.candidates import Candidate, again
from study.search.front.question import FORMULAS
from study.search.path import Point, walk
from study.settings import space
from study.settings.baselines import named_baseline
from study.settings.config import StudyConfig
from trainables import dominance
from trainables.wording import close_to, shorten

MOST_NAMED = 6
Recorded = Mapping[str, Any]
"""A path as `ablation.json` has it (`schema.ABLATION`)."""


def seeds_of(study: StudyConfig) -> tuple[int, ...]:
    """Those of the stage. Raises UserError if the search's own is among them, whose luck chose the points."""
    seeds = study.confirm.seeds if study.ablate.seeds is None else study.ablate.seeds
    if study.seed in seeds:
        raise schema.UserError(f"ablate.seeds {list(seeds)} holds the seed of the search ({study.seed}): give others")
    return seeds


def own_point(params: Point) -> str:
    """The point's id in this stage."""
    return f"{schema.ABLATE}-{hashlib.sha256(point_key(params).encode()).hexdigest()[:8]}"


# --- from where to where ---
def target_of(study: StudyConfig, journal: Journal) -> tuple[dict[str, Any], str]:
    """The point that `ablate.to` means, and why it is it. Raises UserError."""
    if study.ablate.to != schema.BEST:
        return _asked_for(study, journal)
    if confirmed := _confirmed_means(journal):
        point = max(confirmed, key=lambda name: confirmed[name][0])
        mean, n, end = confirmed[point]
        return dict(end["params"]), f"the most accurate confirmed point on validation, {mean:.2f} % (n = {n})"
    tried = [*journal.final_ends(schema.SEARCH), *journal.learned_ends]
    if not (done := dominance.completed(tried, study.objectives)):
        raise schema.UserError(f"{journal.folder}: no search trial has completed, so there is no point to lead to")
    best = max(done, key=lambda end: float(end["metrics"][schema.ACCURACY]))
    why = f"the most accurate trial of the search on validation, {best['metrics'][schema.ACCURACY]:.2f} % (n = 1)"
    return dict(best["params"]), why


def _confirmed_means(journal: Journal) -> dict[str, tuple[float, int, Mapping[str, Any]]]:
    """Of the points that were confirmed with most seeds: mean validation accuracy, seeds, and an end of it."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for end in journal.final_ends(schema.CONFIRM):
        if end["status"] == schema.COMPLETED and end["metrics"].get(schema.ACCURACY) is not None:
            groups.setdefault(end["point"], []).append(end)
    most = max(map(len, groups.values()), default=0)
    means = {name: statistics.fmean(end["metrics"][schema.ACCURACY] for end in ends) for name, ends in groups.items()}
    return {name: (means[name], most, ends[0]) for name, ends in groups.items() if len(ends) == most}


def _asked_for(study: StudyConfig, journal: Journal) -> tuple[dict[str, Any], str]:
    """A trial of the search by its id, that of a trial which confirms it, or its label."""
    asked = " ".join(study.ablate.to.split())
    drawn = (draw for draw in journal.draws if draw["duplicate_of"] is None)
    draws = {line["trial_id"]: line for line in (*journal.learned, *drawn)}
    confirming = {end["trial_id"]: end["point"] for end in journal.ends.values() if end["stage"] == schema.CONFIRM}
    trial_id = confirming.get(asked, asked)
    labels = {draw["label"]: name for name, draw in reversed(draws.items())}
    draw = draws.get(trial_id) or draws.get(labels.get(asked, ""))
    if draw is None:
        close = close_to(asked, [schema.BEST, *draws, *labels]) or "."
        raise schema.UserError(
            f"ablate.to is '{shorten(asked)}', no trial of the search{close} {_front_in_words(study, journal)}"
        )
    return dict(draw["params"]), f"{draw['trial_id']}, as asked for"


def _front_in_words(study: StudyConfig, journal: Journal) -> str:
    ends = dominance.front([*journal.final_ends(schema.SEARCH), *journal.learned_ends], study.objectives)
    shown = [f"{end['trial_id']} ({end['label']})" for end in reversed(ends)]
    more = "; ..." if len(shown) > MOST_NAMED else ""
    return f"On the front: {'; '.join(shown[:MOST_NAMED])}{more}" if shown else "No trial has completed yet"


def _both_ends(study: StudyConfig, journal: Journal) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Start, target, and why that is the target."""
    start = named_baseline(study, study.ablate.start)
    target, why = target_of(study, journal)
    if start == target:
        raise schema.UserError(
            f"ablate: the path begins and ends at {space.label(start)} ({why}): name another point under ablate.to, or "
            f"another baseline under ablate.from. {_front_in_words(study, journal)}"
        )
    return start, target, why


# --- the path ---
def choose(study: StudyConfig, journal: Journal, found: Believed | None) -> dict[str, Any]:
    """The path as it goes on record. found: what is believed of the search. Raises UserError."""
    seeds = seeds_of(study)
    start, target, why = _both_ends(study, journal)
    belief = None if found is None else found.belief
    without = None if belief else "it could not be fitted" if found is None else found.without
    eyes = _Eyes(study, belief, target)
    steps = walk(study, start, target, eyes.best)
    bytes_of = FORMULAS[schema.SUPPORT_BYTES](study)
    rows = [
        {
            "points": _points_of(journal, step.params),
            "label": space.label(step.params),
            "method": step.params["method"],
            "params": step.params,
            "changes": [change._asdict() for change in step.changes],
            "support_bytes": bytes_of(step.params),
            **({"believed": expected} if (expected := eyes.expected(step.params)) else {}),
        }
        for step in steps
    ]
    return {
        "from": study.ablate.start,
        "to": study.ablate.to,
        "why": why,
        "without": without,
        "searched": len(journal.final_ends(schema.SEARCH)),
        "seeds": list(seeds),
        "epochs": study.confirm.epochs or study.train.epochs,
        "steps": rows,
    }


class _Eyes:
    """Points as the model sees them: a choice that the space does not have is looked at as if it were the target's."""

    def __init__(self, study: StudyConfig, belief: Belief | None, target: Point) -> None:
        self._study, self._belief, self._target = study, belief, target

    def best(self, points: Sequence[Point]) -> int:
        """Which of them is expected to be most accurate; the first of equal ones, of those that cannot be judged and
        without a model."""
        seen = [(i, c) for i, point in enumerate(points) if (c := self._candidate(point)) is not None]
        if self._belief is None or not seen:
            return 0
        costs_C = self._belief.of([c for _, c in seen]).mean_CM[:, self._belief.bounded.place]
        return seen[int(np.argmin(costs_C))][0]

    def expected(self, point: Point) -> dict[str, float] | None:
        """See `schema.BAND`."""
        if self._belief is None or (candidate := self._candidate(point)) is None:
            return None
        believed = self._belief.of([candidate])
        return band(self._belief, believed.mean_CM[0], believed.deviation_CM[0])

    def _candidate(self, point: Point) -> Candidate | None:
        if self._belief is None:
            return None
        known = {
            name: self._target.get(name, value) if isinstance(spec, tuple) and value not in spec else value
            for name, value in point.items()
            for spec in [self._study.space.get(name)]
        }
        return again(self._belief.question.space, known)


def _points_of(journal: Journal, params: Point) -> list[str]:
    """Ids under which trials of a point may be on record."""
    drawn = (draw for draw in journal.draws if draw["duplicate_of"] is None)
    same = [line["trial_id"] for line in (*journal.learned, *drawn) if line["params"] == dict(params)]
    return [*same, own_point(params)]


# --- on record ---
def on_record(folder: Path) -> list[Recorded]:
    """The paths so far, the newest last. Raises DamagedFile."""
    found = schema.read_ablation(folder)
    return [] if found is None else found["paths"]


def current(study: StudyConfig, journal: Journal, believe: Any) -> Recorded:
    """The path that the stage takes, on disk: that on record, with the seeds of now, or a new one.

    believe: gives what is believed of the search now. Raises UserError; OSError from the disk.
    """
    paths = on_record(journal.folder)
    before = _asked_before(study, paths)
    if before is not None and _stands(study, journal, before):
        path: Recorded = {**before, "seeds": list(seeds_of(study))}
    else:
        path = choose(study, journal, believe())
        replaced = before is not None and not _begun(journal, before)
        before = before if replaced or (before and before["steps"] == path["steps"]) else None
    _write(journal.folder, [*(one for one in paths if one is not before), path])
    return path


def check(study: StudyConfig, journal: Journal) -> None:
    """Refuse what `current` would, before the session is on record. Raises UserError."""
    seeds_of(study)
    before = _asked_before(study, on_record(journal.folder))
    if not journal.damage and (before is None or not _stands(study, journal, before)):
        _both_ends(study, journal)


def _asked_before(study: StudyConfig, paths: Sequence[Recorded]) -> Recorded | None:
    asked = study.ablate.start, study.ablate.to
    return next((path for path in reversed(paths) if (path["from"], path["to"]) == asked), None)


def _stands(study: StudyConfig, journal: Journal, path: Recorded) -> bool:
    """Whether it is in the middle, or the search knows no more than it did."""
    if not is_whole(journal, path):
        return _begun(journal, path)
    searched = len(journal.final_ends(schema.SEARCH))
    ends = [path["steps"][place]["params"] for place in (0, -1)]
    now_meant = [named_baseline(study, study.ablate.start), target_of(study, journal)[0]]
    return bool(path["searched"] == searched and ends == now_meant)


def _write(folder: Path, paths: Sequence[Recorded]) -> None:
    content = {"schema": schema.SCHEMA_VERSION, "time": now(), "paths": list(paths)}
    text = json.dumps(plain(content), indent=1) + "\n"
    schema.files.write_atomically(folder / schema.ABLATION_FILE, text)


def _begun(journal: Journal, path: Recorded) -> bool:
    names = {own_point(step["params"]) for step in path["steps"]}
    lines: Iterable[Mapping[str, Any]] = (*journal.reports, *journal.ends.values())
    return any(line["trial_id"].rpartition("-")[0] in names for line in lines if line["stage"] == schema.ABLATE)


def is_whole(journal: Journal, path: Recorded) -> bool:
    """Whether all its trials have ended."""
    return all(journal.ended(trial_id(step["params"], seed)) for seed, step in _wanting(journal, path))


# --- its trials ---
def trial_id(params: Point, seed: int) -> str:
    return f"{own_point(params)}-{seed}"


def _wanting(journal: Journal, path: Recorded) -> list[tuple[int, Recorded]]:
    """Seeds and steps that the confirm stage has not trained, seed by seed."""
    done = {
        (end["point"], end["seed"])
        for end in journal.final_ends(schema.CONFIRM)
        if end["status"] == schema.COMPLETED and end["max_epochs"] == path["epochs"]
    }
    pairs = itertools.product(path["seeds"], path["steps"])
    return [(seed, step) for seed, step in pairs if not any((point, seed) in done for point in step["points"])]


def tasks(study: StudyConfig, journal: Journal, paths: Sequence[Recorded]) -> list[Task]:
    """The trials of these paths, each once, without what the confirm stage has trained."""
    lines = (*journal.reports, *journal.ends.values())
    numbers = {line["trial_id"]: line["number"] for line in lines if line["stage"] == schema.ABLATE}
    free = (number for number in itertools.count() if number not in numbers.values())
    found: dict[str, Task] = {}
    for path in paths:
        for seed, step in _wanting(journal, path):
            name = trial_id(step["params"], seed)
            if name not in found:
                number = numbers[name] if name in numbers else next(free)
                found[name] = _task(study, step["params"], seed, number)
    return list(found.values())


def _task(study: StudyConfig, params: Point, seed: int, number: int) -> Task:
    run = space.to_run(study, dict(params), seed=seed, epochs=study.confirm.epochs)
    return Task(
        stage=schema.ABLATE,
        trial_id=trial_id(params, seed),
        number=number,
        label=space.label(dict(params)),
        method=run.method,
        seed=seed,
        max_epochs=run.train.epochs,
        params=dict(params),
        run=run.model_dump(mode="json"),
        point=own_point(params),
        baseline=stages.is_baseline(study, params),
        extra={"linear_epochs": study.confirm.linear_epochs} if study.confirm.enabled else {},
    )


def outcome(journal: Journal, path: Recorded) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Of each step what was switched, and the metrics of its completed trials, one a seed."""
    done: dict[tuple[str, int], Mapping[str, Any]] = {}
    for end in (*journal.final_ends(schema.ABLATE), *journal.final_ends(schema.CONFIRM)):
        if end["status"] == schema.COMPLETED and end["max_epochs"] == path["epochs"]:
            done[end["point"], end["seed"]] = end["metrics"]
    rows = []
    for step in path["steps"]:
        by_seed = {seed: done[p, seed] for p in reversed(step["points"]) for seed in path["seeds"] if (p, seed) in done}
        rows.append(("; ".join(map(change_in_words, step["changes"])) or step["label"], list(by_seed.values())))
    return rows


def in_words(path: Recorded) -> list[str]:
    """The path for the terminal, a line a step."""
    first, last = path["steps"][0]["label"], path["steps"][-1]["label"]
    how = "the order as the model expects most" if path["without"] is None else f"without a model: {path['without']}"
    lines = [f"Ablation from {first} to {last} ({path['why']}), {how}:"]
    for number, step in enumerate(path["steps"][1:], 1):
        lines.append(f"  {number}. {'; '.join(map(change_in_words, step['changes']))}")
    return lines


def change_in_words(change: Mapping[str, Any]) -> str:
    """`k: 50 -> 98`, `k = 400` where it comes, `without k` where it goes."""
    before, after = (f"{v:.3g}" if isinstance(v, float) else v for v in (change["before"], change["after"]))
    if before is None:
        return f"{change['name']} = {after}"
    return f"without {change['name']}" if after is None else f"{change['name']}: {before} -> {after}"

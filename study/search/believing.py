"""What a model makes of the search's trials, written down: `belief.json`, and `next.yaml` for the point to try next.

The model is that of the sampler `front` (`front.belief`), fitted to the trials of any search: the accuracy at full
budget of each trial and over the sizes of each method, and the new point of the largest expected gain. Both files are
written whole; what they say follows from the journal and the study alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from optuna.distributions import CategoricalDistribution

from study import schema
from study.record.journal import Journal, now, plain
from study.search import confirming, stages
from study.search.front.belief import RUNNING, UNFINISHED, Belief, Seen
from study.search.front.candidates import Candidate, again, at_share, random_candidates
from study.search.front.propose import RANDOM, best_of
from study.search.front.question import FORMULAS, question_of
from study.settings import space
from study.settings.config import StudyConfig
from trainables import dominance
from trainables.settings import edge
from trainables.settings.config import RunConfig
from trainables.settings.run_file import with_preset

Z_95 = 1.959964
SIZES, BEST, OTHERS = 16, 10, 10
"""Of a curve: values of the setting that decides the size, and points from which all else is taken: those that are
expected to be most accurate, and some of the others."""
MOST_SIZES = 60
"""Of a curve in the file."""


class Believed(NamedTuple):
    """A study's search as the model sees it."""

    rows: Sequence[Mapping[str, Any]]
    """The trials, by number, without what the model says: see `schema.BELIEF`."""
    seen: list[Seen]
    ends: Sequence[Mapping[str, Any]]
    belief: Belief | None
    pool: list[Candidate]
    without: str | None
    """Why there is no model."""

    @property
    def expected(self) -> dict[str, tuple[float, ...]] | None:
        """As `confirming.expected_costs`; None without a model."""
        return None if self.belief is None else confirming.expected_of(self.belief, self.ends)


def look(study: StudyConfig, journal: Journal) -> Believed:
    """Fit the model to what the journal holds."""
    ends = stages.to_choose_from(study, journal.final_ends(schema.SEARCH), journal.learned_ends)
    others = [(draw, _state(journal, draw)) for draw in journal.draws if _waits(journal, draw)]
    states = {"paused": UNFINISHED, "running": RUNNING}
    seen = confirming.seen_of(
        ends, (*journal.reports, *journal.learned_reports), [(draw, states[state]) for draw, state in others]
    )
    rows = [*map(_row_of_end, ends), *(_row(draw, state, journal) for draw, state in others)]
    bytes_of = FORMULAS[schema.SUPPORT_BYTES](study)
    known = [{n: v for n, v in one.params.items() if n in space.PARAMETERS} for one in seen]  # a damaged line's are not
    rows = [{**row, "costs": {schema.SUPPORT_BYTES: bytes_of(point)}} for row, point in zip(rows, known, strict=True)]
    pool: list[Candidate] = []
    try:
        question = question_of(study)
        pool = random_candidates(question.space, np.random.default_rng(study.search.seed), RANDOM)
        belief = Belief(question, seen, pool)
    except ValueError as error:  # numpy's LinAlgError is one
        return Believed(rows, seen, ends, None, pool, str(error).splitlines()[0])
    return Believed(rows, seen, ends, belief, pool, None)


def _waits(journal: Journal, draw: Mapping[str, Any]) -> bool:
    return draw["duplicate_of"] is None and not journal.ended(draw["trial_id"])


def _state(journal: Journal, draw: Mapping[str, Any]) -> str:
    trial_id = draw["trial_id"]
    until = next((line["until"] for line in reversed(journal.turns) if line["trial_id"] == trial_id), math.inf)
    return "paused" if journal.whole_until(trial_id) >= until else "running"


def _row_of_end(end: Mapping[str, Any]) -> dict[str, Any]:
    states = {schema.COMPLETED: "finished", schema.STOPPED: "stopped"}
    return {
        "trial_id": end["trial_id"],
        "state": states.get(end["status"], "failed"),
        "epochs": end["epochs"],
        "observed": end["metrics"].get(schema.ACCURACY),
        "label": end["label"],
        "method": end["method"],
    }


def _row(draw: Mapping[str, Any], state: str, journal: Journal) -> dict[str, Any]:
    last = max(journal.reports_of(draw["trial_id"]), key=lambda line: line["epoch"], default={})
    return {
        "trial_id": draw["trial_id"],
        "state": state,
        "epochs": last.get("epoch", 0),
        "observed": last.get(schema.ACCURACY),
        "label": draw["label"],
        "method": draw["params"]["method"],
    }


# --- the files ---
def write(study: StudyConfig, folder: Path, found: Believed) -> None:
    """Both files of a results folder. Raises OSError."""
    ahead = _next(study, found) if found.belief else None
    content = {
        "schema": schema.SCHEMA_VERSION,
        "time": now(),
        "without": found.without,
        "trials": _trials(found),
        "curves": _curves(study, found),
        "choices": _choices(study, found, _confirms_per_method(folder)),
        **({"next": ahead} if ahead else {}),
    }
    text = json.dumps(plain(content), indent=1) + "\n"
    if ahead:
        schema.files.write_atomically(folder / schema.NEXT_FILE, _run_file(study, ahead))
    else:
        (folder / schema.NEXT_FILE).unlink(missing_ok=True)
    schema.files.write_atomically(folder / schema.BELIEF_FILE, text)


def _trials(found: Believed) -> list[dict[str, Any]]:
    rows = {row["trial_id"]: dict(row) for row in found.rows}
    if found.belief is not None:
        question = found.belief.question
        candidates = [again(question.space, one.params) for one in found.seen]
        placed = [(row, c) for row, c in zip(rows.values(), candidates, strict=True) if c is not None]
        believed = found.belief.of([c for _, c in placed])
        for i, (row, _) in enumerate(placed):
            row["believed"] = band(found.belief, believed.mean_CM[i], believed.deviation_CM[i])
            row["costs"] = _costs(found.belief, believed.mean_CM[i]) | row["costs"]
    return sorted(rows.values(), key=lambda row: row["trial_id"])


def _costs(belief: Belief, mean_M: np.ndarray) -> dict[str, float]:
    """What is expected of the objectives beside accuracy."""
    return {
        name: _unscaled(mean_M[m], name, sense)
        for m, (name, sense) in enumerate(belief.question.objectives.items())
        if name != schema.ACCURACY
    }


def _unscaled(cost: float, name: str, sense: str) -> float:
    """A scaled cost as a value of its objective."""
    value = float(cost) * (-1.0 if sense == "max" else 1.0)
    return 10.0**value - 1.0 if schema.OBJECTIVES[name].log else value


def band(belief: Belief, mean_M: np.ndarray, deviation_M: np.ndarray) -> dict[str, float]:
    """Accuracy, %: see `schema.BAND`. The model's scale is that of the error's logarithm."""
    place = belief.bounded.place
    steps = np.array([0.0, 1.0, -1.0, Z_95, -Z_95])
    accuracy = -belief.bounded.cost(mean_M[place] + steps * deviation_M[place])
    return dict(zip(schema.BAND, np.clip(accuracy, 0.0, 100.0).tolist(), strict=True))


def _confirms_per_method(folder: Path) -> bool:
    """As the folder's manifest says."""
    there = (folder / schema.MANIFEST_FILE).exists()
    return bool(there and schema.read_manifest(folder).get("per_method", False))


def _choices(study: StudyConfig, found: Believed, per_method: bool) -> dict[str, list[str]]:
    """What each setting of confirm.choose takes of the front; baselines are confirmed besides."""
    costs = {"observed": None} | ({} if (expected := found.expected) is None else {"model": expected})
    most = study.confirm.max_points
    taken = {
        name: stages.chosen(found.ends, study.objectives, most, each, per_method, study.wanted_limits)
        for name, each in costs.items()
    }
    return {name: [end["trial_id"] for end in ends] for name, ends in taken.items()}


# --- accuracy over bytes ---
def _curves(study: StudyConfig, found: Believed) -> list[dict[str, Any]]:
    if found.belief is None:
        return []
    belief, bytes_of = found.belief, FORMULAS[schema.SUPPORT_BYTES](study)
    tried = [c for one in found.seen if (c := again(belief.question.space, one.params)) is not None]
    curves = []
    for method in space.methods_of(study):
        models = [c for c in [*tried, *found.pool] if c.point["method"] == method]
        if not models:
            continue
        order = np.argsort(belief.of(models).mean_CM[:, belief.bounded.place], kind="stable")
        taken = [*order[:BEST], *order[BEST :: max(1, (len(order) - BEST) // OTHERS)]]
        candidates = [c for i in taken for c in _resized(belief, method, models[i])]
        size_C = np.array([bytes_of(c.point) for c in candidates])
        believed = belief.of(candidates)
        best = _best_of_each_size(size_C, believed.mean_CM[:, belief.bounded.place])
        sizes = [
            {
                "label": space.label(candidates[i].point),
                "method": method,
                "costs": _costs(belief, believed.mean_CM[i]) | {schema.SUPPORT_BYTES: float(size_C[i])},
                "believed": band(belief, believed.mean_CM[i], believed.deviation_CM[i]),
            }
            for i in best
        ]
        curves.append({"method": method, "sizes": sizes})
    return curves


def _resized(belief: Belief, method: str, candidate: Candidate) -> list[Candidate]:
    """The candidate with each value of the setting that decides how many vectors its support set holds."""
    kind = schema.SUPPORT_KINDS[schema.METHODS[method].support]
    name = next((name for name, setting in kind.settings.items() if setting == kind.size), None)
    distribution = candidate.distributions.get(name or "")
    if name is None or distribution is None:
        return [candidate]
    if isinstance(distribution, CategoricalDistribution):
        values = list(distribution.choices)
    else:
        values = list(dict.fromkeys(at_share(distribution, share) for share in np.linspace(0, 1, SIZES)))
    found = (again(belief.question.space, {**candidate.params, name: value}) for value in values)
    return [one for one in found if one is not None]


def _best_of_each_size(size_C: np.ndarray, cost_C: np.ndarray) -> list[int]:
    """By rising size; sizes so close that a curve needs no more of them count as one."""
    digits = np.unique(size_C)
    place_C = np.searchsorted(digits, size_C)
    if len(digits) > MOST_SIZES:
        log_C = np.log10(1.0 + size_C)
        place_C = np.round((MOST_SIZES - 1) * (log_C - log_C.min()) / np.ptp(log_C)).astype(int)
    best: dict[int, int] = {}
    for i in np.argsort(cost_C, kind="stable"):
        best.setdefault(int(place_C[i]), int(i))
    return [best[place] for place in sorted(best)]


# --- what is worth trying next ---
def _next(study: StudyConfig, found: Believed) -> dict[str, Any] | None:
    """The new point of the largest expected gain; None if none is expected to gain anything."""
    belief = found.belief
    assert belief is not None
    try:
        generator = np.random.default_rng(study.search.seed)
        candidate = best_of(belief, found.seen, found.pool, generator).candidate
        space.to_run(study, candidate.point, seed=study.seed)
    except ValueError:  # nothing gains, or settings that exclude each other
        return None
    believed = belief.of([candidate])
    gain = float(belief.gains(believed)[0])
    volume = sum(dominance.hypervolume(*box) for box in belief.boxes.values())
    return {
        "label": space.label(candidate.point),
        "method": candidate.point["method"],
        "params": dict(candidate.point),
        "costs": _costs(belief, believed.mean_CM[0])
        | {schema.SUPPORT_BYTES: FORMULAS[schema.SUPPORT_BYTES](study)(candidate.point)},
        "gain": gain,
        "believed": band(belief, believed.mean_CM[0], believed.deviation_CM[0]),
        **({"share": gain / volume} if volume > 0 else {}),
    }


def _run_file(study: StudyConfig, ahead: Mapping[str, Any]) -> str:
    """The point as a file for `python -m trainables.pretrain`: what differs from the defaults."""
    run = space.to_run(study, ahead["params"], seed=study.seed).model_dump(mode="json")
    default = edge.flatten(edge.validate(RunConfig, with_preset({"preset": run["preset"]}), "").model_dump(mode="json"))
    named = ("preset", "method")
    own = {name: value for name, value in edge.flatten(run).items() if name in named or default.get(name) != value}
    head = f"# The point of {study.name} that is most worth trying next: {ahead['label']}.\n"
    body: str = yaml.safe_dump(edge.unflatten(own.items()), sort_keys=False, allow_unicode=True)
    return head + body

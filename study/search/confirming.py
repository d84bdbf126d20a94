"""What a model expects of the search's trials, so that a lucky seed does not cost a place in the confirm stage.

The search trains every point once; the luckiest of many points lies above its own expected value. The model of the
sampler `front` (`front.belief`), with the noise of a single run left out, draws such a point back to what its like did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from study import schema
from study.search.front.belief import FAILED, FINISHED, UNFINISHED, Belief, Question, Seen
from study.search.front.candidates import again
from trainables.vocabulary.metrics_and_objectives import ACCURACY
from trainables.vocabulary.stages_and_statuses import COMPLETED, UNSUCCESSFUL


def expected_costs(
    question: Question, ends: Sequence[Mapping[str, Any]], reports: Iterable[Mapping[str, Any]]
) -> dict[str, tuple[float, ...]]:
    """Of the completed search trials whose point the space holds: the costs (scaled, an accuracy negative) that the
    model expects, without the noise of one run; what follows from the settings is exact.

    Raises ValueError or LinAlgError if no model can be fitted.
    """
    return expected_of(Belief(question, seen_of(ends, reports), []), ends)


def expected_of(belief: Belief, ends: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, ...]]:
    """The same of a belief that is there."""
    space = belief.question.space
    done = [end for end in ends if end["status"] == COMPLETED]
    placed = [(end["trial_id"], c) for end in done if (c := again(space, end["params"])) is not None]
    mean_CM = belief.of([candidate for _, candidate in placed]).mean_CM
    return {trial_id: tuple(row) for (trial_id, _), row in zip(placed, mean_CM.tolist(), strict=True)}


def seen_of(
    ends: Sequence[Mapping[str, Any]],
    reports: Iterable[Mapping[str, Any]],
    others: Sequence[tuple[Mapping[str, Any], str]] = (),
) -> list[Seen]:
    """The search's trials as the model sees them: those that have ended, then `others`, each with its line of
    draws.jsonl and its state."""
    epochs: dict[str, dict[int, Mapping[str, Any]]] = {}
    for line in reports:
        if line["stage"] == schema.SEARCH:
            epochs.setdefault(line["trial_id"], {})[line["epoch"]] = line
    ended = [_ended(end, epochs.get(end["trial_id"], {})) for end in ends]
    return [*ended, *(_unfinished(draw, state, epochs.get(draw["trial_id"], {})) for draw, state in others)]


def _ended(end: Mapping[str, Any], reports: Mapping[int, Mapping[str, Any]]) -> Seen:
    state = FINISHED if end["status"] == COMPLETED else FAILED if end["status"] in UNSUCCESSFUL else UNFINISHED
    curve = _curve(reports)
    last = _values(end["metrics"])
    if state == FINISHED:
        curve = [*curve[:-1], _number(last.get(ACCURACY))]
    return Seen(end["params"], state, curve, last)


def _unfinished(draw: Mapping[str, Any], state: str, reports: Mapping[int, Mapping[str, Any]]) -> Seen:
    return Seen(draw["params"], state, _curve(reports), _values(reports[max(reports)] if reports else {}))


def _curve(reports: Mapping[int, Mapping[str, Any]]) -> list[float]:
    return [_number(reports.get(epoch, {}).get(ACCURACY)) for epoch in range(1, max(reports, default=0) + 1)]


def _values(metrics: Mapping[str, Any] | None) -> dict[str, float]:
    return {name: np.nan if value is None else value for name, value in (metrics or {}).items()}


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)

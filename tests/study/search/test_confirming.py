"""What a model expects of the search's trials: a lucky run is drawn back to its like, bytes are exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from study.search import confirming, stages
from study.search.front.belief import Question
from tests.helpers.front_helpers import BOTH, EPOCHS, bytes_of, curve, suggest

QUESTION = Question(suggest, bytes_of, BOTH, EPOCHS)
LUCKY, LUCK = 7, 8.0


def searched(noise: float, seed: int = 0) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """24 trials, of which one is lucky at the end and the last was stopped."""
    ends, reports, generator = [], [], np.random.default_rng(seed)
    for number in range(24):
        x, k = generator.random(), int(10 ** generator.uniform(0, 3))
        params = {"kind": "with", "x": 0.4 if number == LUCKY else x, "k": 100 if number == LUCKY else k}
        values = np.array(curve(params)) + noise * generator.standard_normal() + LUCK * (number == LUCKY)
        values = values[: 9 if number == 23 else EPOCHS]
        lines = [{"accuracy": float(v), **bytes_of(params)} for v in values]
        shared = {"stage": "search", "trial_id": f"search-{number:04d}", "number": number}
        reports += [{**shared, "epoch": e, **line} for e, line in enumerate(lines, 1)]
        status = "stopped" if number == 23 else "completed"
        ends.append({**shared, "status": status, "params": params, "metrics": lines[-1], "baseline": False})
    return ends, reports


def test_the_models_front_holds_less_luck_than_the_observed() -> None:
    """By how much the search's values lie above what the world holds, in 8 searches."""

    def luck(points: list[Any]) -> float:
        return float(np.mean([e["metrics"]["accuracy"] - curve(e["params"])[-1] for e in points]))

    observed, believed, taken = [], [], []
    for seed in range(8):
        ends, reports = searched(noise=0.5, seed=seed)
        expected = confirming.expected_costs(QUESTION, ends, reports)
        assert len(expected) == 23
        fronts = [stages.confirm_points(ends, BOTH, 24, (), costs) for costs in (None, expected)]
        observed.append(luck(fronts[0]))
        believed.append(luck(fronts[1]))
        taken.append([f"search-{LUCKY:04d}" in [end["trial_id"] for end in front] for front in fronts])
    assert np.sum(taken, 0)[0] == 8
    assert np.sum(taken, 0)[1] < 8
    assert np.mean(believed) < 0.8 * np.mean(observed)
    assert all(b < o + 1e-9 for b, o in zip(believed, observed, strict=True))


def test_the_same_trials_give_the_same_costs_and_bytes_are_exact() -> None:
    ends, reports = searched(noise=0.5)
    expected = confirming.expected_costs(QUESTION, ends, reports)
    assert expected == confirming.expected_costs(QUESTION, ends, reports)
    for end in ends[:-1]:
        scaled = QUESTION.metrics["support_bytes"].scaled(end["metrics"]["support_bytes"])
        assert expected[end["trial_id"]][1] == pytest.approx(scaled)


def test_points_outside_the_space_and_failed_trials_have_no_costs() -> None:
    ends, reports = searched(noise=0.5)
    ends[0]["params"] = {"kind": "elsewhere", "x": 0.5}
    ends[1] |= {"status": "failed", "metrics": None}
    reports = [line for line in reports if line["number"] != 1]
    expected = confirming.expected_costs(QUESTION, ends, reports)
    assert set(expected) == {end["trial_id"] for end in ends[2:-1]}


def test_too_few_trials_have_no_model() -> None:
    ends, reports = searched(noise=0.5)
    with pytest.raises(ValueError, match="1 trials have reported"):
        confirming.expected_costs(QUESTION, ends[:1], reports)

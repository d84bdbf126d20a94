"""Points of a define-by-run space: drawn, read back, moved."""

from typing import Any

import numpy as np
import pytest

from study.search.front.candidates import again, at_share, mutated, random_candidates, share_of
from study.settings import space
from study.settings.loading import load_study

STUDY = load_study("configs/pareto.yaml").study
DEFINED = space.define(STUDY)


def _allowed(params: dict[str, Any]) -> bool:
    """Whether exactly the parameters that apply are there, each within its bounds."""
    names = {name for name in STUDY.space if space.applies(STUDY, name, params)}
    inside = [
        value in spec if isinstance(spec := STUDY.space[name], tuple) else spec.low <= value <= spec.high
        for name, value in params.items()
    ]
    return set(params) == names and all(inside)


def test_random_candidates_are_points_of_the_space_and_of_every_arm() -> None:
    drawn = random_candidates(DEFINED, np.random.default_rng(0), 200)
    assert all(_allowed(c.params) for c in drawn)
    assert {c.params["method"] for c in drawn} == set(STUDY.space["method"])
    assert random_candidates(DEFINED, np.random.default_rng(0), 5) == drawn[:5]


@pytest.mark.parametrize("step", [0.01, 0.3])
def test_children_are_points_of_the_space_and_a_small_step_stays_near(step: float) -> None:
    generator = np.random.default_rng(1)
    parent = random_candidates(DEFINED, generator, 1)[0]
    children = [mutated(DEFINED, generator, parent, step) for _ in range(200)]
    assert all(_allowed(c.params) for c in children)
    moved = [
        abs(share_of(d, c.params["temperature"]) - share_of(d, parent.params["temperature"]))
        for c in children
        if (d := c.distributions["temperature"]) is not None
    ]
    assert 0 < np.mean(moved) < step


def test_a_trial_is_read_back_and_what_the_space_has_not_is_refused() -> None:
    drawn = random_candidates(DEFINED, np.random.default_rng(2), 20)
    assert [again(DEFINED, c.params) for c in drawn] == drawn
    assert again(DEFINED, {**drawn[0].params, "method": "byol"}) is None
    assert again(DEFINED, {}) is None


def test_shares_of_a_range() -> None:
    class Asked:
        low, high, step, log = 1.0, 100.0, None, True

    assert at_share(Asked, 0.5) == pytest.approx(10.0)
    assert share_of(Asked, 10.0) == pytest.approx(0.5)

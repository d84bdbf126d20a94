"""Power: against simulated studies."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.results.intervals import compared
from analysis.results.power import POWER, power_of, seeds_needed


@pytest.mark.parametrize(
    ("n", "effect", "confidence"), [(2, 6.0, 0.95), (3, 2.0, 0.95), (5, 1.5, 0.99), (20, 0.7, 0.95)]
)
def test_power_is_the_share_of_simulated_studies_that_see_the_effect(n, effect, confidence):
    rng, seen, studies = np.random.default_rng(n), 0, 1500
    choices = round(0.05 / (1 - confidence))
    for _ in range(studies):
        found = compared(
            {"a": dict(enumerate(rng.normal(effect, 1, n)))}, dict.fromkeys(range(n), 0.0), choices=choices
        )
        seen += found["a"].low > 0
    assert seen / studies == pytest.approx(float(power_of(np.array([n]), effect, 1.0, confidence)[0]), abs=0.04)


def test_the_number_of_seeds_is_the_smallest_that_suffices():
    n = seeds_needed(-0.5, 1.0)
    below, enough = power_of(np.array([n - 1, n]), 0.5, 1.0)
    assert n == 34  # as in tables of the paired t test for d = 0.5
    assert below < POWER <= enough
    assert seeds_needed(100.0, 1.0) == 2


@pytest.mark.parametrize(
    ("effect", "deviation"), [(0.0, 1.0), (1.0, 0.0), (math.nan, 1.0), (1.0, math.nan), (0.001, 1.0)]
)
def test_no_number_where_none_is_known_or_it_is_beyond_reach(effect, deviation):
    assert seeds_needed(effect, deviation) is None

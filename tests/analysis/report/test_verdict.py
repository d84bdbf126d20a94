"""The verdict: yes, no, or how many seeds would tell."""

from __future__ import annotations

import re

import numpy as np
import pytest

from analysis.report.verdict import verdict

QUEUE = {1: 50.0, 2: 50.5, 3: 49.8}


def said(*points: tuple[float, ...], share: float = 0.99) -> str:
    samples = {f"k{i}": {s: QUEUE[s] * r for s, r in enumerate(ratios, 1)} for i, ratios in enumerate(points)}
    return verdict(samples, QUEUE, share, len(points), "prototypes reach it")


def test_yes_where_one_point_lies_above():
    assert said((1.02, 1.021, 1.019), (0.8, 0.81, 0.8)) == "Yes: prototypes reach it, with n = 3 seeds."


def test_no_only_where_all_points_lie_below():
    below = said((0.90, 0.901, 0.899), (0.8, 0.801, 0.8))
    assert below == "No: it is not so that prototypes reach it, with n = 3 seeds."
    assert said((0.99, 1.05, 0.95), (0.5, 0.501, 0.5)).startswith("It cannot be told")


def test_the_number_of_seeds_would_tell_in_simulation():
    text = said((1.00, 1.02, 0.985))
    assert text.startswith("It cannot be told whether prototypes reach it with n = 3 seeds; about ")
    m, ratios = int(re.search(r"about (\d+) would", text)[1]), np.log([1.00, 1.02, 0.985])
    rng, yes = np.random.default_rng(4), 0
    queue = dict.fromkeys(range(m), 50.0)
    for _ in range(400):
        drawn = np.exp(rng.normal(ratios.mean(), ratios.std(ddof=1), m))
        yes += verdict({"k": dict(enumerate(50 * drawn))}, queue, 0.99, 1, "so").startswith("Yes")
    assert yes / 400 == pytest.approx(0.8, abs=0.07)


def test_one_seed_and_no_seed_in_common():
    assert said((1.0,)).endswith("n = 1 seed, fewer than 3; how much seeds scatter is not known.")
    assert verdict({"k": {9: 50.0}}, QUEUE, 0.99, 1, "so") == ""

"""A made-up world of learning curves over the space of `configs/pareto.yaml`, for `benchmarks.search_strategies`.

Nothing here was measured but the anchors; it says what a search would gain *if* trials behaved like this:

- Final accuracy saturates in the size of the support set: prototypes lose 2.3 * (50 / k)^0.75 points against many of
  them, a queue 3 * (1024 / rows)^0.5. The ceilings, 57.0 and 57.6 %, and the loss at k = 50 are anchored in the
  original study's table (54.7, 56.1, 56.9 % at k = 50, 200, 400; 57.6 % with 98,304 rows).
- Temperature costs 1.2 points per squared octave from its best value, which is 0.1 for a queue and 0.1 * (400 / k)^0.15
  for prototypes. Forgetting every 1, 3, 10 epochs costs 0.8, 0, 0.6 points; a half-life 0.25 points per squared decade
  from 100 steps, moving averages 0.3 in all. int8 rows cost 0.15 points; 16 bits are free. (Assumed.)
- A run has its luck: 0.3 points (SD) at the end; the search sees it, the score does not.
- A curve rises as 1 - exp(-(e / tau)^0.6) from 1 %; tau is between 4 and 8 % of the budget and shorter at low
  temperature, so curves cross. Each run also has an early deviation that fades, `early` points (SD) at the start, and
  each evaluation noise of 0.4 points (5,000 validation images).

`early` sets how well a rung foretells the end; the rank correlations that it gives are measured and reported.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from study.settings.loading import load_study
from study.settings.space import define, grid_points, random_point

DIMENSIONS = 256
CENTROID_BYTES = {"float32": 4, "float16": 2}
ROW_BYTES = {"float32": 4 * DIMENSIONS, "float16": 2 * DIMENSIONS, "int8": DIMENSIONS + 16}
Point = tuple[tuple[str, Any], ...]


def final_accuracy(params: Mapping[str, Any]) -> float:
    """Expected accuracy after the full budget, %."""
    octaves = math.log2(params["temperature"] / best_temperature(params))
    if params["method"] == "kmclr":
        loss = 2.3 * (50 / params["k"]) ** 0.75
        if params["prototype_update"] == "count":
            loss += {1: 0.8, 3: 0.0, 10: 0.6}[params["forget_every"]]
        else:
            loss += 0.3 + 0.25 * math.log10(params["half_life"] / 100) ** 2
        ceiling = 57.0
    else:
        loss = 3.0 * (1024 / params["queue_size"]) ** 0.5 + 0.15 * (params["queue_dtype"] == "int8")
        ceiling = 57.6
    return max(1.0, ceiling - loss - 1.2 * octaves**2)


def best_temperature(params: Mapping[str, Any]) -> float:
    return 0.1 * (400 / params["k"]) ** 0.15 if params["method"] == "kmclr" else 0.1


def support_bytes(params: Mapping[str, Any]) -> int:
    """Vectors, and counts of prototypes that are averages since the last forgetting."""
    if params["method"] == "kmclr":
        counts = 4 if params["prototype_update"] == "count" else 0
        return params["k"] * (DIMENSIONS * CENTROID_BYTES[params["prototype_dtype"]] + counts)
    return params["queue_size"] * ROW_BYTES[params["queue_dtype"]]


class Synthetic:
    """The world of one seed: a point always has the same curve in it."""

    def __init__(self, seed: int, *, epochs: int, early: float) -> None:
        self.study = load_study("configs/pareto.yaml").study
        self.seed, self.epochs, self.early = seed, epochs, early
        self.space = define(self.study)
        self.finite = False

    def draw(self, trial: Any) -> Point:
        return tuple(self.space(trial).items())

    def grid(self) -> list[Point]:
        return [tuple(point.items()) for point in grid_points(self.study)]

    def random(self, count: int) -> list[Point]:
        generator = np.random.default_rng((self.seed, 1))
        return [tuple(random_point(self.study, generator).items()) for _ in range(count)]

    def truths(self, points: Sequence[Point]) -> np.ndarray:
        return np.array([(final_accuracy(dict(p)), support_bytes(dict(p))) for p in points], dtype=float).reshape(-1, 2)

    def cost(self, point: Point) -> float:
        return float(support_bytes(dict(point)))

    def curve(self, point: Point) -> np.ndarray:
        """What one run reports after each epoch, %."""
        params = dict(point)
        generator = np.random.default_rng((self.seed, *repr(point).encode()))
        end = final_accuracy(params) + 0.3 * generator.standard_normal()
        tau = self.epochs * (0.06 + 0.02 * math.tanh(math.log2(params["temperature"] / 0.1)))
        epoch_E = np.arange(1, self.epochs + 1)
        rise_E = 1 - np.exp(-((epoch_E / tau) ** 0.6))
        rise_E /= rise_E[-1]
        deviation_E = self.early * generator.standard_normal() * (1 - rise_E)
        noise_E = 0.4 * generator.standard_normal(self.epochs)
        return np.clip(1 + (end - 1) * rise_E + deviation_E + noise_E, 0, 100)

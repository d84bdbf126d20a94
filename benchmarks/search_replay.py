"""Replays a search against known learning curves: the study's own sampler and rungs, without training and without Ray.

A world says what can be drawn and what a point's curve is: `Recorded` (a table of real runs), or
`benchmarks.synthetic_curves.Synthetic`. Shape legend: E epochs, N points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import optuna
import pandas as pd
from optuna.trial import TrialState
from scipy import stats

from study.search.scheduling import Rungs
from trainables import dominance

WORKERS = 2
Finished = tuple[Hashable, float]
"""A fully trained point and its last reported accuracy."""


class World(Protocol):
    epochs: int
    finite: bool
    """A table of points, each of which is trained once; else points are drawn from ranges."""

    def draw(self, trial: optuna.Trial) -> Hashable: ...
    def grid(self) -> list[Hashable]: ...
    def truth(self, point: Hashable) -> tuple[float, int]: ...
    def curve(self, point: Hashable) -> np.ndarray: ...


class Recorded:
    """A table of recorded curves (columns of `benchmarks.record_curves`); seeds of one point are averaged."""

    finite = True

    def __init__(self, path: Path, methods: Sequence[str] = ()) -> None:
        table = pd.read_csv(path)
        table = table[table["method"].isin(methods)] if methods else table
        if table.empty:
            raise ValueError(f"{path}: no point of {', '.join(methods) or 'any method'}")
        self.curves: dict[tuple, np.ndarray] = {}
        self.bytes: dict[tuple, int] = {}
        for point, rows in table.groupby(["method", "size", "temperature", "forget_every"]):
            self.curves[point] = rows.groupby("epoch")["accuracy"].mean().sort_index().to_numpy()
            self.bytes[point] = int(rows["support_bytes"].max())
        lengths = {len(curve_E) for curve_E in self.curves.values()}
        if len(lengths) > 1:
            raise ValueError(f"{path}: curves of different lengths, {sorted(lengths)} epochs; record the rest first")
        self.epochs = lengths.pop()
        self.points = sorted(self.curves)
        self.methods = sorted({p[0] for p in self.points})

    def grid(self) -> list[tuple]:
        return list(self.points)

    def truth(self, point: tuple) -> tuple[float, int]:
        return float(self.curves[point][-1]), self.bytes[point]

    def curve(self, point: tuple) -> np.ndarray:
        return self.curves[point]

    def _levels(self, method: str, column: int) -> list[float]:
        return sorted({p[column] for p in self.points if p[0] == method})

    def draw(self, trial: optuna.Trial) -> tuple:
        """The sampler's proposal, moved to the nearest recorded point."""
        method = trial.suggest_categorical("method", self.methods)
        values: list[float] = []
        for column, name in ((1, "size"), (2, "temperature")):
            levels = self._levels(method, column)
            if len(levels) == 1:
                values.append(levels[0])
                continue
            drawn = trial.suggest_float(f"{method}_{name}", levels[0], levels[-1], log=True)
            values.append(min(levels, key=lambda level: abs(math.log(level / drawn))))
        forget = self._levels(method, 3)
        values.append(trial.suggest_categorical(f"{method}_forget", forget) if len(forget) > 1 else forget[0])
        return (method, *values)


MakeSampler = Callable[[int, optuna.Study], optuna.samplers.BaseSampler]
"""(number of the draw, study so far) -> the sampler that draws it."""


@dataclass
class Asker:
    """Points to train, in the order a sampler gives them (None: the grid, shuffled); a point is trained once."""

    world: World
    make_sampler: MakeSampler | None
    seed: int
    told: dict[Hashable, tuple[TrialState, list[float] | None]] = field(default_factory=dict)
    asked: int = 0

    def __post_init__(self) -> None:
        points = self.world.grid() if self.world.finite or self.make_sampler is None else []
        self.order = [points[i] for i in np.random.default_rng(self.seed).permutation(len(points))]
        self.seen: set[Hashable] = set()
        self.study = optuna.create_study(directions=["maximize", "minimize"]) if self.make_sampler else None

    def ask(self) -> tuple[optuna.Trial | None, Hashable] | None:
        for _ in range(5 if self.study else 0):
            self.study.sampler = self.make_sampler(self.asked, self.study)
            self.asked += 1
            trial = self.study.ask()
            point = self.world.draw(trial)
            if point not in self.seen:
                self.seen.add(point)
                return trial, point
            state, values = self.told.get(point, (TrialState.FAIL, None))  # a duplicate costs nothing
            self.study.tell(trial, values, state=state)
        point = next((p for p in self.order if p not in self.seen), None)
        self.seen.add(point)
        return None if point is None else (None, point)

    def tell(self, trial: optuna.Trial | None, point: Hashable, values: list[float], full: bool) -> None:
        state = TrialState.COMPLETE if full else TrialState.PRUNED
        self.told[point] = (state, values if full else None)
        if trial is not None:
            self.study.tell(trial, values if full else None, state=state)


def replay(world: World, asker: Asker, rungs: Rungs | None, budget: int) -> Iterator[Finished | None]:
    """One search of `budget` epochs on two workers: yields, epoch by epoch, the point that it finished, or None."""
    running: list[tuple | None] = [None] * WORKERS
    number = 0
    for spent in range(budget):
        slot = spent % WORKERS
        if running[slot] is None:
            proposal = asker.ask()
            if proposal is None:
                return
            trial, point = proposal
            running[slot] = (trial, point, world.curve(point), 0, number)
            number += 1
        trial, point, curve_E, epoch, own = running[slot]
        epoch += 1
        values = {"accuracy": float(curve_E[epoch - 1]), "support_bytes": float(world.truth(point)[1])}
        full = epoch == len(curve_E)
        goes_on = not full and (rungs is None or rungs.decide(str(own), own, epoch, values))
        running[slot] = (trial, point, curve_E, epoch, own) if goes_on else None
        if not goes_on:
            asker.tell(trial, point, list(values.values()), full)
        yield (point, values["accuracy"]) if full else None


class Score:
    """Hypervolume of what a search found, as a share of the best possible (0-1).

    The front is chosen by what was observed and scored by the truth, as the confirm stage does. Accuracy in % against
    log10 bytes; reference: the lowest accuracy and the most bytes among `points`, which also give the best possible.
    """

    def __init__(self, world: World, points: Sequence[Hashable]) -> None:
        self.world = world
        costs_N2 = np.array([self._cost(p, world.truth(p)[0]) for p in points])
        self.reference = (float(np.quantile(costs_N2[:, 0], 0.9)), float(costs_N2[:, 1].max()) + 1e-9)
        if world.finite:
            self.reference = (float(costs_N2[:, 0].max()) + 1e-9, self.reference[1])
        self.best = dominance.hypervolume(costs_N2, self.reference)

    def _cost(self, point: Hashable, accuracy: float) -> tuple[float, float]:
        return -accuracy, math.log10(1.0 + self.world.truth(point)[1])

    def __call__(self, found: Sequence[Finished]) -> float:
        observed = {self._cost(p, accuracy): p for p, accuracy in reversed(found)}  # of equal ones the earlier
        on_front_N = dominance.on_front(np.array(list(observed)).reshape(-1, 2))
        front = [point for point, kept in zip(observed.values(), on_front_N, strict=True) if kept]
        true_N2 = np.array([self._cost(p, self.world.truth(p)[0]) for p in front]).reshape(-1, 2)
        return dominance.hypervolume(true_N2, self.reference) / self.best


def rank_correlations(world: World, points: Sequence[Hashable], epochs: Sequence[int]) -> list[float]:
    """Spearman's correlation, over points, of the accuracy at each of `epochs` with the last one."""
    curves_NE = np.array([world.curve(p) for p in points])
    return [float(stats.spearmanr(curves_NE[:, e - 1], curves_NE[:, -1]).statistic) for e in epochs]

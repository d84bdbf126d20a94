"""Replays a search against known learning curves: the study's own sampler and rungs, without training and without Ray.

A world says what can be drawn and what a point's curve is: `Recorded` (a table of real runs),
`benchmarks.synthetic_curves.Synthetic` or `benchmarks.lcbench.LCBench`. Shape legend: E epochs, N points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import optuna
import pandas as pd
from optuna.trial import TrialState
from scipy import stats

from benchmarks.search_schedulers import GO, STOP, Scheduler
from trainables import dominance

WORKERS = 2
Finished = tuple[Hashable, float]
"""A fully trained point and its last reported accuracy."""


class World(Protocol):
    epochs: int
    finite: bool
    """A table of points, each of which is trained once; else points are drawn from ranges."""

    def draw(self, trial: Any) -> Hashable:
        """A point, of what `trial` suggests."""

    def grid(self) -> list[Hashable]: ...
    def random(self, count: int) -> list[Hashable]: ...

    def truths(self, points: Sequence[Hashable]) -> np.ndarray:
        """Expected final accuracy, %, and cost of points [N, 2]: what confirmation over many seeds would find."""

    def cost(self, point: Hashable) -> float:
        """The second objective, which is known before training: bytes, or what stands for them."""

    def curve(self, point: Hashable) -> np.ndarray:
        """What a run reports after each epoch [E], %."""


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

    def random(self, count: int) -> list[tuple]:
        return self.grid()

    def truths(self, points: Sequence[tuple]) -> np.ndarray:
        return np.array([(self.curves[p][-1], self.bytes[p]) for p in points], dtype=float).reshape(-1, 2)

    def cost(self, point: tuple) -> float:
        return float(self.bytes[point])

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


MakeSampler = Callable[[int, "Asker"], optuna.samplers.BaseSampler]
"""(number of the draw, what was asked and reported so far) -> the sampler that draws it."""


@dataclass
class Asker:
    """Points to train, in the order a sampler gives them (None: the grid, shuffled); a point is trained once.

    log_costs: the sampler is told the cost as log10(1 + cost), for one that models it on the scale it is told.
    """

    world: World
    make_sampler: MakeSampler | None
    seed: int
    log_costs: bool = False
    told: dict[Hashable, tuple[TrialState, list[float] | None]] = field(default_factory=dict)
    reports: dict[int, list[dict[str, float]]] = field(default_factory=dict)
    """Of trials by Optuna's number: the objectives after each epoch so far."""
    asked: int = 0
    exhausted: bool = False

    def __post_init__(self) -> None:
        points = self.world.grid() if self.world.finite or self.make_sampler is None else []
        self.order = [points[i] for i in np.random.default_rng(self.seed).permutation(len(points))]
        self.seen: set[Hashable] = set()
        self.study = optuna.create_study(directions=["maximize", "minimize"]) if self.make_sampler else None

    def ask(self) -> tuple[optuna.Trial | None, Hashable] | None:
        for _ in range(5 if self.study and not self.exhausted else 0):
            self.study.sampler = self.make_sampler(self.asked, self)
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
        self.exhausted = point is None
        return None if point is None else (None, point)

    def tell(self, trial: optuna.Trial | None, point: Hashable, accuracy: float, full: bool) -> None:
        cost = self.world.cost(point)
        values = [accuracy, math.log10(1 + cost) if self.log_costs else cost]
        state = TrialState.COMPLETE if full else TrialState.PRUNED
        self.told[point] = (state, values if full else None)
        if trial is not None:
            self.study.tell(trial, values if full else None, state=state)


@dataclass
class Run:
    """A trial of a replay: its number, and how far it is."""

    number: int
    trial: optuna.Trial | None
    point: Hashable
    curve_E: np.ndarray
    epoch: int = 0


def replay(
    world: World, asker: Asker, scheduler: Scheduler, budget: int, workers: int = WORKERS
) -> Iterator[Finished | None]:
    """One search of `budget` epochs on some workers: yields, epoch by epoch, the point that it finished, or None."""
    running: list[Run | None] = [None] * workers
    runs: list[Run] = []
    spent, slot = 0, -1
    while spent < budget:
        slot = (slot + 1) % workers
        run = running[slot] or _next(world, asker, scheduler, runs)
        if run is None:
            if not any(running):
                return
            continue
        spent += 1
        run.epoch += 1
        accuracy = float(run.curve_E[run.epoch - 1])
        values = {"accuracy": accuracy, "support_bytes": world.cost(run.point)}
        if run.trial is not None:
            asker.reports.setdefault(run.trial.number, []).append(values)
        full = run.epoch == len(run.curve_E)
        verdict = scheduler.report(run.number, run.epoch, values)
        running[slot] = run if verdict == GO and not full else None
        if verdict == STOP or full:
            asker.tell(run.trial, run.point, accuracy, full)
        yield (run.point, accuracy) if full else None


def _next(world: World, asker: Asker, scheduler: Scheduler, runs: list[Run]) -> Run | None:
    """What a free worker takes: a paused trial, a new one, or None if there is neither."""
    number = scheduler.promoted()
    if number is None and (proposal := asker.ask()) is not None:
        runs.append(Run(len(runs), *proposal, world.curve(proposal[1])))
        scheduler.begun(runs[-1].number, {} if runs[-1].trial is None else runs[-1].trial.params)
        return runs[-1]
    if number is None:
        number = scheduler.promoted(exhausted=True)
    return None if number is None else runs[number]


class Score:
    """Hypervolume of what a search found, as a share of the best possible (0-1).

    The front is chosen by what was observed and scored by the truth, as the confirm stage does. Accuracy in % against
    log10 of the cost; reference: the lowest accuracy (of a world without end the lowest tenth) and the highest cost
    among `points`, which also give the best possible.
    """

    def __init__(self, world: World, points: Sequence[Hashable]) -> None:
        self.world = world
        costs_N2 = self._costs(world.truths(points))
        worst = float(costs_N2[:, 0].max()) + 1e-9 if world.finite else float(np.quantile(costs_N2[:, 0], 0.9))
        self.reference = (worst, float(costs_N2[:, 1].max()) + 1e-9)
        self.best = dominance.hypervolume(costs_N2[dominance.on_front(costs_N2)], self.reference)

    @staticmethod
    def _costs(values_N2: np.ndarray) -> np.ndarray:
        return np.stack([-values_N2[:, 0], np.log10(1.0 + values_N2[:, 1])], 1)

    def __call__(self, found: Sequence[Finished]) -> float:
        seen_N2 = self._costs(np.array([(accuracy, self.world.cost(p)) for p, accuracy in found]).reshape(-1, 2))
        first = {tuple(row): i for i, row in reversed(list(enumerate(seen_N2.tolist())))}  # of equal ones the earlier
        rows = sorted(first.values())
        front = [found[i][0] for i in np.array(rows, dtype=int)[dominance.on_front(seen_N2[rows])]]
        return dominance.hypervolume(self._costs(self.world.truths(front)), self.reference) / self.best


def rank_correlations(world: World, points: Sequence[Hashable], epochs: Sequence[int]) -> list[float]:
    """Spearman's correlation, over points, of the accuracy at each of `epochs` with the last one."""
    curves_NE = np.array([world.curve(p) for p in points])
    return [float(stats.spearmanr(curves_NE[:, e - 1], curves_NE[:, -1]).statistic) for e in epochs]

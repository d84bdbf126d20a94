"""Does early stopping that knows two objectives pay? Replays a table of real learning curves against the search.

    uv run python -m benchmarks.search_strategies [--seeds 20] [--curves benchmarks/data/digits_curves.csv]

The table (made by `benchmarks.record_curves`) holds validation accuracy after each epoch for a grid of points. Each
strategy draws points with Optuna and decides with `study.pareto_asha`, as a study does, on two asynchronous workers;
an epoch costs one unit. Measured: hypervolume of the fully trained points (accuracy against log10 bytes, reference:
the table's lowest final accuracy and largest support set) as a share of what the whole table would give, against the
budget in full trainings. Mean over seeds with a 95 % t interval; differences to plain ASHA are paired by seed.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from optuna.trial import TrialState
from scipy import stats

from benchmarks.common import environment, write_result
from study import pareto
from study.pareto_asha import Rungs

HERE = Path(__file__).parent
OBJECTIVES = {"accuracy": "max", "support_bytes": "min"}
WORKERS = 2
Point = tuple[str, float, float, float]  # method, size (k, queue rows or 0), temperature, forget_every


@dataclass(frozen=True)
class Curve:
    accuracy_E: np.ndarray  # %, after each epoch, mean over recorded seeds
    support_bytes: int


def load_curves(path: Path) -> dict[Point, Curve]:
    """Recorded curves by point; seeds of one point are averaged."""
    table = pd.read_csv(path)
    curves = {}
    for point, rows in table.groupby(["method", "size", "temperature", "forget_every"]):
        accuracy_E = rows.groupby("epoch")["accuracy"].mean().sort_index().to_numpy()
        curves[point] = Curve(accuracy_E, int(rows["support_bytes"].max()))
    return curves


class Draw:
    """Optuna's proposal snapped to the nearest recorded point."""

    def __init__(self, curves: dict[Point, Curve]) -> None:
        self.points = sorted(curves)
        self.methods = sorted({p[0] for p in self.points})

    def _levels(self, method: str, column: int) -> list[float]:
        return sorted({p[column] for p in self.points if p[0] == method})

    def __call__(self, trial: optuna.Trial) -> Point:
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


class Searcher:
    """Points to train, in the order a sampler gives them; a point is trained once."""

    def __init__(self, curves: dict[Point, Curve], sampler: optuna.samplers.BaseSampler | None, seed: int) -> None:
        self.draw = Draw(curves)
        self.study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler) if sampler else None
        self.left = set(curves)
        self.order = [sorted(curves)[i] for i in np.random.default_rng(seed).permutation(len(curves))]
        self.told: dict[Point, tuple[TrialState, list[float] | None]] = {}

    def ask(self) -> tuple[optuna.Trial | None, Point] | None:
        for _ in range(5 if self.study else 0):
            trial = self.study.ask()
            point = self.draw(trial)
            if point in self.left:
                self.left.discard(point)
                return trial, point
            state, values = self.told.get(point, (TrialState.FAIL, None))  # a duplicate costs nothing
            self.study.tell(trial, values, state=state)
        rest = [p for p in self.order if p in self.left]
        if not rest:
            return None
        self.left.discard(rest[0])
        return None, rest[0]

    def tell(self, trial: optuna.Trial | None, point: Point, values: list[float], full: bool) -> None:
        state = TrialState.COMPLETE if full else TrialState.PRUNED
        self.told[point] = (state, values if full else None)
        if trial is not None:
            self.study.tell(trial, values if full else None, state=state)


def replay(curves: dict[Point, Curve], searcher: Searcher, rungs: Rungs | None, budget: int) -> Iterator[Point | None]:
    """One study: yields, after each epoch spent, the point that finished its full training in it, or None."""
    running: list[tuple[optuna.Trial | None, Point, int, int] | None] = [None] * WORKERS
    spent = number = 0
    while spent < budget:
        slot = spent % WORKERS
        if running[slot] is None:
            proposal = searcher.ask()
            if proposal is None:
                return
            running[slot] = (*proposal, 0, number)
            number += 1
        trial, point, epoch, own_number = running[slot]
        epoch += 1
        spent += 1
        curve = curves[point]
        values = {"accuracy": float(curve.accuracy_E[epoch - 1]), "support_bytes": float(curve.support_bytes)}
        full = epoch == len(curve.accuracy_E)
        goes_on = not full and (rungs is None or rungs.decide(str(own_number), own_number, epoch, values))
        running[slot] = (trial, point, epoch, own_number) if goes_on else None
        if not goes_on:
            searcher.tell(trial, point, list(values.values()), full)
        yield point if full else None


def hypervolume_share(curves: dict[Point, Curve]) -> Callable[[list[Point]], float]:
    """Function: finished points -> their hypervolume as a share of the whole table's (0-1)."""
    costs = {p: (-float(c.accuracy_E[-1]), math.log10(1.0 + c.support_bytes)) for p, c in curves.items()}
    reference = tuple(np.max(list(costs.values()), axis=0) + 1e-9)
    best = pareto.hypervolume_2d(np.array(list(costs.values())), reference)
    return lambda points: pareto.hypervolume_2d(np.array([costs[p] for p in points]), reference) / best


def strategies(epochs: int, grace: int, eta: int) -> dict[str, tuple[Callable, Callable]]:
    """name -> (sampler of a seed, rungs)."""

    def rungs(objectives: dict[str, str]) -> Callable[[], Rungs]:
        return lambda: Rungs(objectives, grace_period=grace, reduction_factor=eta, max_epochs=epochs)

    def tpe(seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=10)  # as study.optuna_storage.make_sampler

    def shuffled(seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.RandomSampler(seed=seed)

    return {
        "pareto_asha + tpe": (tpe, rungs(OBJECTIVES)),
        "asha + tpe": (tpe, rungs({"accuracy": "max"})),
        "pareto_asha + random": (shuffled, rungs(OBJECTIVES)),
        "tpe, no stopping": (tpe, lambda: None),
        "random": (shuffled, lambda: None),
        "grid (shuffled)": (lambda seed: None, lambda: None),
    }


def run(curves: dict[Point, Curve], seeds: int, budget_trials: int, grace: int, eta: int) -> dict[str, np.ndarray]:
    """Hypervolume share [seeds, budget in epochs] of every strategy."""
    epochs = len(next(iter(curves.values())).accuracy_E)
    share = hypervolume_share(curves)
    shares = {}
    for name, (sampler, rungs) in strategies(epochs, grace, eta).items():
        rows = np.zeros((seeds, budget_trials * epochs))
        for seed in range(seeds):
            done: list[Point] = []
            value, spent = 0.0, 0
            for finished in replay(curves, Searcher(curves, sampler(seed), seed), rungs(), rows.shape[1]):
                if finished is not None:
                    done.append(finished)
                    value = share(done)
                rows[seed, spent] = value
                spent += 1
            rows[seed, spent:] = value
        shares[name] = rows
        print(f"  {name}: done", flush=True)
    return shares


def interval(values_S: np.ndarray) -> str:
    half = stats.t.ppf(0.975, len(values_S) - 1) * values_S.std(ddof=1) / math.sqrt(len(values_S))
    return f"{100 * values_S.mean():.1f} ± {100 * half:.1f}"


def table(shares: dict[str, np.ndarray], epochs: int, budgets: list[int]) -> str:
    """Markdown: a row per strategy, a column per budget, and the paired difference to plain ASHA at one budget."""
    head = ["strategy", *[f"{b} trainings" for b in budgets], f"minus asha + tpe at {budgets[1]}"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    base = shares["asha + tpe"][:, budgets[1] * epochs - 1]
    for name, rows in shares.items():
        cells = [interval(rows[:, b * epochs - 1]) for b in budgets]
        difference = "-" if name == "asha + tpe" else interval(rows[:, budgets[1] * epochs - 1] - base)
        lines.append("| " + " | ".join([name, *cells, difference]) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", type=Path, default=HERE / "data" / "digits_curves.csv")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--methods", nargs="*", help="only these arms of the table (default: all)")
    parser.add_argument("--grace", type=int, default=2, help="first rung, epochs")
    parser.add_argument("--eta", type=int, default=3, help="reduction factor")
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    curves = {p: c for p, c in load_curves(args.curves).items() if not args.methods or p[0] in args.methods}
    if not curves:
        parser.error(f"{args.curves} has no point of {', '.join(args.methods)}")
    epochs = len(next(iter(curves.values())).accuracy_E)
    budgets = [3, 6, 9, 12]
    shares = run(curves, args.seeds, budgets[-1], args.grace, args.eta)
    text = (
        f"# Search strategies\n\n{environment(('optuna', 'numpy'))}\n\n"
        f"Replay of {len(curves)} recorded points ({', '.join(sorted({p[0] for p in curves}))}) x {epochs} epochs "
        f"({args.curves.name}); n = {args.seeds} seeds, "
        f"{WORKERS} workers, grace {args.grace}, eta {args.eta}.\nHypervolume of fully trained points, % of the whole "
        f"table's, mean ± half-width of the 95 % t interval,\nby budget in full trainings ({epochs} epochs each).\n\n"
    )
    text += table(shares, epochs, budgets)
    print(text)
    print("written:", write_result("search_strategies", text))


if __name__ == "__main__":
    main()

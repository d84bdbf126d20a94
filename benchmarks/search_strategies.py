"""Does early stopping that knows two objectives pay? Replays searches against known learning curves.

    uv run python -m benchmarks.search_strategies [--curves benchmarks/data/digits_curves.csv] [--seeds 20]
    uv run python -m benchmarks.search_strategies --synthetic [--early 2] [--epochs 81] [--grace 3]

--curves: a table of real runs (made by `benchmarks.record_curves`). --synthetic: made-up curves over the space of
`configs/pareto.yaml`, whose assumptions `benchmarks/synthetic_curves.py` states. Each strategy draws points with the
study's own sampler settings and decides with `study.search.scheduling`, on two asynchronous workers; an epoch costs one
unit, and only fully trained points count (what was stopped is not confirmed). Measured: hypervolume of the front found,
as a share of the best possible (`benchmarks.search_replay.Score`), against the budget in full trainings. Mean
over seeds with
a 95 % t interval; differences are paired by seed.
"""

from __future__ import annotations

import argparse
import inspect
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import optuna
from scipy import stats

from benchmarks import synthetic_curves
from benchmarks.common import environment, table, write_result
from benchmarks.search_replay import WORKERS, Asker, Recorded, Score, World, rank_correlations, replay
from benchmarks.synthetic_curves import Synthetic
from study.search.optuna_storage import make_sampler
from study.search.scheduling import Rungs, rung_epochs
from study.settings.loading import load_study

HERE = Path(__file__).parent
STUDY = HERE.parent / "configs" / "pareto.yaml"
OBJECTIVES = {"accuracy": "max", "support_bytes": "min"}
OURS, ASHA, FREE = "pareto_asha + tpe", "asha + tpe", "tpe, no stopping"
STRATEGIES: dict[str, tuple[str | None, tuple[str, ...]]] = {
    OURS: ("tpe", ("accuracy", "support_bytes")),
    ASHA: ("tpe", ("accuracy",)),
    "pareto_asha + random": ("random", ("accuracy", "support_bytes")),
    FREE: ("tpe", ()),
    "random": ("random", ()),
    "grid (shuffled)": (None, ()),
}
"""name -> sampler (None: the grid), objectives of the scheduler (none: nobody is stopped)."""
MakeWorld = Callable[[int], World]


def sampler_of(name: str | None, seed: int) -> Callable | None:
    """The study's sampler, one per draw, as `study.search.proposals` makes it."""
    if name is None:
        return None
    study = load_study(STUDY, overrides=[f"search.sampler={name}", f"search.seed={seed}"]).study
    return lambda number, so_far: make_sampler(study, number)


def rungs_of(objectives: Sequence[str], epochs: int, grace: int, eta: int) -> Rungs | None:
    return Rungs({n: OBJECTIVES[n] for n in objectives}, grace, eta, epochs) if objectives else None


def shares(world: World, score: Score, name: str, seed: int, budget: int, grace: int, eta: int) -> np.ndarray:
    """Share of the best hypervolume after each epoch [budget] of one search."""
    sampler, objectives = STRATEGIES[name]
    asker = Asker(world, sampler_of(sampler, seed), seed)
    found, share_B = [], np.zeros(budget)
    for spent, finished in enumerate(replay(world, asker, rungs_of(objectives, world.epochs, grace, eta), budget)):
        if finished is not None:
            found.append(finished)
            share_B[spent:] = score(found)
    return share_B


def run(make_world: MakeWorld, seeds: Sequence[int], trainings: int, grace: int, eta: int) -> dict[str, np.ndarray]:
    """Shares [seeds, budget in epochs] of every strategy; the same world and points for all strategies of a seed."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in STRATEGIES}
    for seed in seeds:
        world = make_world(seed)
        score = Score(world, world.grid() if world.finite else [*world.random(1500), *world.grid()])
        for name in STRATEGIES:
            found[name].append(shares(world, score, name, seed, trainings * world.epochs, grace, eta))
        print(f"  seed {seed}: done", flush=True)
    return {name: np.array(rows) for name, rows in found.items()}


def interval(values_S: np.ndarray) -> str:
    """`mean ± half-width of the 95 % t interval` in %."""
    half = stats.t.ppf(0.975, len(values_S) - 1) * values_S.std(ddof=1) / math.sqrt(len(values_S))
    return f"{100 * values_S.mean():.1f} ± {100 * half:.1f}"


def result_tables(found: dict[str, np.ndarray], epochs: int, budgets: Sequence[int]) -> str:
    """Markdown: a row per strategy, a column per budget; then what ours adds to each other, paired by seed."""
    at = {name: {b: rows[:, b * epochs - 1] for b in budgets} for name, rows in found.items()}
    head = [f"{b} trainings" for b in budgets]
    plain = [[name, *(interval(values[b]) for b in budgets)] for name, values in at.items()]
    paired = [
        [name, *(interval(at[OURS][b] - values[b]) for b in budgets)] for name, values in at.items() if name != OURS
    ]
    return "\n\n".join([table(["strategy", *head], plain), table([f"{OURS} minus", *head], paired)])


def describe(world: World, args: argparse.Namespace) -> str:
    """What was replayed, and how well its rungs foretell the end."""
    epochs = rung_epochs(args.grace, world.epochs, args.eta)
    points = world.grid() if world.finite else world.random(500)
    known = ", ".join(
        f"{rho:.2f} at {e}" for e, rho in zip(epochs, rank_correlations(world, points, epochs), strict=True)
    )
    what = f"Replay of {len(points)} recorded points ({args.curves.name})"
    if args.synthetic:
        what = f"Made-up curves over the space of configs/pareto.yaml, early deviation {args.early:g} points (SD)"
    return (
        f"{what} x {world.epochs} epochs;\n"
        f"n = {args.seeds} seeds from {args.first_seed}, {WORKERS} workers, grace {args.grace}, eta {args.eta}.\n"
        f"Spearman's rank correlation of the accuracy at a rung with the last one: {known}.\n"
        f"Hypervolume of the front found, % of the best possible, mean ± half-width of the 95 % t interval,\n"
        f"by budget in full trainings ({world.epochs} epochs each);\n"
        f"then differences paired by seed, in percentage points."
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", type=Path, default=HERE / "data" / "digits_curves.csv")
    parser.add_argument("--methods", nargs="*", default=(), help="only these arms of the table (default: all)")
    parser.add_argument("--synthetic", action="store_true", help="made-up curves instead of a table")
    parser.add_argument("--early", type=float, default=2.0, help="synthetic: early deviation of a run, points (SD)")
    parser.add_argument("--epochs", type=int, default=81, help="synthetic: full budget of a trial")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0, help="others than those that settings were chosen on")
    parser.add_argument("--budgets", type=int, nargs="+", help="in full trainings")
    parser.add_argument("--grace", type=int, help="first rung, epochs (default: 2 for a table, 3 for synthetic curves)")
    parser.add_argument("--eta", type=int, default=3, help="reduction factor")
    args = parser.parse_args()
    args.grace = args.grace or (3 if args.synthetic else 2)
    args.budgets = args.budgets or ([4, 8, 16, 24] if args.synthetic else [3, 6, 9, 12])
    return args


def main() -> None:
    args = parse()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    recorded = None if args.synthetic else Recorded(args.curves, args.methods)

    def make_world(seed: int) -> World:
        return Synthetic(seed, epochs=args.epochs, early=args.early) if recorded is None else recorded

    seeds = range(args.first_seed, args.first_seed + args.seeds)
    found = run(make_world, seeds, max(args.budgets), args.grace, args.eta)
    world = make_world(0)
    parts = ["# Search strategies", environment(("optuna", "numpy")), describe(world, args)]
    parts.append(result_tables(found, world.epochs, args.budgets))
    if args.synthetic:
        parts.append(f"## Assumptions\n\n{inspect.getdoc(synthetic_curves)}")
    text = "\n\n".join(parts)
    print(text)
    print("written:", write_result("search_strategies-synthetic" if args.synthetic else "search_strategies", text))


if __name__ == "__main__":
    main()

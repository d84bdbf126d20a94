"""Which search finds the best front for its epochs? Replays searches against known learning curves.

    uv run python -m benchmarks.search_strategies [--curves benchmarks/data/digits_curves.csv] [--seeds 20]
    uv run python -m benchmarks.search_strategies --synthetic [--early 2] [--epochs 81]
    uv run python -m benchmarks.search_strategies --lcbench FOLDER [--tasks reported | development | all | 3945 ...]

--curves: a table of real runs (made by `benchmarks.record_curves`). --synthetic: made-up curves over the space of
`configs/pareto.yaml`, whose assumptions `benchmarks/synthetic_curves.py` states. --lcbench: 34 tasks that nobody of
this project made (`benchmarks/lcbench.py`). Each strategy draws points with the study's own sampler settings and
decides with the study's own scheduling, on two asynchronous workers; an epoch costs one unit, and only fully trained
points count (what was stopped is not confirmed). Measured: hypervolume of the front found, as a share of the best
possible (`benchmarks.search_replay.Score`), against the budget in full trainings. Mean over seeds with a 95 % t
interval; differences are paired by seed, on LCBench by task. Two peers run as their own packages
(`benchmarks.search_peers`); one that cannot be had is left out, and the result says so.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optuna

from benchmarks import lcbench, search_diagram, search_peers, search_tables, synthetic_curves
from benchmarks.common import environment, write_result
from benchmarks.search_cells import Cell, Cells
from benchmarks.search_replay import (
    WORKERS,
    Asker,
    Finished,
    MakeSampler,
    Recorded,
    Score,
    World,
    rank_correlations,
    replay,
)
from benchmarks.search_schedulers import FrontByFront, Promoting, Scheduler, Stopping
from benchmarks.synthetic_curves import Synthetic
from study.search import promotion
from study.search.front.belief import Question
from study.search.front.propose import draw_seed
from study.search.front.sampler import FrontSampler
from study.search.optuna_storage import make_sampler
from study.search.scheduling import Rungs, rung_epochs
from study.settings.loading import load_study
from trainables.vocabulary.errors import UserError

HERE = Path(__file__).parent
STUDY = HERE.parent / "configs" / "pareto.yaml"
OBJECTIVES = {"accuracy": "max", "support_bytes": "min"}


class Strategy(NamedTuple):
    """sampler: of the study, `gp` (Optuna's GPSampler), or None for the grid. scheduler: a key of SCHEDULERS."""

    sampler: str | None
    scheduler: str
    slow: bool = False
    """Runs only when named."""
    peer: bool = False
    """`sampler` is a package of its own (`benchmarks.search_peers`), which also schedules."""


STRATEGIES = {
    "pareto_asha + tpe": Strategy("tpe", "pareto_asha"),
    "asha + tpe": Strategy("tpe", "asha"),
    "pareto_asha + random": Strategy("random", "pareto_asha"),
    "front by front + tpe": Strategy("tpe", "front by front"),
    "promote + front": Strategy("front", "promote"),
    "promote + tpe": Strategy("tpe", "promote"),
    "front, no stopping": Strategy("front", "none"),
    "tpe, no stopping": Strategy("tpe", "none"),
    "nsga2, no stopping": Strategy("nsga2", "none"),
    "gp, no stopping": Strategy("gp", "none", slow=True),
    "random": Strategy("random", "none"),
    "grid (shuffled)": Strategy(None, "none"),
    "moasha (syne-tune)": Strategy("moasha", "none", peer=True),
    "primo (neps)": Strategy("primo", "none", slow=True, peer=True),
}


class Rules(NamedTuple):
    """What the schedulers share: full budget of a trial, first rung, reduction factor."""

    epochs: int
    grace: int
    eta: int
    question: Question
    seed: int

    @property
    def promotion(self) -> promotion.Rule:
        space, known = self.question.space, self.question.known
        return promotion.Rule(OBJECTIVES, self.epochs, self.grace, self.eta, space=space, known=known, seed=self.seed)


def _stopping(*objectives: str) -> Callable[[Rules], Scheduler]:
    chosen = {name: OBJECTIVES[name] for name in objectives}
    return lambda rules: Stopping(Rungs(chosen, rules.grace, rules.eta, rules.epochs))


SCHEDULERS: dict[str, Callable[[Rules], Scheduler]] = {
    "none": lambda rules: Stopping(None),
    "asha": _stopping("accuracy"),
    "pareto_asha": _stopping("accuracy", "support_bytes"),
    "front by front": lambda rules: FrontByFront(OBJECTIVES, rules.grace, rules.epochs),
    "promote": lambda rules: Promoting(rules.promotion),
}


def sampler_of(name: str | None, seed: int, rules: Rules, promote: bool) -> MakeSampler | None:
    """The study's sampler, one per draw, as `study.search.proposals` makes it; Optuna's GP: one for all draws."""
    if name is None:
        return None
    if name == "front":
        rungs = promotion.rungs(rules.promotion) if promote else ()
        return lambda number, asker: FrontSampler(
            rules.question,
            seed=draw_seed(seed, number, 0),
            reports=asker.reports,
            rungs=rungs,
        )
    if name == "gp":
        sampler = optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)
        return lambda number, asker: sampler
    study = load_study(STUDY, overrides=[f"search.sampler={name}", f"search.seed={seed}"]).study
    return lambda number, asker: make_sampler(study, number)


def question_of(world: World) -> Question:
    return Question(world.draw, lambda point: {"support_bytes": world.cost(point)}, OBJECTIVES, world.epochs)


def shares(world: World, score: Score, name: str, seed: int, budget: int, rules: Rules, workers: int) -> np.ndarray:
    """Share of the best hypervolume after each epoch [budget] of one search."""
    strategy = STRATEGIES[name]
    if strategy.peer:
        peer = search_peers.served(strategy.sampler)
        steps = search_peers.replay(world, peer, budget, grace=rules.grace, eta=rules.eta, seed=seed, workers=workers)
        return share_curve(steps, score, budget)
    make = sampler_of(strategy.sampler, seed, rules, strategy.scheduler == "promote")
    asker = Asker(world, make, seed, log_costs=strategy.sampler == "gp")
    steps = replay(world, asker, SCHEDULERS[strategy.scheduler](rules), budget, workers)
    return share_curve(steps, score, budget)


def share_curve(steps: Iterator[Finished | None], score: Score, budget: int) -> np.ndarray:
    """Share of the best hypervolume after each epoch [budget], of the points that a search finished epoch by epoch."""
    found, share_B = [], np.zeros(budget)
    for spent, finished in enumerate(steps):
        if finished is not None:
            found.append(finished)
            share_B[spent:] = score(found)
    return share_B


def run(
    make_world: Callable[[int], World],
    seeds: Sequence[int],
    trainings: int,
    grace: int,
    eta: int,
    names: Sequence[str] = (),
    workers: int = WORKERS,
    cells: Cells | None = None,
    label: str = "",
) -> dict[str, np.ndarray]:
    """Shares [seeds, budget in epochs] of strategies (default: all but slow ones); a seed is one world for all.

    cells: those of world `label` that are there are not run again. A peer that cannot be had is left out, with a line.
    """
    names = list(names) or [name for name, strategy in STRATEGIES.items() if not strategy.slow]
    cells = cells or Cells()
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    seconds = dict.fromkeys(names, 0.0)
    world = score = None
    for seed in seeds:
        if (new := make_world(seed)) is not world:
            world, score = new, None
        for name in list(found):
            cell = Cell(label, name, seed, world.epochs, trainings, workers, grace, eta)
            if cell not in cells:
                score = score or Score(world, world.grid() if world.finite else [*world.random(20_000), *world.grid()])
                started = time.process_time()
                try:
                    rules = Rules(world.epochs, grace, eta, question_of(world), seed)
                    cells.add(cell, shares(world, score, name, seed, trainings * world.epochs, rules, workers))
                except UserError as error:
                    print(f"  left out: {error}", file=sys.stderr, flush=True)
                    del found[name]
                    continue
                seconds[name] += time.process_time() - started
            found[name].append(cells.shares(cell))
        print(f"  seed {seed}: done", file=sys.stderr, flush=True)
    print("  CPU seconds:", ", ".join(f"{n} {s:.1f}" for n, s in seconds.items()), file=sys.stderr, flush=True)
    return {name: np.array(rows) for name, rows in found.items()}


def describe(worlds: dict[str, Callable[[int], World]], args: argparse.Namespace) -> str:
    """What was replayed, and how well its rungs foretell the end."""
    first = next(iter(worlds.values()))(args.first_seed)
    lines = []
    for name, make_world in worlds.items():
        world = make_world(args.first_seed)
        epochs = rung_epochs(args.grace, world.epochs, args.eta)
        rhos = rank_correlations(world, world.random(500), epochs)
        lines.append(f"{name}: " + ", ".join(f"{rho:.2f} at {e}" for e, rho in zip(epochs, rhos, strict=True)))
    if args.lcbench:
        chosen = ", ".join(lcbench.DEVELOPMENT_TASKS)
        what = f"LCBench (YAHPO Gym's surrogate), {len(worlds)} of 34 tasks (settings are chosen on {chosen})"
    elif args.synthetic:
        what = f"Made-up curves over the space of configs/pareto.yaml, early deviation {args.early:g} points (SD)"
    else:
        what = f"Replay of {len(first.grid())} recorded points ({args.curves.name})"
    return (
        f"{what} x {first.epochs} epochs;\n"
        f"n = {args.seeds} seeds from {args.first_seed}, {args.workers} workers, grace {args.grace}, eta {args.eta}.\n"
        f"Hypervolume of the front found, % of the best possible, mean ± half-width of the 95 % t interval,\n"
        f"by budget in full trainings ({first.epochs} epochs each); differences in percentage points.\n\n"
        f"Spearman's rank correlation of the accuracy at a rung with the last one: {'; '.join(lines)}."
    )


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--curves", type=Path, default=HERE / "data" / "digits_curves.csv")
    kind.add_argument("--synthetic", action="store_true", help="made-up curves instead of a table")
    kind.add_argument("--lcbench", type=Path, metavar="FOLDER", help="LCBench's surrogate instead of a table")
    parser.add_argument("--methods", nargs="*", default=(), help="curves: only these arms of the table (default: all)")
    parser.add_argument("--early", type=float, default=2.0, help="synthetic: early deviation of a run, points (SD)")
    parser.add_argument("--epochs", type=int, default=81, help="synthetic: full budget of a trial")
    parser.add_argument(
        "--tasks", nargs="+", default=["reported"], help="lcbench: reported (default), development, all, or task ids"
    )
    parser.add_argument("--strategies", nargs="+", default=(), metavar="NAME", help="default: all but slow ones")
    parser.add_argument("--ours", default="promote + front", metavar="NAME", help="the one that others are taken from")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0, help="others than those that settings were chosen on")
    parser.add_argument("--budgets", type=int, nargs="+", help="in full trainings")
    parser.add_argument("--workers", type=int, default=WORKERS, help="trials at a time")
    parser.add_argument("--grace", type=int, help="first rung, epochs (default: a quarter of all; 6 on LCBench)")
    parser.add_argument("--eta", type=int, help="factor between rungs (default: 2; 3 on LCBench)")
    parser.add_argument("--cells", type=Path, metavar="FILE", help="keeps each search; what is there is not run again")
    parser.add_argument("--with", type=Path, nargs="+", default=(), dest="others", metavar="FILE", help="more cells")
    parser.add_argument("--json", type=Path, metavar="FILE", help="{strategy: {world or task: {budget: [shares]}}}")
    args = parser.parse_args(arguments)
    if unknown := [n for n in (*args.strategies, args.ours) if n not in STRATEGIES]:
        parser.error(f"--strategies: no {', '.join(map(repr, unknown))}; there are: {'; '.join(STRATEGIES)}")
    args.eta = args.eta or (3 if args.lcbench else 2)
    args.budgets = args.budgets or [8, 16, 32]
    return args


def make_worlds(args: argparse.Namespace) -> dict[str, Callable[[int], World]]:
    """World or task -> what makes it for a seed. UserError for tasks that there are not."""
    if args.synthetic:
        return {"synthetic": lambda seed: Synthetic(seed, epochs=args.epochs, early=args.early)}
    if not args.lcbench:
        recorded = Recorded(args.curves, args.methods)
        return {args.curves.stem: lambda seed: recorded}
    known = lcbench.load(args.lcbench)
    reported = [task for task in known if task not in lcbench.DEVELOPMENT_TASKS]
    groups = {"all": list(known), "development": list(lcbench.DEVELOPMENT_TASKS), "reported": reported}
    tasks = [task for name in args.tasks for task in groups.get(name, [name])]
    if unknown := [task for task in tasks if task not in known]:
        raise UserError(f"--tasks: no {', '.join(unknown)}; there are: {', '.join([*groups, *known])}")
    return {task: lambda seed, task=task: known[task] for task in dict.fromkeys(tasks)}


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        worlds = make_worlds(args)
        cells = Cells(args.cells, args.others)
    except UserError as error:
        sys.exit(f"search_strategies: {error}")
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, make_world in worlds.items():
        print(f"{name}:", file=sys.stderr)
        trainings, names, workers = max(args.budgets), args.strategies, args.workers
        epochs = make_world(args.first_seed).epochs
        args.grace = args.grace or (6 if args.lcbench else max(1, epochs // 4))  # as the studies have it
        found[name] = run(make_world, seeds, trainings, args.grace, args.eta, names, workers, cells, name)
        if args.json:
            search_tables.write_json(args.json, found, epochs, args.budgets)
    names = args.strategies or [name for name, strategy in STRATEGIES.items() if not strategy.slow]
    left_out = [name for name in names if any(name not in by_strategy for by_strategy in found.values())]
    if set(left_out) == set(names):
        sys.exit("search_strategies: nothing could be run")
    if left_out:
        found = {world: {n: r for n, r in rows.items() if n not in left_out} for world, rows in found.items()}
    text = "\n\n".join(["# Search strategies", environment(("optuna", "numpy")), describe(worlds, args)])
    if len(found) > 1:
        text += "\n\n" + search_tables.many_tasks(found, args.ours, epochs, args.budgets)
    else:
        text += "\n\n" + search_tables.one_world(*found.values(), args.ours, epochs, args.budgets)
    if args.synthetic:
        text += f"\n\n## Assumptions\n\n{inspect.getdoc(synthetic_curves)}"
    if left_out:
        text += f"\n\nNot run, for want of the package or the network: {', '.join(left_out)}."
    kind = "-synthetic" if args.synthetic else "-lcbench" if args.lcbench else ""
    path = write_result(f"search_strategies{kind}", text)
    if len(found) > 1:
        names = list(next(iter(found.values())))
        text += "\n\n" + search_diagram.drawn(search_tables.means(found, epochs, args.budgets), names, path)
        path.write_text(text.rstrip() + "\n")
    print(text)
    print("written:", path)


if __name__ == "__main__":
    main()

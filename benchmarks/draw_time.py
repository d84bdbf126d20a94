"""Seconds of one draw of a sampler, by how many trials there are: is `search.sampler: front` fast enough?

    OMP_NUM_THREADS=1 uv run python -m benchmarks.draw_time [--trials 50 100 200] [--repeats 5]

Made-up curves over the space of configs/pareto.yaml (`benchmarks/synthetic_curves.py`); of three trials one finished
and two were stopped after a ninth of their epochs. Samplers draw in turn from the same study, in memory. CPU seconds of
the whole `ask` and its suggestions. `gp` is Optuna's GPSampler over both objectives; it is told of finished trials
alone.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from benchmarks.common import Timing, describe, environment, table, write_result
from benchmarks.synthetic_curves import Synthetic
from study.search.front.candidates import random_candidates
from study.search.front.question import question_of
from study.search.front.sampler import FrontSampler, Reports

EPOCHS = 81
DIRECTIONS = ["maximize", "minimize"]
MakeSampler = Callable[[int, Reports], optuna.samplers.BaseSampler]


def samplers(world: Synthetic) -> dict[str, MakeSampler]:
    """Name -> (seed, reports) -> sampler."""
    question = question_of(world.study)._replace(epochs=world.epochs)
    return {
        "front": lambda seed, reports: FrontSampler(question, seed=seed, reports=reports),
        "tpe": lambda seed, reports: optuna.samplers.TPESampler(seed=seed),
        "gp": lambda seed, reports: optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False),
    }


def history(world: Synthetic, count: int) -> tuple[optuna.Study, Reports]:
    """A study of `count` random trials, and what they reported."""
    study, reports = optuna.create_study(directions=DIRECTIONS), {}
    for number, candidate in enumerate(random_candidates(world.space, np.random.default_rng(0), count)):
        point = tuple(candidate.point.items())
        cost, stopped = world.cost(point), number % 3 > 0
        curve = world.curve(point)[: EPOCHS // 9 if stopped else EPOCHS]
        reports[number] = [{"accuracy": float(value), "support_bytes": cost} for value in curve]
        distributions: dict[str, BaseDistribution] = candidate.distributions
        study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.PRUNED if stopped else TrialState.COMPLETE,
                values=None if stopped else [float(curve[-1]), cost],
                params=candidate.params,
                distributions=distributions,
            )
        )
    return study, reports


def measure(counts: Sequence[int], repeats: int, names: Sequence[str]) -> dict[tuple[int, str], Timing]:
    world = Synthetic(0, epochs=EPOCHS, early=2.0)
    found: dict[tuple[int, str], list[float]] = {(count, name): [] for count in counts for name in names}
    made = samplers(world)
    for count in counts:
        for seed in range(repeats):
            for name in names:
                study, reports = history(world, count)
                study.sampler = made[name](seed, reports)
                started = time.process_time()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    world.draw(study.ask())
                found[count, name].append(time.process_time() - started)
    return {key: Timing(seconds) for key, seconds in found.items()}


def report(found: dict[tuple[int, str], Timing], repeats: int) -> str:
    names = list(dict.fromkeys(name for _, name in found))
    counts = list(dict.fromkeys(count for count, _ in found))
    rows = [[str(count), *(describe(found[count, name].scaled(1e3)) for name in names)] for count in counts]
    return "\n\n".join(
        [
            "# Time of a draw",
            environment(("optuna", "scikit-learn", "numpy")),
            f"Milliseconds of CPU a draw, median (quartiles) of {repeats} draws; space of configs/pareto.yaml.",
            table(["trials", *names], rows),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[50, 100, 200])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--samplers", nargs="+", default=["front", "tpe", "gp"])
    args = parser.parse_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    text = report(measure(args.trials, args.repeats, args.samplers), args.repeats)
    print(text)
    print("written:", write_result("draw_time", text))


if __name__ == "__main__":
    main()

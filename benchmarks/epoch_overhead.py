"""What a study adds to each epoch of a trial of full size: reports, decisions, checkpoints.

    OMP_NUM_THREADS=1 uv run python -m benchmarks.epoch_overhead [--epochs 8] [--repeats 3]

ResNet-18 with the heads and support sets of configs/k_sweep.yaml, so that states and checkpoints have their real size,
on the digits of its rehearsal, so that epochs are short. A gap is the time from an epoch's report to the start of the
trial's next epoch. Three settings of `train.checkpoint_every` take turns: never (only at the end), 1, and auto.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics

from benchmarks.common import Timing, describe, environment, table, write_result
from benchmarks.study_throughput import Measured, with_ray
from trainables.checkpoint import SAVING_SHARE
from trainables.estimate import Sizes, estimate
from trainables.settings.config import HeadsConfig, RunConfig

EPOCH_TARGET_S = 1.6
"""ResNet-18 on CIFAR-100 on one H200, the epoch that benchmarks/results/TARGETS.md wants."""
NEVER = 1000
CASES = {"never": NEVER, "every epoch": 1, "auto": "auto"}
ARMS = {
    "kmclr, k = 400": "{method: kmclr, k: 400}",
    "nnclr, 98,304 rows": "{method: nnclr, queue_size: 98304}",
}


def settings(arm: str, every: int | str) -> tuple[str, ...]:
    heads = [f"heads.{name}={value}" for name, value in HeadsConfig().model_dump().items()]
    sizes = ["encoder.name=resnet18", "encoder.width=64", *heads]
    space = ["space.k.high=2000", "space.queue_size.high=98304", f"baselines=[{arm}]"]
    return (*sizes, *space, "data.train_limit=256", f"train.checkpoint_every={every}")


def checkpoint_bytes(arm: str) -> int:
    method, size = ("kmclr", {"k": 400}) if "kmclr" in arm else ("nnclr", {"queue_size": 98304})
    cfg = RunConfig(method=method, support=size, device="cpu", train={"batch_size": 8})
    return estimate(cfg, Sizes(train=64, validation=8, num_classes=2)).checkpoint_bytes


def measure(epochs: int, repeats: int) -> dict[tuple[str, str], list[Measured]]:
    found: dict[tuple[str, str], list[Measured]] = {(arm, case): [] for arm in ARMS for case in CASES}
    for _ in range(repeats):
        for arm, case in found:
            run = with_ray(1, epochs, at_once=1, reuse=True, more=settings(ARMS[arm], CASES[case]))
            found[arm, case].append(run)
            with contextlib.suppress(ImportError):
                import ray

                ray.shutdown()
            print(f"{arm}, {case}: gaps {', '.join(f'{gap:.3f}' for gap in run.gaps_s)} s", flush=True)
    return found


def report(found: dict[tuple[str, str], list[Measured]], epochs: int) -> str:
    rows = []
    for (arm, case), runs in found.items():
        gaps = [gap for run in runs for gap in run.gaps_s]
        epoch_s = statistics.median(run.epochs_s / epochs for run in runs)
        share = 100 * sum(gaps) / (sum(gaps) + sum(run.epochs_s for run in runs))
        of_target = 100 * statistics.median(gaps) / EPOCH_TARGET_S
        cells = [
            describe(Timing(gaps), 3),
            f"{max(gaps):.3f}",
            f"{epoch_s:.2f}",
            f"{share:.1f} %",
            f"{of_target:.1f} %",
        ]
        rows.append([arm, f"{checkpoint_bytes(arm) / 2**20:.0f}", case, *cells])
    head = ["arm", "checkpoint MiB", "saved", "gap s", "largest gap s", "epoch s", "gaps' share", "gap / 1.6 s"]
    first = next(iter(found.values()))
    facts = f"- n = {len(first)} studies of one trial of {epochs} epochs each; gaps: median (first to third quartile)"
    notes = (
        "- gaps' share: of the time from the first epoch to the last, here\n"
        f"- gap / 1.6 s: the median gap as a share of an epoch of {EPOCH_TARGET_S} s, the target for a GPU; automatic"
        f" checkpoints come\n  on top, as often as saving takes {SAVING_SHARE:.0%} of the time"
    )
    title = "# Overhead of an epoch in a study, trials of full size"
    return "\n\n".join([title, f"{environment(('torch', 'ray', 'optuna'))}\n{facts}\n{notes}", table(head, rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    text = report(measure(args.epochs, args.repeats), args.epochs)
    print(text)
    print("written:", write_result("epoch_overhead", text))


if __name__ == "__main__":
    main()

"""How many trials at once one device should train: images/s over all of them, for 1, 2, 4, 8 at a time.

    uv run python -m benchmarks.packing       # on a GPU: ResNet-18, batch 64 and 256
    uv run python -m benchmarks.packing       # on a CPU: small encoder, 1 trial x 2 threads against 2 trials x 1

Each trial is a process of its own, as Ray's are; all begin together, and the last to finish counts. Through Ray the
same packing is `resources.gpu: 0.5` (two at a time), 0.25 and so on. With CUDA's multi-process service (MPS) running
(`nvidia-cuda-mps-control -d`) kernels of different processes run side by side, else they take turns.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmarks.common import Timing, describe, environment, table, write_result


class Case(NamedTuple):
    trials: int
    threads: int
    batch: int
    compile: str = "none"


class Work(NamedTuple):
    """What each process does."""

    device: str
    encoder: str
    steps: int
    warm_up: int
    changes: dict[str, Any]


def _train(case: Case, work: Work, start: Any, results: Any) -> None:
    import torch

    from benchmarks.train_step import Setting, run_config
    from trainables import devices
    from trainables.estimate import Sizes, noise_dataset
    from trainables.trial import Trial

    torch.set_num_threads(case.threads)
    device = torch.device(work.device)
    setting = Setting(device, work.encoder, case.batch, compile=case.compile, changes=work.changes)
    trial = Trial(run_config(setting, {"method": "kmclr", "support": {"k": 400}}), noise_dataset(Sizes(), 2048))
    trial.total_steps = 10**9
    trial.method.train()
    batches = [index for index in torch.arange(2048, device=device).split(case.batch) if len(index) == case.batch]
    trial.train_steps([batches[step % len(batches)] for step in range(work.warm_up)])
    devices.synchronise(device)
    start.wait()
    trial.train_steps([batches[step % len(batches)] for step in range(work.steps)])
    devices.synchronise(device)
    results.put(time.monotonic())


def images_per_s(case: Case, work: Work, timeout_s: float = 600) -> float:
    """Images (of two views) a second over all trials, from the common start to the last one's end."""
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(case.trials + 1), context.Queue()
    processes = [context.Process(target=_train, args=(case, work, start, results)) for _ in range(case.trials)]
    for process in processes:
        process.start()
    try:
        start.wait(timeout_s)
        started = time.monotonic()
        ends = [results.get(timeout=timeout_s) for _ in processes]
    finally:
        for process in processes:
            process.join(timeout=10)
            process.kill()
    return case.trials * work.steps * case.batch / (max(ends) - started)


def measure(cases: Sequence[Case], work: Work, repeats: int) -> dict[Case, list[float]]:
    found: dict[Case, list[float]] = {case: [] for case in cases}
    for _ in range(repeats):
        for case in cases:
            found[case].append(images_per_s(case, work))
    return found


def report(found: dict[Case, list[float]], work: Work, repeats: int) -> str:
    rows = []
    for case, speeds in found.items():
        base = next(other for other in found if (other.batch, other.compile) == (case.batch, case.compile))
        gains = [speed / alone for speed, alone in zip(speeds, found[base], strict=True)]
        epochs = [speed / 45_000 * 36 for speed in speeds]
        row = [case.batch, case.compile, case.trials, case.threads]
        rows.append([*row, describe(Timing(speeds), 0), describe(Timing(epochs), 1), describe(Timing(gains), 2)])
    head = ["batch", "compile", "trials at once", "threads each", "images/s, all", "100-epoch trials an hour", "gain"]
    mps = "yes" if os.environ.get("CUDA_MPS_PIPE_DIRECTORY") else "no"
    notes = (
        f"- n = {repeats} readings of {work.steps} steps of each trial, in turns; median (first to third quartile); "
        f"{work.encoder}, kmclr, k = 400; a trial of 100 epochs has 45,000 images each, evaluation excluded; MPS: {mps}"
    )
    facts = f"{environment(('torch',))}\n{notes}"
    return "\n\n".join([f"# Packing: trials at once on {work.device}", facts, table(head, rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=None, help="default: 100 on a GPU, 5 on a CPU")
    parser.add_argument("--batches", default=None, help="default: 64,256 on a GPU, 64 on a CPU")
    parser.add_argument("--modes", default="none", help="on a GPU: values of train.compile, with commas")
    parser.add_argument("--at-once", default="1,2,4,8", help="on a GPU")
    args = parser.parse_args()
    from trainables import devices

    device = devices.pick_device(args.device)
    batches = [int(batch) for batch in (args.batches or ("64,256" if device.type == "cuda" else "64")).split(",")]
    if device.type == "cuda":
        work = Work(str(device), "resnet18", args.steps or 100, 20, {})
        at_once = [int(trials) for trials in args.at_once.split(",")]
        modes = args.modes.split(",")
        cases = [Case(n, 1, batch, mode) for batch in batches for mode in modes for n in at_once]
    else:
        heads = {"projector_hidden": 256, "embedding_dim": 64, "predictor_hidden": 256}
        work = Work("cpu", "small_conv", args.steps or 5, 2, {"heads": heads})
        cases = [Case(1, 2, batch) for batch in batches] + [Case(2, 1, batch) for batch in batches]
    text = report(measure(cases, work, args.repeats), work, args.repeats)
    print(text)
    print("written:", write_result(f"packing-{device.type}", text))


if __name__ == "__main__":
    main()

"""A step's use of a support set on one device: time, bytes/s and FLOP/s against what the device can do.

    OMP_NUM_THREADS=1 uv run python -m benchmarks.support_kernels [--device cuda] [--quick]

A step is the look-up of both views (one call, 2 x batch queries) and the update with the first. Queues are full. The
bytes counted are those that cannot be avoided: the stored rows read once; the FLOP those of one product of queries and
rows. The floor is the larger of both at the device's measured peaks. lightly's bank of the same size takes turns (where
lightly is installed).
"""

from __future__ import annotations

import argparse
import statistics
import warnings
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch

from benchmarks.common import describe, environment, has_lightly, paired, ratio, table, write_result
from benchmarks.machine import Peaks, clock, measure_peaks
from trainables import devices
from trainables.settings.config import PositivesConfig, SupportConfig
from trainables.support.build import SupportSet, build

DIM = 256
LIGHTLY = "lightly's bank"


class Kernel(NamedTuple):
    """One support set at one batch size."""

    name: str
    kind: str
    support: SupportConfig
    batch: int

    @property
    def rows(self) -> int:
        return self.support.k if self.kind == "prototypes" else self.support.queue_size

    @property
    def row_bytes(self) -> int:
        stored = self.support.prototype_dtype if self.kind == "prototypes" else self.support.queue_dtype
        return DIM * {"float32": 4, "float16": 2, "int8": 1}[stored]

    @property
    def flops(self) -> float:
        return 2.0 * 2 * self.batch * self.rows * DIM

    def floor_s(self, peaks: Peaks) -> float:
        """16-bit rows may use 16-bit products; everything else needs float32 ones."""
        rate = peaks.bfloat16 if self.row_bytes == 2 * DIM else peaks.float32
        return max(self.flops / rate, self.rows * self.row_bytes / peaks.copy)


def kernels(quick: bool) -> list[Kernel]:
    batches, ks, sizes = ((64,), (50,), (1024,)) if quick else ((64, 256), (50, 400, 2000), (4096, 98304))
    prototypes = [(f"prototypes, k = {k:,}", "prototypes", SupportConfig(k=k, forget_every=0)) for k in ks]
    queues = [
        (f"queue, {size:,} rows, {dtype}", "queue", SupportConfig(queue_size=size, queue_dtype=dtype))
        for size in sizes
        for dtype in ("float32", "float16", "int8")
    ]
    return [Kernel(*which, batch) for batch in batches for which in prototypes + queues]


def our_step(kernel: Kernel, device: torch.device) -> Callable[[], object]:
    options = {"dim": DIM, "num_classes": 100, "device": device, "seed": 0}
    support: SupportSet = build(kernel.kind, kernel.support, PositivesConfig(), **options)
    generator = torch.Generator(device).manual_seed(0)
    for _ in range(2):
        support.update(torch.randn(kernel.rows, DIM, generator=generator, device=device))
    assert support.ready
    queries = torch.randn(2 * kernel.batch, DIM, generator=generator, device=device)

    def step() -> None:
        found = support.look_up(queries)
        support.update(queries[: kernel.batch], assignment_B=found.index_B[: kernel.batch])

    return step


def lightly_step(kernel: Kernel, device: torch.device) -> Callable[[], object]:
    from lightly.models.modules import NNMemoryBankModule

    bank = NNMemoryBankModule(size=(kernel.rows, DIM)).to(device)
    view1, view2 = torch.randn(2, kernel.batch, DIM, device=device)

    def step() -> None:
        bank(view2, update=False)
        bank(view1, update=True)

    return step


def measure(kernel: Kernel, device: torch.device, peaks: Peaks, repeats: int, calls: int) -> list[str]:
    candidates = {"ours": our_step(kernel, device)}
    if kernel.kind == "queue" and has_lightly():
        candidates[LIGHTLY] = lightly_step(kernel, device)
    wait = partial(devices.synchronise, device)
    times = paired(candidates, repeats=repeats, calls=calls, wait=wait, clock=clock(device))
    ours = times["ours"]
    seconds, floor = statistics.median(ours.seconds), kernel.floor_s(peaks)
    return [
        kernel.name,
        str(kernel.batch),
        describe(ours.scaled(1e6), 0),
        f"{kernel.rows * kernel.row_bytes / seconds / 1e9:.1f}",
        f"{kernel.flops / seconds / 1e12:.3f}",
        f"{1e6 * floor:.1f}",
        f"{100 * floor / seconds:.0f} %",
        describe(ratio(times[LIGHTLY], ours), 2) if LIGHTLY in times else "-",
    ]


def report(rows: list[list[str]], device: torch.device, peaks: Peaks, repeats: int, calls: int) -> str:
    head = ["support set", "batch", "us a step", "GB/s", "TFLOP/s", "floor us", "floor / time", "lightly / this"]
    kind = "CPU time" if device.type == "cpu" else "wall time"
    notes = (
        f"{peaks.line()}\n- torch threads: {torch.get_num_threads()}; D = {DIM}; n = {repeats} readings of {calls} "
        f"steps in turns, {kind}; median (first to third quartile)"
    )
    title = f"# Support sets on {device}: look-up of both views and update"
    return "\n\n".join([title, f"{environment(('torch', 'lightly'))}\n{notes}", table(head, rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quick", action="store_true", help="small sizes, prints only")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--calls", type=int, default=None, help="steps per reading (default: 50 on a GPU, 2 on a CPU)")
    args = parser.parse_args()
    device = devices.pick_device(args.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    calls = args.calls or (50 if device.type == "cuda" else 2)
    peaks = measure_peaks(device)
    rows = [measure(kernel, device, peaks, args.repeats, calls) for kernel in kernels(args.quick)]
    text = report(rows, device, peaks, args.repeats, calls)
    print(text)
    if not args.quick:
        print("written:", write_result(f"support_kernels-{device.type}", text))


if __name__ == "__main__":
    main()

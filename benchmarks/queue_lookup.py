"""One step's use of a queue (look-up of both views, then enqueue): ours against lightly's bank and re-normalising.

    OMP_NUM_THREADS=1 python -m benchmarks.queue_lookup            # writes benchmarks/results/<date>-queue-lookup.md
    OMP_NUM_THREADS=1 python -m benchmarks.queue_lookup --quick    # small sizes, prints only

All candidates hold the same rows and see the same batches, in turns; before a time counts, their neighbours are
compared. lightly is used as its documentation does: one call per view, the second with update=True.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F

from benchmarks.common import CLOCKS, describe, environment, paired, ratio, table, write_result
from trainables.settings.config import PositivesConfig, SupportConfig
from trainables.support.build import SupportSet, build

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from lightly.models.modules import NNMemoryBankModule

DIM = 256
DTYPES = ("float32", "float16", "int8")
LIGHTLY, RENORMALISING = "lightly's bank", "re-normalised each call"


class Renormalised:
    """A raw queue that is normalised whole at every look-up, as the original study has it (but with an exact ring)."""

    def __init__(self, rows_QD: torch.Tensor) -> None:
        self.rows_QD, self.at = rows_QD.clone(), 0

    def step(self, view1_BD: torch.Tensor, view2_BD: torch.Tensor) -> list[torch.Tensor]:
        found = [self._nearest(view) for view in (view1_BD, view2_BD)]
        place = torch.arange(self.at, self.at + len(view1_BD)) % len(self.rows_QD)
        self.rows_QD[place] = view1_BD
        self.at = (self.at + len(view1_BD)) % len(self.rows_QD)
        return found

    def _nearest(self, view_BD: torch.Tensor) -> torch.Tensor:
        rows_QD = F.normalize(self.rows_QD, dim=1)
        return rows_QD[(F.normalize(view_BD, dim=1) @ rows_QD.T).argmax(dim=1)]


def our_queue(rows_QD: torch.Tensor, dtype: str) -> SupportSet:
    support = SupportConfig(queue_size=len(rows_QD), queue_dtype=dtype)
    queue = build("queue", support, PositivesConfig(), dim=DIM, num_classes=1, device="cpu", seed=0)
    queue.update(rows_QD)
    return queue


def our_step(queue: SupportSet, view1_BD: torch.Tensor, view2_BD: torch.Tensor) -> list[torch.Tensor]:
    found = queue.look_up(torch.cat([view1_BD, view2_BD]))
    queue.update(view1_BD)
    return list(found.positives_BD.chunk(2))


def lightly_step(bank: NNMemoryBankModule, view1_BD: torch.Tensor, view2_BD: torch.Tensor) -> list[torch.Tensor]:
    second = bank(view2_BD, update=False)
    first = bank(view1_BD, update=True)  # looks up in a copy taken before it enqueues
    return [first, second]


def batches_of(size: int, batch: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(size + batch)
    count = 8
    views = torch.randn(count, 2, batch, DIM, generator=generator)
    return [(view[0], view[1]) for view in views]


def candidates(size: int, batch: int) -> dict[str, Callable]:
    rows_QD = torch.randn(size, DIM, generator=torch.Generator().manual_seed(0))
    bank = NNMemoryBankModule(size=(size, DIM))
    bank.bank = rows_QD.clone()
    raw = Renormalised(rows_QD)
    steps = {LIGHTLY: lambda a, b: lightly_step(bank, a, b), RENORMALISING: raw.step}
    for dtype in DTYPES:
        queue = our_queue(rows_QD, dtype)
        steps[f"ours, {dtype}"] = lambda a, b, queue=queue: our_step(queue, a, b)
    return steps


def agreement(steps: dict[str, Callable], batches: list) -> dict[str, float]:
    """Share of queries for which a candidate's neighbour is lightly's (the same row up to its storage rounding)."""
    same = dict.fromkeys(steps, 0.0)
    for view1, view2 in batches:
        found = {name: F.normalize(torch.cat(step(view1, view2)), dim=1) for name, step in steps.items()}
        for name, rows in found.items():
            same[name] += ((rows * found[LIGHTLY]).sum(dim=1) > 0.99).float().mean().item() / len(batches)
    return same


def measure(size: int, batch: int, repeats: int, clock: str) -> list[list[str]]:
    steps, batches = candidates(size, batch), batches_of(size, batch)
    same = agreement(steps, batches)
    if min(same["ours, float32"], same[RENORMALISING]) < 0.999:
        raise SystemExit(f"neighbours differ from lightly's at size {size}, batch {batch}: {same}")
    view1, view2 = batches[0]
    runs = {name: lambda step=step: step(view1, view2) for name, step in steps.items()}
    times = paired(runs, repeats=repeats, warm_up=1, clock=CLOCKS[clock][0])
    rows = []
    for name, timing in times.items():
        against = [describe(ratio(times[peer], timing)) for peer in (LIGHTLY, RENORMALISING)]
        rows.append([size, batch, name, describe(timing.scaled(1e3), 1), *against, f"{same[name]:.2%}"])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, prints only")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--clock", choices=CLOCKS, default="cpu", help="cpu: fair on shared cores; wall: idle ones")
    args = parser.parse_args()
    sizes = [(4096, 64)] if args.quick else [(98304, 64), (98304, 256), (98304, 1024), (4096, 64), (4096, 256)]
    rows = [row for size, batch in sizes for row in measure(size, batch, args.repeats, args.clock)]
    text = "\n\n".join(
        [
            "# Queue: look-up of both views and enqueue, per step",
            environment(("torch", "lightly"))
            + f"\n- torch threads: {torch.get_num_threads()}; D = {DIM}, float32 keys",
            table(
                ["rows", "batch", "queue", "ms a step", "lightly / this", "re-normalised / this", "same neighbour"],
                rows,
            ),
            f"{CLOCKS[args.clock][1]}: medians of n = {args.repeats} repeats (first to third quartile), candidates in "
            "turns within a repeat; "
            "`/ this`: how many times longer the other took. Same neighbour: share of queries over 8 steps for "
            "which the row drawn is lightly's.",
        ]
    )
    print(text)
    if not args.quick:
        print("written to", write_result("queue-lookup", text))


if __name__ == "__main__":
    main()

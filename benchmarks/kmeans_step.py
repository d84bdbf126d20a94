"""One training step's k-means (assign both views, update with the first): ours against scikit-learn in the loop.

    OMP_NUM_THREADS=1 python -m benchmarks.kmeans_step            # writes benchmarks/results/<date>-kmeans-step.md
    OMP_NUM_THREADS=1 python -m benchmarks.kmeans_step --quick    # small sizes, prints only

scikit-learn is used as the original study does: float64, two `predict` and one `partial_fit` a step; a second
candidate gives it float32. All start from the same centres and see the same batches in turns, so that after the run
their centres and neighbours can be compared; Euclidean on raw embeddings, no reassignment and no forgetting.

Each is timed twice: many steps in a row, and one step right after a training step of a small encoder, which leaves
neither its code nor its data in the core's own caches.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable

import numpy as np
import torch
from sklearn.cluster import MiniBatchKMeans
from torch import nn

from benchmarks.common import CLOCKS, describe, environment, paired, ratio, table, write_result
from trainables.settings.config import PositivesConfig, SupportConfig
from trainables.support.build import SupportSet, build

DIM, BATCHES, CLUSTERS = 256, 16, 200
FLOAT64, FLOAT32 = "scikit-learn, float64", "scikit-learn, float32"
EUCLIDEAN, COSINE = "ours, euclidean", "ours, cosine"
TOLERANCE = 1e-3
"""Largest accepted difference of a centre's entry (the embeddings' entries have std 1.4)."""


class Sklearn:
    """MiniBatchKMeans in the training loop, with the copies to NumPy and back."""

    def __init__(self, start_KD: torch.Tensor, dtype: type) -> None:
        self.dtype = dtype
        start = start_KD.numpy().astype(dtype)
        self.model = MiniBatchKMeans(n_clusters=len(start), init=start, n_init=1, reassignment_ratio=0)
        self.model.partial_fit(start)  # every centre has now seen one row: itself

    def step(self, views_2BD: torch.Tensor) -> torch.Tensor:
        views = [view.detach().cpu().numpy().astype(self.dtype) for view in views_2BD.chunk(2)]
        index = np.concatenate([self.model.predict(view) for view in views])
        positives = torch.from_numpy(self.model.cluster_centers_[index]).float()
        self.model.partial_fit(views[0])
        return torch.nn.functional.normalize(positives, dim=1)

    def centres(self) -> torch.Tensor:
        return torch.from_numpy(self.model.cluster_centers_).float()


class Ours:
    def __init__(self, start_KD: torch.Tensor, metric: str) -> None:
        support = SupportConfig(k=len(start_KD), metric=metric, forget_every=0)
        self.support: SupportSet = build(
            "prototypes", support, PositivesConfig(), dim=DIM, num_classes=1, device="cpu", seed=0
        )
        self.support.update(start_KD)  # exactly K first embeddings: they are the first prototypes, count 1

    def step(self, views_2BD: torch.Tensor) -> torch.Tensor:
        found = self.support.look_up(views_2BD)
        batch = len(views_2BD) // 2
        self.support.update(views_2BD[:batch], assignment_B=found.index_B[:batch])
        return found.positives_BD

    def centres(self) -> torch.Tensor:
        return self.support.centres_KD


def embeddings(rows: int, generator: torch.Generator) -> torch.Tensor:
    """Clustered rows: a mixture, as embeddings of a trained network are."""
    middles = torch.randn(CLUSTERS, DIM, generator=torch.Generator().manual_seed(0))
    place = torch.randint(CLUSTERS, (rows,), generator=generator)
    return middles[place] + torch.randn(rows, DIM, generator=generator)


def turning(step: Callable[[torch.Tensor], torch.Tensor], batches: list[torch.Tensor]) -> Callable[[], torch.Tensor]:
    """`step` on the next of the batches at each call, from the first."""
    calls = 0

    def run() -> torch.Tensor:
        nonlocal calls
        calls += 1
        return step(batches[(calls - 1) % len(batches)])

    return run


def training_step(batch: int) -> Callable[[], None]:
    """Forward, backward and update of a small encoder on both views: what comes between two steps of a k-means."""
    encoder = nn.Sequential(
        nn.Conv2d(3, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 32, 3, stride=2), nn.Flatten(),
        nn.LazyLinear(DIM),
    )  # fmt: skip
    images = torch.randn(2 * batch, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    encoder(images)
    optimizer = torch.optim.SGD(encoder.parameters(), lr=1e-6)

    def run() -> None:
        optimizer.zero_grad()
        encoder(images).square().mean().backward()
        optimizer.step()

    return run


def measure(k: int, batch: int, repeats: int, clock: str) -> list[list[str]]:
    generator = torch.Generator().manual_seed(k + batch)
    start = embeddings(k, generator)
    batches = [embeddings(2 * batch, generator) for _ in range(BATCHES)]
    models = {
        FLOAT64: Sklearn(start, np.float64),
        FLOAT32: Sklearn(start, np.float32),
        EUCLIDEAN: Ours(start, "euclidean"),
        COSINE: Ours(start, "cosine"),
    }
    steps = {name: turning(model.step, batches) for name, model in models.items()}
    seconds = CLOCKS[clock][0]
    row = paired(steps, repeats=repeats, calls=in_a_row(batch), clock=seconds)
    alone = paired(steps, repeats=repeats, clock=seconds, before=training_step(batch))
    fresh = embeddings(2 * batch, generator)
    reference = models[FLOAT64]
    wanted, rows = reference.centres(), []
    positives = reference.step(fresh)
    for name, model in models.items():
        apart = (model.centres() - wanted).abs().max().item() if name != FLOAT64 else 0.0
        same = 1.0 if name == FLOAT64 else same_neighbours(model.step(fresh), positives)
        if name == EUCLIDEAN and (apart > TOLERANCE or same < 0.99):
            raise SystemExit(f"k={k}, batch {batch}: centres differ by {apart:.2g}, same neighbours {same:.1%}")
        equal = [f"{apart:.1e}", f"{same:.1%}"] if name != COSINE else ["other metric", "-"]
        against = [describe(ratio(row[peer], row[name])) for peer in (FLOAT64, FLOAT32)]
        after = [describe(alone[name].scaled(1e3)), describe(ratio(alone[FLOAT64], alone[name]))]
        rows.append([k, batch, name, describe(row[name].scaled(1e3)), *against, *after, *equal])
    return rows


def in_a_row(batch: int) -> int:
    """Steps of a timed value: about as much work at each batch size."""
    return max(2, 20 * 64 // batch)


def same_neighbours(positives: torch.Tensor, wanted: torch.Tensor) -> float:
    return ((positives * wanted).sum(dim=1) > 0.9999).float().mean().item()


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, prints only")
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--clock", choices=CLOCKS, default="cpu", help="cpu: fair on shared cores; wall: idle ones")
    args = parser.parse_args()
    sizes = [(50, 64)] if args.quick else [(k, batch) for batch in (64, 256, 1024) for k in (50, 400, 2000)]
    rows = [row for k, batch in sizes for row in measure(k, batch, args.repeats, args.clock)]
    header = ["k", "batch", "k-means", "ms a step", "sklearn f64 / this", "sklearn f32 / this"]
    header += ["ms after a training step", "sklearn f64 / this there", "centres apart", "same neighbours"]
    counts = ", ".join(f"{in_a_row(batch)} at batch {batch}" for batch in sorted({batch for _, batch in sizes}))
    text = "\n\n".join(
        [
            "# k-means: both views assigned and one update, per step",
            environment(("torch", "scikit-learn", "numpy"))
            + f"\n- torch threads: {torch.get_num_threads()}; D = {DIM}",
            table(header, rows),
            f"{CLOCKS[args.clock][1]}: medians of n = {args.repeats} values (first to third quartile), candidates in "
            f"turns. A value is the mean of steps in a row ({counts}), or one step right after a training step of a "
            "small encoder. `/ this`: how many times longer scikit-learn took. Centres apart: largest difference of an "
            "entry from scikit-learn's in float64 after the run's steps; same neighbours: share of a fresh batch's "
            "queries.",
        ]
    )
    print(text)
    if not args.quick:
        print("written to", write_result("kmeans-step", text))


if __name__ == "__main__":
    main()

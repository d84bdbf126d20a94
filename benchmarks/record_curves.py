"""Trains a grid of points on the digits data and records every epoch's validation accuracy: the table that
`benchmarks.search_strategies` replays.

    uv run python -m benchmarks.record_curves [--seeds 1] [--out benchmarks/data/digits_curves.csv]

68 points x 15 epochs, about a quarter of an hour on one core. Rows are appended as runs end; a second call goes on
where the first was interrupted. Columns: method, size (k or queue rows; 0 for none), temperature, forget_every (0: does
not apply), seed, epoch, accuracy (% on validation, 5 labels per class), support_bytes.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from pathlib import Path

import torch
from rich.progress import track

from study.settings.loading import load_study
from study.settings.space import to_run
from trainables.pretrain import pretrain

ROOT = Path(__file__).parent.parent
COLUMNS = ("method", "size", "temperature", "forget_every", "seed", "epoch", "accuracy", "support_bytes")
TEMPERATURES = (0.05, 0.1, 0.2, 0.4)
PROTOTYPES = (5, 15, 50, 150)
QUEUES = (32, 128, 512, 2048)
EPOCHS = 15


def grid() -> list[dict]:
    """Search-space points of the table."""
    points = [
        {"method": "kmclr", "k": k, "temperature": t, "forget_every": f}
        for k, t, f in itertools.product(PROTOTYPES, TEMPERATURES, (1, 3, 10))
    ]
    points += [{"method": "nnclr", "queue_size": q, "temperature": t} for q in QUEUES for t in TEMPERATURES]
    return points + [{"method": "none", "temperature": t} for t in TEMPERATURES]


def key(point: dict, seed: int) -> tuple:
    size = point.get("k", point.get("queue_size", 0))
    return point["method"], size, point["temperature"], point.get("forget_every", 0), seed


def recorded(path: Path) -> set[tuple]:
    """Points that the file already holds."""
    if not path.exists():
        return set()
    with path.open() as file:
        return {
            (r["method"], int(r["size"]), float(r["temperature"]), int(r["forget_every"]), int(r["seed"]))
            for r in csv.DictReader(file)
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data" / "digits_curves.csv")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    study = load_study(ROOT / "configs" / "k_sweep.yaml", rehearse=True).study
    done = recorded(args.out)
    with args.out.open("a", newline="") as file:
        writer = csv.writer(file)
        if not done:
            writer.writerow(COLUMNS)
        for seed, point in track(list(itertools.product(range(args.seeds), grid())), description="runs"):
            if key(point, seed) in done:
                continue
            reports = list(pretrain(to_run(study, point, seed=seed, epochs=EPOCHS)))
            writer.writerows([*key(point, seed), r["epoch"], r["accuracy"], r["support_bytes"]] for r in reports)
            file.flush()


if __name__ == "__main__":
    main()

"""Every method with every kind of support set, on the same budget: accuracies on test, bytes and speed.

    uv run python -m benchmarks.method_table [--seeds 3] [--first-seed 0] [--arms NAME ...] [--set a.b=c ...]

The settings are those of configs/k_sweep.yaml's rehearsal (digits, small encoder); `--set` changes them, for example to
a subset of CIFAR-100: --set data.name=parquet --set data.root=FOLDER --set data.train_limit=5000. One thread. `random`
is the untrained encoder. Mean and half-width of the 95 % t interval over seeds, which give weights and batches; beside
them the 5-shot accuracy minus that of `none`, paired by seed.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from scipy import stats

from benchmarks.common import environment, table, write_result
from study.settings.config import StudyConfig
from study.settings.loading import load_study
from study.settings.space import to_run
from trainables.data.dataset import load_dataset
from trainables.evaluation.offline import Frozen, evaluate
from trainables.settings import edge
from trainables.settings.config import RunConfig
from trainables.trial import Trial

ROOT = Path(__file__).parent.parent
ARMS = {
    "random": {"method": "none"},
    "simclr": {"method": "simclr"},
    "byol": {"method": "byol"},
    "resa": {"method": "resa"},
    "none": {"method": "none"},
    "nnclr, 1,024 float32": {"method": "nnclr", "support": {"queue_size": 1024}},
    "nnclr, 1,024 float16": {"method": "nnclr", "support": {"queue_size": 1024, "queue_dtype": "float16"}},
    "nnclr, 1,024 int8": {"method": "nnclr", "support": {"queue_size": 1024, "queue_dtype": "int8"}},
    "kmclr, k=50 count": {"method": "kmclr", "support": {"k": 50}},
    "kmclr, k=50 ema": {"method": "kmclr", "support": {"k": 50, "update": "ema"}},
    "kmclr, k=50 soft": {"method": "kmclr", "support": {"k": 50}, "positives": {"kind": "soft"}},
    "kmclr, k=200 count": {"method": "kmclr", "support": {"k": 200}},
}
SCORE = "test_few_shot_acc1"
ACCURACIES = ("test_knn_acc1", SCORE, "test_acc1")


def run_config(study: StudyConfig, arm: dict, seed: int) -> RunConfig:
    """The study's shared settings with an arm's method and support set."""
    settings = to_run(study, {}, seed=seed).model_dump(mode="json")
    return edge.validate(RunConfig, edge.merge(settings, arm), "arm")


def measure(cfg: RunConfig, train: bool, linear_epochs: int = 90) -> dict[str, float]:
    """Train one run (or not at all) and evaluate it offline."""
    dataset = load_dataset(cfg.data)
    trial = Trial(cfg, dataset)
    reports: list[dict] = []
    started = time.process_time()
    while train and not trial.done:
        reports.append(trial.run_epoch())
    seconds = time.process_time() - started
    encoder = trial.method.networks.encoder.eval().requires_grad_(False)
    frozen = Frozen(encoder, cfg, dataset.mean, dataset.std, dataset.channels, dataset.image_size, trial.epoch)
    found = dict(evaluate(frozen, epochs=linear_epochs, seed=cfg.seed).metrics)
    found["support_bytes"] = trial.method.support.nbytes if train else 0
    if train:
        found["images_per_s"] = trial.images_per_epoch * len(reports) / seconds
        found["embedding_std"] = reports[-1]["embedding_std"]
    trial.close()
    return found


def interval(values: Sequence[float]) -> str:
    """`mean ± half-width` of the 95 % t interval."""
    if len(values) < 2:
        return f"{values[0]:.1f}"
    half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return f"{statistics.mean(values):.1f} ± {half:.1f}"


def row(name: str, runs: Sequence[dict[str, float]], bare: Sequence[dict[str, float]] = ()) -> list[str]:
    """A line of the table. bare: the runs of `none` at the same seeds; empty if there are none, or this is it."""
    cells = [interval([run[metric] for run in runs]) for metric in ACCURACIES]
    gains = [one[SCORE] - other[SCORE] for one, other in zip(runs, bare, strict=bool(bare))]
    cells.append(interval(gains) if gains else "-")
    trained = "images_per_s" in runs[0]
    speed = f"{statistics.median(run['images_per_s'] for run in runs):,.0f}" if trained else "-"
    spread = f"{min(run['embedding_std'] for run in runs):.2f}" if trained else "-"
    return [name, *cells, f"{runs[0]['support_bytes']:,.0f}", speed, spread]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C")
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--name", default="digits")
    args = parser.parse_args()
    torch.set_num_threads(1)
    study = load_study(ROOT / "configs" / "k_sweep.yaml", rehearse=True, overrides=args.set).study
    rows, epochs = [], study.confirm.linear_epochs
    found: dict[str, list[dict[str, float]]] = {}
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    for name in sorted(args.arms, key=lambda arm: arm != "none"):  # which the others are compared with
        found[name] = [measure(run_config(study, ARMS[name], seed), name != "random", epochs) for seed in seeds]
        rows.append(row(name, found[name], found.get("none", []) if name != "none" else []))
        print(" | ".join(rows[-1]), flush=True)
    head = ("arm", "kNN", "5-shot", "linear acc@1", "5-shot minus none", "support bytes", "images per CPU s",
            "least embedding std")  # fmt: skip
    view = study.augment.view1
    text = (
        f"# Methods and support sets: {args.name}\n\n{environment(('torch', 'scikit-learn'))}\n- torch threads: 1\n"
        f"- {study.train.epochs} epochs, batch {study.train.batch_size}, encoder {study.encoder.name}; linear "
        f"classifier: {epochs} epochs; overrides: {' '.join(args.set) or 'none'}\n"
        f"- views: crops from {view.crop_min:g}, jitter {view.jitter:g}, grey {view.grey:g}, flip {view.flip:g}\n"
        f"- n = {args.seeds} seeds ({seeds[0]} to {seeds[-1]}); test accuracies in %, mean ± half-width of the 95 % t\n"
        f"  interval; images per CPU second: training images, evaluation of each epoch included, median\n\n"
        f"{table(head, rows)}\n"
    )
    print("written:", write_result(f"method_table-{args.name}", text))


if __name__ == "__main__":
    main()

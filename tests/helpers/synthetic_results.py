"""Writes a results folder as a study would: made-up numbers of a believable shape, for tests of `analysis`.

Accuracy saturates in log k, depends on temperature and forgetting, and has a seed's and a method's own noise; the
search stage is stopped at rungs, a trial diverges, one fails, and the confirm stage adds test metrics.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from study import schema

START = datetime(2025, 3, 1, 8, 0, tzinfo=UTC)
DIM = 256
OBJECTIVES = {"accuracy": "max", "support_bytes": "min"}


def support_bytes(params: Mapping[str, Any]) -> int:
    """Vectors, counts and (kmclr) the recent embeddings."""
    if params["method"] == "kmclr":
        return int(params["k"]) * (DIM * 4 * 2 + 8)
    return int(params["queue_size"]) * DIM * 4 if params["method"] == "nnclr" else 0


def final_accuracy(params: Mapping[str, Any]) -> float:
    """Noise-free accuracy at full budget, %."""
    spoiled = 3.0 * abs(math.log10(params.get("temperature", 0.2) / 0.2)) ** 2
    if params["method"] == "kmclr":
        late = {1: 0.6, 3: 0.0, 10: 1.2}[params["forget_every"]]
        return 57.0 - 9.0 * math.exp(-params["k"] / 90) - spoiled - late
    if params["method"] == "nnclr":
        return 57.8 - 8.0 * math.exp(-params["queue_size"] / 6000) - spoiled
    return 53.0 - spoiled


def label(params: Mapping[str, Any]) -> str:
    short = {"temperature": "t", "forget_every": "f", "queue_size": "queue"}
    shown = {n: f"{v:.3g}" if isinstance(v, float) else v for n, v in params.items() if n != "method"}
    rest = [f"{short.get(n, n)}={v}" for n, v in shown.items()]
    return " ".join([str(params["method"]), *rest])


def sample(rng: np.random.Generator, method: str) -> dict[str, Any]:
    point: dict[str, Any] = {"method": method, "temperature": float(10 ** rng.uniform(-1.3, -0.3))}
    if method == "kmclr":
        point["k"] = round(10 ** rng.uniform(1.4, 3.3))
        point["forget_every"] = int(rng.choice([1, 3, 10]))
    if method == "nnclr":
        point["queue_size"] = round(10 ** rng.uniform(2.4, 4.9))
    return point


BASELINES = (
    {"method": "kmclr", "temperature": 0.2, "k": 50, "forget_every": 3},
    {"method": "kmclr", "temperature": 0.2, "k": 400, "forget_every": 3},
    {"method": "nnclr", "temperature": 0.2, "queue_size": 98304},
    {"method": "none", "temperature": 0.2},
)


class _Writer:
    """Keeps a clock and the two lists of lines."""

    def __init__(self, rng: np.random.Generator, epochs: int, device: str) -> None:
        self.rng, self.epochs, self.device = rng, epochs, device
        self.clock = START
        self.reports: list[dict[str, Any]] = []
        self.trials: list[dict[str, Any]] = []

    def tick(self, seconds: float) -> str:
        self.clock += timedelta(seconds=seconds)
        return self.clock.isoformat(timespec="milliseconds")

    def epoch(self, params: Mapping[str, Any], seed_offset: float, epoch: int) -> dict[str, Any]:
        progress = 1 - math.exp(-3.2 * epoch / self.epochs)
        wiggle = self.rng.normal(0, 0.5) * (1 - epoch / self.epochs)
        accuracy = (final_accuracy(params) + seed_offset) * progress / (1 - math.exp(-3.2)) + wiggle
        method = params["method"]
        vectors = params.get("k") or params.get("queue_size") or 0
        line = {
            "accuracy": accuracy,
            "loss": 5.2 - 2.4 * progress + self.rng.normal(0, 0.02),
            "probe_acc1": accuracy,
            "probe_acc5": min(100.0, accuracy + 27),
            "knn_acc1": accuracy - 4,
            "few_shot_acc1": accuracy - 15,
            "support_bytes": support_bytes(params),
            "method_bytes": support_bytes(params) + 5_000_000 * (method == "byol"),
            "support_vectors": vectors,
            "peak_memory_bytes": int(2.1e9 + 2 * support_bytes(params)),
            "images_per_s": 3900 + self.rng.normal(0, 40) - vectors / 200,
            "epoch_s": 14 + vectors / 20000 + abs(self.rng.normal(0, 0.2)),
            "train_s": 12.0,
            "learning_rate": 0.4 * 0.5 * (1 + math.cos(math.pi * epoch / self.epochs)),
            "embedding_std": 0.9 + 0.05 * progress,
            "effective_rank": 120 + 80 * progress,
        }
        if method in ("kmclr", "nnclr"):
            line["neighbour_purity"] = 0.05 + 0.4 * progress
        if method == "nnclr":
            line["self_hit_rate"] = 0.02
        if method == "kmclr":
            line["prototypes_used"] = max(0.3, 1 - vectors / 4000 - 0.1 * self.rng.random())
            line["prototype_entropy"] = 0.85
        return line

    def run(self, stage: str, number: int, params: dict, seed: int, upto: int, status: str, **more: Any) -> None:
        """One trial: `upto` epochs of reports, then its end (none if status is 'running')."""
        offset = self.rng.normal(0, 0.35)
        identity = {"schema": schema.SCHEMA_VERSION, "stage": stage, "trial_id": f"{stage}-{number:04d}"}
        identity |= {"number": number, "seed": seed}
        began, metrics = self.tick(0), {}
        for epoch in range(1, upto + 1):
            metrics = self.epoch(params, offset, epoch)
            if status == schema.DIVERGED and epoch == upto:
                metrics = {**metrics, "accuracy": None, "loss": None}
            stamp = self.tick(metrics["epoch_s"])
            self.reports.append({**identity, "epoch": epoch, "time": stamp, **metrics})
        if status == "running":
            return
        if stage == "confirm" and status == schema.COMPLETED:
            metrics["test_acc1"] = metrics["accuracy"] + 0.8 + self.rng.normal(0, 0.15)
            metrics["test_acc5"] = metrics["probe_acc5"] + self.rng.normal(0, 0.1)
            metrics["test_knn_acc1"] = metrics["knn_acc1"]
            metrics["test_few_shot_acc1"] = metrics["few_shot_acc1"]
        end = {
            **identity,
            "status": status,
            "method": params["method"],
            "label": label(params),
            "params": params,
            "epochs": upto,
            "max_epochs": self.epochs,
            "metrics": metrics,
            "point": None,
            "baseline": False,
            "started": began,
            "ended": self.tick(1),
            "wall_s": 14.0 * upto,
            "error": "RuntimeError: a made-up failure" if status == schema.FAILED else None,
            "checkpoint": None,
        }
        self.trials.append({**end, **more})


def _search(writer: _Writer, count: int, methods: Sequence[str], rungs: Sequence[int]) -> None:
    points = [p for p in BASELINES if p["method"] in methods]
    fixed = len(points)
    points += [sample(writer.rng, methods[i % len(methods)]) for i in range(max(0, count - fixed))]
    for number, params in enumerate(points[:count]):
        status, upto = schema.COMPLETED, writer.epochs
        if number >= fixed:
            chance = writer.rng.random()
            if chance < 0.45:
                status, upto = schema.STOPPED, int(writer.rng.choice(rungs))
            elif number == fixed + 1:
                status, upto = schema.DIVERGED, 2
            elif number == fixed + 2:
                status, upto = schema.FAILED, 1
        writer.run("search", number, dict(params), 0, upto, status, baseline=number < fixed)


def _confirm(writer: _Writer, seeds: Sequence[int], max_points: int = 6) -> None:
    done = [t for t in writer.trials if t["status"] == schema.COMPLETED]
    best = sorted((t for t in done if not t["baseline"]), key=lambda t: -t["metrics"]["accuracy"])[:max_points]
    points = [*(t for t in done if t["baseline"]), *best]
    number = 0
    for seed in seeds:
        for point in points:
            more = {"point": point["trial_id"], "baseline": point["baseline"]}
            writer.run("confirm", number, point["params"], seed, writer.epochs, schema.COMPLETED, **more)
            number += 1


def make_manifest(name: str, *, rehearsal: bool, status: str, seeds: Sequence[int], rungs: Sequence[int], ended: str,
                  device: str, objectives: Mapping[str, str]) -> dict[str, Any]:  # fmt: skip
    """Every field of schema.MANIFEST_FIELDS."""
    gpus = [] if device == "cpu" else [{"name": "NVIDIA A100", "memory_bytes": 40 * 2**30}]
    return {
        "schema": schema.SCHEMA_VERSION,
        "study": name,
        "question": "How few prototypes (KMCLR) reach the accuracy of NNCLR's queue?",
        "rehearsal": rehearsal,
        "status": status,
        "command": f"run_study.py configs/{name}.yaml",
        "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False},
        "versions": {"python": "3.11.9", "torch": "2.14.0", "ray": "2.60.0", "optuna": "5.0.0"},
        "hardware": {"cpu": "Made-up CPU", "cores": 8, "memory_bytes": 32 * 2**30, "gpus": gpus},
        "device": device,
        "seeds": {"search": 0, "trial": 0, "confirm": list(seeds)},
        "data": {"name": "digits" if rehearsal else "cifar100", "fingerprint": "abc123", "classes": 100,
                 "train": 45000, "validation": 5000, "test": 10000, "channels": 3, "image_size": 32},
        "score": "few_shot_acc1" if rehearsal else "probe_acc1",
        "objectives": dict(objectives),
        "rungs": list(rungs),
        "started": START.isoformat(timespec="milliseconds"),
        "ended": None if status == "running" else ended,
        "sessions": [{"started": START.isoformat(timespec="milliseconds"), "ended": ended, "reason": "done"}],
    }  # fmt: skip


def make_study(
    name: str, seeds: Sequence[int], epochs: int, trials: int, objectives: Mapping[str, str]
) -> dict[str, Any]:
    """A resolved study, as far as an analysis looks at it."""
    return {
        "schema": schema.SCHEMA_VERSION,
        "name": name,
        "question": "How few prototypes (KMCLR) reach the accuracy of NNCLR's queue?",
        "data": {"name": "cifar100"},
        "encoder": {"name": "resnet18"},
        "heads": {"embedding_dim": DIM},
        "train": {"epochs": epochs, "batch_size": 256},
        "probe": {"score": "probe_acc1"},
        "space": {
            "method": ["kmclr", "nnclr", "none"],
            "temperature": {"low": 0.05, "high": 0.5, "log": True, "step": None, "grid": 4},
            "k": {"low": 25, "high": 2000, "log": True, "step": None, "grid": 4},
            "forget_every": [1, 3, 10],
            "queue_size": {"low": 256, "high": 98304, "log": True, "step": None, "grid": 4},
        },
        "baselines": [dict(p) for p in BASELINES],
        "objectives": dict(objectives),
        "search": {"sampler": "tpe", "trials": trials, "startup_trials": 10, "seed": 0},
        "scheduler": {"name": "pareto_asha", "grace_period": max(1, epochs // 9), "reduction_factor": 3},
        "confirm": {"enabled": bool(seeds), "seeds": list(seeds), "epochs": None, "max_points": 8, "linear_epochs": 90},
        "resources": {"cpu": None, "gpu": 0.5, "max_concurrent": None, "reuse_actors": True, "max_failures": 2},
        "rehearsal": {},
    }


def write_lines(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_results(
    folder: Path | str,
    *,
    seed: int = 0,
    trials: int = 24,
    epochs: int = 18,
    confirm_seeds: Sequence[int] = (1, 2, 3),
    methods: Sequence[str] = ("kmclr", "nnclr", "none"),
    rehearsal: bool = False,
    running: int = 0,
    device: str = "cuda",
    objectives: Mapping[str, str] = OBJECTIVES,
) -> Path:
    """Write a results folder and return it.

    trials: of the search stage (the first are the baselines; afterwards one diverges, one fails and about half are
    stopped at a rung). confirm_seeds: () for a study without confirm stage. running: so many trials have reports but no
    end, and the manifest says `running`. objectives: what the study optimises.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rungs = sorted({max(1, epochs // 9), max(1, epochs // 3)})
    writer = _Writer(np.random.default_rng(seed), epochs, device)
    _search(writer, trials, methods, rungs)
    if confirm_seeds:
        _confirm(writer, confirm_seeds)
    for i in range(running):
        params = sample(writer.rng, methods[i % len(methods)])
        writer.run("search", trials + i, params, 0, max(1, epochs // 2), "running")
    name = folder.name.removesuffix("-rehearsal")
    manifest = make_manifest(
        name,
        rehearsal=rehearsal,
        status="running" if running else "finished",
        seeds=confirm_seeds,
        rungs=rungs,
        ended=writer.tick(0),
        device=device,
        objectives=objectives,
    )
    (folder / schema.MANIFEST_FILE).write_text(json.dumps(manifest, indent=2))
    (folder / schema.STUDY_FILE).write_text(
        yaml.safe_dump(make_study(name, confirm_seeds, epochs, trials, objectives), sort_keys=False)
    )
    write_lines(folder / schema.TRIALS_FILE, writer.trials)
    write_lines(folder / schema.REPORTS_FILE, writer.reports)
    return folder

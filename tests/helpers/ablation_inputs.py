"""A made-up ablation for tests of `analysis`: a path in a results folder, and the trials of its steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from study import schema
from tests.helpers.synthetic_results import BASELINES, _Writer, final_accuracy, label, support_bytes, write_lines

TARGET = {"method": "kmclr", "temperature": 0.11, "k": 900, "forget_every": 3}


def path_of(target: dict[str, Any]) -> list[tuple[dict[str, Any], list[tuple[str, Any, Any]]]]:
    """From `none` to a point of kmclr: the method, at k = 400 and forgetting after each epoch, then its settings."""
    points, start = [], dict(BASELINES[3])
    points.append((start, []))
    point = {**start, "method": "kmclr", "k": 400, "forget_every": 1}
    points.append((point, [("method", "none", "kmclr"), ("k", None, 400), ("forget_every", None, 1)]))
    for name in ("k", "forget_every", "temperature"):
        if point[name] != target[name]:
            before, point = point[name], {**point, name: target[name]}
            points.append((point, [(name, before, target[name])]))
    return points


def write_ablation(
    folder: Path, *, seeds: Sequence[int] = (1, 2, 3), missing: int = 0, to: str = "best", without: str | None = None
) -> dict[str, Any]:
    """Add the stage to a folder of `write_results`: the baseline is a confirmed point, the last `missing` trials have
    not ended. Returns the path."""
    ends = [json.loads(row) for row in (folder / schema.TRIALS_FILE).read_text().splitlines()]
    reports = [json.loads(row) for row in (folder / schema.REPORTS_FILE).read_text().splitlines()]
    epochs = max((end["max_epochs"] for end in ends), default=6)
    start = next((e["trial_id"] for e in ends if e["stage"] == "search" and e["params"] == BASELINES[3]), None)
    confirmed = {end["seed"] for end in ends if end["stage"] == "confirm" and end["point"] == start}
    writer, steps = _Writer(np.random.default_rng(7), epochs, "cuda"), []
    for place, (params, changes) in enumerate(path_of(TARGET)):
        accuracy = final_accuracy(params)
        band = dict(zip(schema.BAND, (accuracy, accuracy - 1, accuracy + 1, accuracy - 2, accuracy + 2), strict=True))
        steps.append(
            {
                "points": [start, f"ablate-{place:08d}"] if start and not place else [f"ablate-{place:08d}"],
                "label": label(params),
                "method": params["method"],
                "params": params,
                "changes": [dict(zip(("name", "before", "after"), one, strict=True)) for one in changes],
                "support_bytes": support_bytes(params),
                "believed": band,
            }
        )
    wanted = [(seed, step) for seed in seeds for step in steps if not (step is steps[0] and seed in confirmed)]
    for number, (seed, step) in enumerate(wanted[: len(wanted) - missing]):
        more = {"point": step["points"][-1], "baseline": step is steps[0]}
        writer.run("ablate", number, step["params"], seed, epochs, schema.COMPLETED, **more)
        _test_metrics(writer.trials[-1]["metrics"], seed)
    write_lines(folder / schema.TRIALS_FILE, [*ends, *writer.trials])
    write_lines(folder / schema.REPORTS_FILE, [*reports, *writer.reports])
    path = {"from": "none", "to": to, "why": "the most accurate confirmed point on validation, 57.00 % (n = 3)"}
    path |= {"without": without, "searched": 24, "seeds": list(seeds), "epochs": epochs, "steps": steps}
    content = {"schema": schema.SCHEMA_VERSION, "time": "2025-03-02T08:00:00+00:00", "paths": [path]}
    (folder / schema.ABLATION_FILE).write_text(json.dumps(content))
    return path


def _test_metrics(metrics: dict[str, Any], seed: int) -> None:
    metrics["test_acc1"] = metrics["accuracy"] + 0.8 + 0.1 * seed
    metrics["test_acc5"] = metrics["probe_acc5"]
    metrics["test_knn_acc1"], metrics["test_few_shot_acc1"] = metrics["knn_acc1"], metrics["few_shot_acc1"]

"""Made-up studies for tests of health: trials and reports given, the rest as small as it may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.results.load import GPU_HOURS, Results
from study import schema
from tests.helpers.figure_inputs import report_rows, trial_row
from tests.helpers.synthetic_results import make_manifest, make_study

OBJECTIVES = {"accuracy": "max", "support_bytes": "min"}
RUNGS = (2,)


def curve(final: float, epochs: int = 6, early: float | None = None) -> list[float]:
    """Accuracies (%) that rise evenly to `final`; early: that of epoch 2."""
    values = [final * (0.5 + 0.5 * epoch / epochs) for epoch in range(1, epochs + 1)]
    if early is not None:
        values[1] = early
    return values


def search_trial(number: int, accuracies: Sequence[float], epochs: int = 6, **more: Any) -> tuple[dict, list[float]]:
    """A trial of the search and its accuracies: completed if these are of all epochs, else stopped."""
    name = f"search-{number:04d}"
    status = schema.COMPLETED if len(accuracies) == epochs else schema.STOPPED
    row = {"number": number, "status": status, "epochs": len(accuracies), "max_epochs": epochs, "baseline": False}
    row |= {"accuracy": accuracies[-1] if len(accuracies) else np.nan, "error": None, "label": f"point {number}"}
    return trial_row(name, **row | more), list(accuracies)


def confirm_trial(
    point: int, seed: int, test: float, validation: float | None = None, **more: Any
) -> tuple[dict, list]:
    """A confirm trial of a search trial; its accuracy on validation is that on test unless given."""
    accuracy = test if validation is None else validation
    row = {"stage": "confirm", "point": f"search-{point:04d}", "seed": seed, "number": 100 * seed + point}
    row |= {"status": schema.COMPLETED, "epochs": 6, "max_epochs": 6, "baseline": False, "label": f"point {point}"}
    row |= {"accuracy": accuracy, "test_acc1": test, "error": None}
    return trial_row(f"confirm-{point:04d}-{seed}", **row | more), curve(accuracy)


def studied(
    *pairs: tuple[dict, list[float]],
    status: str = "finished",
    study: Mapping[str, Any] = {},
    manifest: Mapping[str, Any] = {},
    measured: Mapping[str, Mapping[str, float]] = {},
    seeds: Sequence[int] = (1, 2, 3),
    folder: Path = Path("results/k_sweep"),
) -> Results:
    """The results of these trials. study, manifest: what differs; measured: trial -> metrics of its last report."""
    trials = pd.DataFrame([row for row, _ in pairs])
    reports = pd.DataFrame([row for trial, values in pairs for row in report_rows(trial, values)])
    for table, metrics in ((trials, schema.METRICS), (reports, schema.REPORT_METRICS)):
        for name in metrics:
            values = table[name] if name in table else pd.Series(np.nan, index=table.index)
            table[name] = values.astype(float)
    for trial_id, values in measured.items():
        mine = reports["trial_id"] == trial_id
        for name, value in values.items():
            reports.loc[mine & (reports["epoch"] == reports.loc[mine, "epoch"].max()), name] = value
    trials[GPU_HOURS] = np.nan
    made = make_manifest("k_sweep", rehearsal=False, status=status, seeds=seeds, rungs=RUNGS, device="cpu",
                         ended="2025-03-01T09:00:00+00:00", objectives=OBJECTIVES)  # fmt: skip
    settings = make_study("k_sweep", seeds, 6, len(trials), OBJECTIVES)
    settings["space"]["method"] = list(trials["method"].unique())
    settings["baselines"] = [p for p in settings["baselines"] if p["method"] in settings["space"]["method"]]
    return Results(
        folder=folder,
        study={**settings, **study},
        manifest={**made, **manifest},
        trials=trials,
        reports=reports,
        rehearsal=False,
        name="k_sweep",
        running=status == "running",
        objectives=OBJECTIVES,
    )

"""Made-up results for tests of figures: rows of tables; folders with an Optuna storage and pictures of prototypes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import optuna
import pandas as pd

from analysis.figures.all import MAKERS
from analysis.figures.figure import Figure, Skipped
from analysis.figures.style import get_style
from analysis.results.load import Results, load
from study import schema
from tests.helpers.ablation_inputs import write_ablation
from tests.helpers.synthetic_results import final_accuracy, support_bytes, write_results

STATES = {schema.COMPLETED: optuna.trial.TrialState.COMPLETE, schema.STOPPED: optuna.trial.TrialState.PRUNED}
SPACE = {
    "method": optuna.distributions.CategoricalDistribution(["kmclr", "nnclr", "none"]),
    "temperature": optuna.distributions.FloatDistribution(0.01, 1.0, log=True),
    "k": optuna.distributions.IntDistribution(5, 5000, log=True),
    "forget_every": optuna.distributions.CategoricalDistribution([1, 3, 10]),
    "queue_size": optuna.distributions.IntDistribution(16, 200000, log=True),
}


def trial_row(name: str, **more: object) -> dict:
    """A row of `Results.trials`: a completed search trial of kmclr, 50 % at 1000 bytes, or what `more` says."""
    row = {"trial_id": name, "stage": "search", "status": "completed", "method": "kmclr", "label": name, "seed": 0}
    row |= {"number": 0, "epochs": 2, "max_epochs": 2, "accuracy": 50.0, "support_bytes": 1000.0, "point": None}
    return row | {"ended": "2025-01-01T00:00:00.000+00:00"} | more


def report_rows(trial: dict, accuracies: list[float]) -> list[dict]:
    """Rows of `Results.reports` of that trial, one an epoch and second."""
    shared = {name: trial[name] for name in ("trial_id", "stage", "method", "label")}
    clock = pd.Timestamp(trial.get("began", "2025-01-01T00:00:00Z"))
    return [
        {**shared, "epoch": i, "accuracy": a, "time": (clock + pd.Timedelta(seconds=i)).isoformat()}
        for i, a in enumerate(accuracies, 1)
    ]


def tables(*pairs: tuple[dict, list[float]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trials and reports, from trials with their accuracy in each epoch."""
    reports = [row for trial, values in pairs for row in report_rows(trial, values)]
    return pd.DataFrame([trial for trial, _ in pairs]), pd.DataFrame(reports)


def write_optuna(folder: Path) -> None:
    """optuna.db as the engine writes it: one conditional study with the objectives of the manifest."""
    objectives = json.loads((folder / schema.MANIFEST_FILE).read_text())["objectives"]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / schema.OPTUNA_FILE}")
    study = optuna.create_study(
        storage=storage, study_name=folder.name, directions=[f"{sense}imize" for sense in objectives.values()]
    )
    for row in (folder / schema.TRIALS_FILE).read_text().splitlines():
        line = json.loads(row)
        if line["stage"] != "search":
            continue
        state = STATES.get(line["status"], optuna.trial.TrialState.FAIL)
        values = [line["metrics"].get(name) for name in objectives]
        study.add_trial(
            optuna.trial.create_trial(
                state=state,
                values=values if state == optuna.trial.TrialState.COMPLETE else None,
                params=line["params"],
                distributions={name: SPACE[name] for name in line["params"]},
                user_attrs={schema.OPTUNA_DRAW: {"trial_id": line["trial_id"], "params": line["params"]}},
            )
        )
    storage.remove_session()
    storage.engine.dispose()


def write_pictures(folder: Path, trial_id: str, *, epochs: int = 12, k: int = 40, classes: int = 10) -> None:
    """Classes that drift apart, prototypes that follow them."""
    rng = np.random.default_rng(0)
    angle = np.arange(classes) * 2 * np.pi / classes
    home = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    labels = np.arange(300) % classes
    noise, offset = rng.normal(0, 0.16, (300, 2)), rng.normal(0, 0.14, (k, 2))
    lines = []
    for epoch in range(1, epochs + 1):
        grown = 0.9 * epoch / epochs
        turn = 0.05 * epoch
        twist = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        sample = (grown * home[labels] + noise) @ twist
        vectors = (grown * home[np.arange(k) % classes] + offset) @ twist
        lines.append(
            {
                "schema": schema.SCHEMA_VERSION,
                "epoch": epoch,
                "vectors": vectors.round(4).tolist(),
                "sample": sample.round(4).tolist(),
                "labels": labels.tolist(),
                "variance_shown": 0.2 + 0.02 * epoch,
            }
        )
    path = folder / schema.PROJECTIONS_DIR / f"{trial_id}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def full_results(folder: Path, trials: int = 60, **more: object) -> Results:
    """Everything there is: search and confirm stage, storage, belief, ablation, pictures of the best prototypes."""
    write_results(folder, trials=trials, **more)
    write_optuna(folder)
    write_belief(folder)
    write_ablation(folder)
    results = load(folder)
    done = results.trials[(results.trials["method"] == "kmclr") & (results.trials["status"] == schema.COMPLETED)]
    if len(done):
        write_pictures(folder, done.sort_values("accuracy")["trial_id"].iloc[-1])
    return results


MODULES = ("belief", "ablation", "training", "offline", "space", "search", "optuna", "prototypes")


def make_all(
    results: list[Results], style: str = "web", modules: tuple[str, ...] = MODULES
) -> tuple[dict[str, Figure], dict[str, Skipped]]:
    """The figures of these modules of analysis.figures, and those that the results do not allow, by name."""
    makers = [maker for maker in MAKERS if maker.__module__.split(".")[-1] in modules]
    drawn = [maker(results, get_style(style)) for maker in makers]
    figures = {f.name: f for f in drawn if isinstance(f, Figure)}
    return figures, {s.name: s for s in drawn if isinstance(s, Skipped)}


OTHERS = ("peak_memory_bytes", "epoch_s")
SIZES = {"kmclr": [6e4, 4e5, 3e6], "nnclr": [3e5, 9e7], "none": [0.0]}


def write_belief(folder: Path, *, without: str | None = None) -> dict:
    """A belief.json of the trials of a results folder: each is expected half a point below what it showed, the band is
    half a point (68 %) and one (95 %); `observed` takes the three most accurate, `model` the three after the first.
    Returns what was written."""
    rows = [json.loads(row) for row in (folder / schema.TRIALS_FILE).read_text().splitlines()]
    ends = [row for row in rows if row["stage"] == "search"]
    states = {schema.COMPLETED: "finished", schema.STOPPED: "stopped"}

    def band(middle: float) -> dict[str, float]:
        return dict(zip(schema.BAND, (middle + step for step in (0, -0.5, 0.5, -1, 1)), strict=True))

    def costs(end: dict) -> dict[str, float]:
        seen = {name: end["metrics"][name] for name in OTHERS if name in end["metrics"]}
        return {"support_bytes": float(support_bytes(end["params"])), **seen}

    def trial(end: dict) -> dict:
        seen = end["metrics"].get("accuracy")
        row = {name: end[name] for name in ("trial_id", "method", "label", "epochs")}
        row |= {"state": states.get(end["status"], "failed"), "observed": seen, "costs": costs(end)}
        if without or seen is None:
            return row
        return row | {"believed": band(final_accuracy(end["params"]) - 0.5)}

    def sized(size: float) -> dict[str, float]:
        return {"support_bytes": size, "peak_memory_bytes": 2e9 + size, "epoch_s": 14 + size / 1e8}

    def curve(method: str, sizes: list[float]) -> dict:
        rows = [{"label": f"{method} {s}", "method": method, "costs": sized(s)} for s in sizes]
        return {"method": method, "sizes": [row | {"believed": band(50 + i)} for i, row in enumerate(rows)]}

    done = sorted((e for e in ends if e["status"] == schema.COMPLETED), key=lambda e: -e["metrics"]["accuracy"])
    names = [end["trial_id"] for end in done]
    point = {"label": "kmclr k=77 t=0.2 f=3", "method": "kmclr", "costs": sized(158000.0), "believed": band(55)}
    content = {
        "schema": schema.SCHEMA_VERSION,
        "time": "2025-03-02T08:00:00+00:00",
        "without": without,
        "trials": [trial(end) for end in ends],
        "curves": [] if without else [*map(curve, SIZES, SIZES.values())],
        "choices": {"observed": names[:3]} | ({} if without else {"model": names[1:4]}),
    }
    if not without:
        content["next"] = point | {"params": {"method": "kmclr", "k": 77}, "gain": 1.25, "share": 0.02}
        (folder / schema.NEXT_FILE).write_text("method: kmclr\nsupport: {k: 77}\n")
    (folder / schema.BELIEF_FILE).write_text(json.dumps(content))
    return content

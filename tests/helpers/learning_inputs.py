"""Made-up earlier studies, for tests of what is learned from them."""

from __future__ import annotations

from typing import Any

from study import schema
from study.record.earlier import Earlier
from study.record.learning import Learned, gather, numbered
from study.settings.config import StudyConfig
from tests.helpers.engine_helpers import make_study
from tests.helpers.fake_trainable import curve, support_bytes

POINTS: tuple[dict[str, Any], ...] = (
    {"method": "kmclr", "temperature": 0.2, "k": 50},
    {"method": "nnclr", "temperature": 0.2, "queue_size": 98304},
    {"method": "none", "temperature": 0.3},
    {"method": "kmclr", "temperature": 0.1, "k": 800},
    {"method": "nnclr", "temperature": 0.4, "queue_size": 512},
)
HARDWARE = {"cpu": "an old one", "cores": 2, "memory_bytes": 1, "gpus": []}


def end_of(number: int, params: dict[str, Any], status: str = schema.COMPLETED, **changes: Any) -> dict[str, Any]:
    """The end of a trial of a search, after 9 epochs, or 1 if it was stopped."""
    epochs = 1 if status == schema.STOPPED else 9
    metrics = {"accuracy": curve(params, 0, epochs), "support_bytes": support_bytes(params)}
    when = "2026-11-01T00:00:00.000+00:00"
    end = {
        "stage": schema.SEARCH, "trial_id": f"search-{number:04d}", "number": number, "status": status,
        "method": params["method"], "label": "as it was called", "seed": 0, "params": params, "epochs": epochs,
        "max_epochs": 9, "metrics": metrics, "started": when, "ended": when, "wall_s": 1.0, "point": None,
        "baseline": False, "error": None, "checkpoint": None,
    }  # fmt: skip
    return {**end, **changes}


def earlier_study(ends: list[dict[str, Any]], folder: str = "results/a", study: StudyConfig | None = None, **manifest):
    """As `study.record.earlier.read` gives it."""
    reports = {
        end["trial_id"]: [
            {"epoch": e, "stage": schema.SEARCH, "accuracy": curve(end["params"], 0, e),
             "support_bytes": support_bytes(end["params"]), "epoch_s": 1.0}
            for e in range(1, end["epochs"] + 1)
        ]
        for end in ends
    }  # fmt: skip
    study = study or make_study()
    facts = {"study": study.name, "objectives": dict(study.objectives), "data": {"fingerprint": "1"}}
    facts |= {"device": "cpu", "hardware": HARDWARE}
    return Earlier(folder, {**facts, **manifest}, study.model_dump(mode="json"), ends, reports, "abc")


def gathered(monkeypatch: Any, study: StudyConfig, *found: Earlier, **how: Any) -> list[Learned]:
    """What a study learns from these."""
    known = {one.folder: one for one in found}
    monkeypatch.setattr("study.record.earlier.read", known.__getitem__)
    return gather(study, [one.folder for one in found], "1", **how)


def learned_lines(monkeypatch: Any, study: StudyConfig, *ends: dict[str, Any]) -> list[dict[str, Any]]:
    """Lines of learned.jsonl, of trials with these ends (default: of POINTS, the last one stopped)."""
    if not ends:
        ends = tuple(end_of(n, point) for n, point in enumerate(POINTS[:-1]))
        ends += (end_of(len(ends), POINTS[-1], schema.STOPPED),)
    (found,) = gathered(monkeypatch, study, earlier_study(list(ends)))
    return numbered(found.lines)

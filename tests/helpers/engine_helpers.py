"""Small studies with trials that do not train, for the engine's tests. Also a program: see `main`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from study.settings.config import StudyConfig

LOG_SIZES = {"k": {"low": 25, "high": 2000, "log": True}, "queue_size": {"low": 256, "high": 98304, "log": True}}
SPACE = {"method": ("kmclr", "nnclr", "none"), "temperature": {"low": 0.05, "high": 0.5, "log": True}, **LOG_SIZES}
BASELINES = ({"method": "kmclr", "k": 50}, {"method": "nnclr", "queue_size": 98304})
TO_ABLATE: dict[str, Any] = {
    "baselines": ({"method": "none"}, {"method": "kmclr", "k": 50, "temperature": 0.4}),
    "search": {"trials": 14, "startup_trials": 4},
    "scheduler": {"name": "none"},
    "confirm": {"seeds": [1, 2], "max_points": 2, "per_method": False},
}
"""Changes of a study that an ablation follows."""
KINDS_OF_OBJECTIVES = {
    "support": {"accuracy": "max", "support_bytes": "min"},
    "memory": {"accuracy": "max", "peak_memory_bytes": "min"},
    "time": {"accuracy": "max", "epoch_s": "min"},
    "three": {"accuracy": "max", "support_bytes": "min", "peak_memory_bytes": "min"},
}
TIMES = ("time", "started", "ended", "wall_s", "held_s", "checkpoint", "epoch_s")


def make_study(**changes: Any) -> StudyConfig:
    """8 trials of at most 9 epochs, rungs 1 and 3, no tracking, no confirm stage; `changes` replace sections."""
    settings: dict[str, Any] = {
        "name": "fake",
        "space": SPACE,
        "baselines": BASELINES,
        "search": {"trials": 8, "startup_trials": 4},
        "scheduler": {"name": "pareto_asha", "grace_period": 1, "reduction_factor": 3},
        "train": {"epochs": 9, "checkpoint_every": 1},
        "optimizer": {"warmup_epochs": 0},
        "confirm": {"enabled": False},
        "resources": {"max_concurrent": 1},
        "tracking": {"wandb": "disabled"},
    }
    return StudyConfig(**{**settings, **changes})


def loaded(study: StudyConfig) -> SimpleNamespace:
    """As study.settings.loading.load_study gives it."""
    return SimpleNamespace(study=study, rehearsal=False, path=Path("fake.yaml"), name_on_disk=study.name, changes={})


def fake_trainable() -> type:
    from tests.helpers.fake_trainable import FakeTrial

    return FakeTrial


def lone_trial(folder: Path, **config: Any) -> Any:
    """The durable fake trial without Tune around it; its log files go to `folder`."""
    from study.tune.durable import durable

    cls = durable(fake_trainable())
    cls._setup_logdir = lambda self: setattr(self, "_logdir", str(folder))
    return cls(config=config)


def run_fake(study: StudyConfig, out: Path, **options: Any) -> int:
    """study.runner.run with the fake trial, without data and dashboard."""
    from study.runner import run

    more = {"dashboard": False, "trainable": fake_trainable, "describe": lambda _: {"name": "fake", "fingerprint": "1"}}
    return run(loaded(study), out=out, argv=["run_study.py", "fake.yaml"], **{**more, **options})


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of lines, without their numbers and checks."""
    found = [json.loads(text) for text in path.read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in ("line", "check")} for line in found]


def timeless(line: Any) -> Any:
    """A line without what differs from run to run."""
    return {k: timeless(v) for k, v in line.items() if k not in TIMES} if isinstance(line, dict) else line


def outcome(folder: Path) -> tuple[list[dict], list[dict]]:
    """Reports, and final ends of trials, without times."""
    ends = [timeless(e) for e in lines(folder / "trials.jsonl") if e["status"] != "interrupted"]
    return [timeless(r) for r in lines(folder / "reports.jsonl")], ends


def main() -> int:
    """`python -m tests.helpers.engine_helpers OUT [--set JSON] ...`: run the fake study in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--stage")
    parser.add_argument("--dashboard", action="store_true")
    parser.add_argument("--name-after-s", type=float, default=15.0)
    parser.add_argument("--address")
    parser.add_argument("--storage")
    parser.add_argument("--set", default="{}")
    given = parser.parse_args()
    study = make_study(**json.loads(given.set))
    options = {
        name: getattr(given, name) for name in ("resume", "stage", "dashboard", "address", "storage", "name_after_s")
    }
    return run_fake(study, given.out, **options)


if __name__ == "__main__":
    sys.exit(main())

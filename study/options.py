"""How a study is run, as opposed to what it is: where to, from where on, with which trainable."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from study import schema
from study.record import checkpoints
from study.settings.config import StudyConfig


def describe_data(study: StudyConfig) -> dict[str, Any]:
    """The study's data for the manifest; decoded and cached on first use, test data too if the study confirms."""
    from trainables.data.dataset import check_test, load_dataset

    dataset = load_dataset(study.data)
    if study.confirm.enabled:
        check_test(study.data, print)
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "classes": dataset.num_classes,
        **{split: dataset.sizes.get(split) for split in ("train", "validation", "test")},
        "channels": dataset.channels,
        "image_size": dataset.image_size,
    }


def default_trainable() -> type:
    """The real trial."""
    from trainables.tune_adapter import TrialActor

    return TrialActor


@dataclass
class Options:
    """How a study is run, as opposed to what it is; `study.launch` fills in what the command line has of these."""

    out: Path | str = "results"
    """Results go to `out`/NAME."""
    resume: bool = False
    """Go on with that folder."""
    retry: str | None = None
    """Go on with it, and train trials again that ended so: a key of `schema.RETRIES`."""
    stage: str | None = None
    """One of `schema.STAGES` alone; None: search and confirm, and what an ablation that was begun has left to train."""
    quiet: bool = False
    address: str | None = None
    """Of a Ray cluster; None: $RAY_ADDRESS, else this machine."""
    storage: str | None = None
    """Path or URI for Tune's state and checkpoints; None: `ray/` in the results folder."""
    dashboard: bool = True
    name_after_s: float = 15.0
    """Seconds a trial runs before the dashboard shows it as an actor of its own name."""
    trainable: Callable[[], type] = default_trainable
    describe: Callable[[StudyConfig], Mapping[str, Any]] = describe_data
    argv: list[str] = field(default_factory=lambda: list(sys.argv))

    def __post_init__(self) -> None:
        for name, known in (("stage", schema.STAGES), ("retry", schema.RETRIES)):
            if (asked := getattr(self, name)) not in (None, *known):
                raise schema.UserError(f"--{name}: {schema.wording.one_of(asked, known)}")
        self.resume = self.resume or self.retry is not None
        self.out = schema.files.user_path(self.out, "--out")
        self.address = self.address or os.environ.get("RAY_ADDRESS")
        self.storage = checkpoints.storage_uri(self.storage) if self.storage else None

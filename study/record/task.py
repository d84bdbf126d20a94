"""One trial to run, as the study knows it: the same identity across restarts, whatever ids Tune gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Task:
    """A trial's identity and settings; `config` is what the trainable gets."""

    stage: str
    trial_id: str
    number: int
    label: str
    method: str
    seed: int
    max_epochs: int
    params: Mapping[str, Any]
    run: Mapping[str, Any]
    """Nested settings that `trainables.settings.config.RunConfig(**run)` accepts."""
    point: str | None = None
    baseline: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    """More keys for the trainable's config (confirm: linear_epochs)."""
    resume_from: tuple[str, ...] = ()
    """Checkpoint folders of earlier sessions, newest first."""
    reported: int | None = None
    """Epochs on record when the session began, without a gap; a later epoch's checkpoint is not gone on from."""
    until: int | None = None
    """The epoch to pause at, if that is not its last one; None: it is trained to its end."""
    turn: int = 0
    """How many times it has paused before."""
    repeat_until: int | None = None
    """The epoch to stop at: the trial only makes reports again that were lost. None: it is trained to its end."""

    @property
    def name(self) -> str:
        """`search-0007: kmclr k=400 t=0.2 seed=0`, for people; unique in a study."""
        return f"{self.trial_id}: {self.label} seed={self.seed}"

    def config(self) -> dict[str, Any]:
        """Plain dict for Tune; `from_config` is its inverse."""
        fields = asdict(self)
        fields["params"], fields["run"] = dict(self.params), dict(self.run)
        return {**self.extra, **fields}

    def resumed(self, checkpoints: list[str], reported: int | None = None) -> Task:
        """The same trial, to go on from the first of these checkpoints that loads and is of a reported epoch."""
        return replace(self, resume_from=tuple(checkpoints), reported=reported)


def from_config(config: Mapping[str, Any]) -> Task:
    """The task a trial was made from."""
    names = Task.__dataclass_fields__
    return Task(**{**{k: v for k, v in config.items() if k in names}, "resume_from": tuple(config["resume_from"])})


def point_key(params: Mapping[str, Any]) -> str:
    """Equal for equal points, whatever the order of the parameters."""
    return json.dumps(dict(params), sort_keys=True, default=str)

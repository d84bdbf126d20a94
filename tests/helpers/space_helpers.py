"""A study over a given space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from study.settings.config import StudyConfig

RANGE = {"low": 25, "high": 2000, "log": True}


SWEEP = {
    "method": ["kmclr", "nnclr", "none"],
    "temperature": {"low": 0.05, "high": 0.5, "log": True},
    "k": RANGE,
    "forget_every": [1, 3, 10],
    "queue_size": {"low": 256, "high": 98304, "log": True},
}


def study(spec: Mapping[str, Any], **more: Any) -> StudyConfig:
    return StudyConfig(name="s", space=dict(spec), **more)

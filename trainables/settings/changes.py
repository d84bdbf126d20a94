"""What differs between two resolved sets of settings, and which differences a resume allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Change = tuple[str, Any, Any]
"""Dotted setting, value before, value after."""
NOT_SET = "(not set)"
"""Stands for the value of a setting that one side does not have."""

_ELSEWHERE = "where it runs, not what it computes"
FREE_ON_RESUME = {
    "preset": "its values stand in the settings themselves",
    "device": _ELSEWHERE,
    "data.root": "the data's fingerprint is compared instead",
    "data.download": "the data's fingerprint is compared instead",
    "data.cache_dir": _ELSEWHERE,
    "train.time_limit_s": "how long it may take",
    "train.checkpoint_every": "what a kill costs",
    "resources": _ELSEWHERE,
    "budget": "how far it goes",
    "tracking": "who looks on",
    "report": "what is drawn of it",
    "question": "text for the report",
    "rehearsal": "what --rehearse would change in another folder",
}
"""Settings and whole sections that may differ when a run or a study is resumed, and why."""


def differences(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> list[Change]:
    """Every setting that differs, in the order of the settings; a section that one side lacks is one change."""
    changes: list[Change] = []
    for key in dict.fromkeys([*before, *after]):
        name, old, new = f"{prefix}{key}", before.get(key, NOT_SET), after.get(key, NOT_SET)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            changes += differences(old, new, f"{name}.")
        elif old != new:
            changes.append((name, old, new))
    return changes


def refused_on_resume(changes: Iterable[Change], usual: Mapping[str, Any] | None = None) -> list[Change]:
    """Those that are neither free themselves nor inside a section that is.

    usual: the settings' defaults. A setting that an earlier version did not have is unchanged at its default, which
    does what was done before.
    """
    kept = [change for change in changes if change[1] is not NOT_SET or change[2] != _at(usual or {}, change[0])]
    return [change for change in kept if not any(f"{change[0]}.".startswith(f"{free}.") for free in FREE_ON_RESUME)]


def _at(settings: Mapping[str, Any], name: str) -> Any:
    """The value of a dotted setting; NOT_SET if there is none."""
    found: Any = settings
    for key in name.split("."):
        found = found.get(key, NOT_SET) if isinstance(found, Mapping) else NOT_SET
    return found

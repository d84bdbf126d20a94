"""What a tracker of one's own is made of, in the writer process (`study.listeners.tracker_sinks`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from trainables.settings import own_code, own_import
from trainables.vocabulary.parts import TRACKER, TRACKERS


class TrackerSpec(NamedTuple):
    """What a tracker of one's own is made of, once in each session of a study, in a process of its own."""

    options: Any
    """As its class's `Options`; None if it has none."""
    folder: Path
    """The study's results folder."""
    study: str
    """Its name."""
    run_id: str
    """The same in all sessions of this folder, and in no other's."""
    objectives: Mapping[str, str]
    """name -> "max" | "min"."""
    tell: Callable[[str], None]
    """Tells the user a line."""


def own_sink(settings: Mapping[str, Any], tell: Callable[[str], None]) -> Any:
    """A tracker of one's own, imported: the study could load it, which was allowed to."""
    section = SimpleNamespace(tracker=settings["tracker"], options=settings["options"])
    part = own_import.load(TRACKERS, section.tracker, TRACKER.setting, allow_code=True)
    facts = Path(settings["folder"]), settings["study"], settings["run_id"], settings["objectives"]
    return part(TrackerSpec(own_code.options(TRACKER, section), *facts, tell))

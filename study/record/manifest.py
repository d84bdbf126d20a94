"""`manifest.json` and `study.yaml`: what ran, where, with which versions and seeds; checked again on resume."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from study import schema
from study.record import machine
from study.record.journal import now, plain
from study.settings.changing import refusals
from study.settings.config import StudyConfig
from study.settings.space import confirms_per_method
from trainables import files, wording
from trainables.lines import MOST_NAMED
from trainables.settings import own_code
from trainables.settings.changes import Change, differences, refused_on_resume


def new(
    study: StudyConfig, *, rehearsal: bool, command: str, data: Mapping[str, Any], rungs: list[int]
) -> dict[str, Any]:
    """A manifest with every field of schema.MANIFEST_FIELDS, status `running`, no session yet."""
    hardware = machine.hardware()
    own = own_code.names_in(study.model_dump())
    return {
        "schema": schema.SCHEMA_VERSION,
        "study": study.name,
        "question": study.question,
        "rehearsal": rehearsal,
        "status": "running",
        "command": command,
        "git": machine.git_state(),
        "versions": machine.versions(),
        "hardware": hardware,
        "device": machine.resolve_device(study.device, hardware),
        "seeds": {"search": study.search.seed, "trial": study.seed, "confirm": list(study.confirm.seeds)},
        "data": dict(data),
        "score": study.probe.score,
        "objectives": dict(study.objectives),
        "rungs": list(rungs),
        "per_method": confirms_per_method(study),
        "started": now(),
        "ended": None,
        "sessions": [],
        **({schema.OWN: {"parts": own, **schema.parts.described(own.values())}} if own else {}),
    }


def save(folder: Path, manifest: Mapping[str, Any]) -> None:
    files.write_atomically(folder / schema.MANIFEST_FILE, json.dumps(plain(manifest), indent=2) + "\n")


def begin_session(manifest: dict[str, Any], command: str, damage: Sequence[str] = (), **more: Any) -> None:
    """Note a start or resume, its command, and what was damaged (one line each). A killed session is closed as such.

    more: `storage` (where its checkpoints lie if elsewhere), `retry` (what was asked to be tried again), `changed` (how
    the study differs from the session before, a line each). Unless empty, each is a key of the session.
    """
    for session in manifest["sessions"]:
        if session["ended"] is None:
            session["reason"] = "killed"
    more = {"command": command, "damage": list(damage)[:MOST_NAMED], **more}
    noted = {name: value for name, value in more.items() if value}
    manifest["sessions"].append({"started": now(), "ended": None, "reason": None, **noted})
    manifest["status"] = "running"
    manifest["ended"] = None


def note_early_end(manifest: dict[str, Any], study: StudyConfig, reason: str) -> None:
    """Note that the search has ended in this session to keep part of a budget for the confirm stage."""
    manifest["sessions"][-1][schema.EARLY] = {"reason": reason, "budget": study.budget.model_dump(mode="json")}


def ended_early(manifest: Mapping[str, Any], study: StudyConfig) -> str | None:
    """Why the search has ended so, if it has; None also if the budget is another one now."""
    noted = next((one[schema.EARLY] for one in reversed(manifest["sessions"]) if schema.EARLY in one), None)
    if noted is None or noted["budget"] != study.budget.model_dump(mode="json"):
        return None
    return str(noted["reason"])


def end_session(manifest: dict[str, Any], *, status: str, reason: str) -> None:
    """Close the running session and set the study's status (finished | interrupted | failed)."""
    manifest["sessions"][-1].update(ended=now(), reason=reason)
    manifest["status"] = status
    manifest["ended"] = now()


def dump_study(study: StudyConfig) -> dict[str, Any]:
    """The fully resolved study as plain data, with the schema version."""
    return {"schema": schema.SCHEMA_VERSION, **plain(study.model_dump(mode="json"))}


def save_study(folder: Path, study: StudyConfig) -> None:
    files.write_atomically(
        folder / schema.STUDY_FILE, yaml.safe_dump(dump_study(study), sort_keys=False, allow_unicode=True)
    )


def check_changes(folder: Path, study: StudyConfig, source: str, *, confirming: bool = False) -> list[Change]:
    """How the study differs from the one that the folder holds, what may differ in any case left out.

    confirming: whether a trial of the confirm stage has begun. Raises UserError, with the differences and the reasons,
    if one of them is not of the same study any more (`study.settings.changing`).
    """
    usual = dump_study(StudyConfig(name=study.name, space={}))
    before = schema.read_study(folder)
    changes = refused_on_resume(differences(before, dump_study(study)), usual)
    refused = refusals(changes, before, study, confirming=confirming)
    if refused:
        told = [f"{in_words(one.change)} ({one.why})" for one in refused]
        shown = "; ".join(told[:8]) + (f"; and {len(told) - 8} more" if len(told) > 8 else "")
        raise schema.UserError(
            f"{source}: changed since {folder} was begun: {shown}. Undo the change to resume, "
            f"or start the changed study elsewhere (another name or --out)"
        )
    return changes


def in_words(change: Change) -> str:
    """`search.trials: 8 -> 12`; of a list that grew or shrank, what came and what went."""
    name, before, after = change
    if isinstance(before, list) and isinstance(after, list):
        came = [f"+ {wording.shorten(str(one))}" for one in after if one not in before]
        went = [f"- {wording.shorten(str(one))}" for one in before if one not in after]
        if came or went:
            return f"{name}: {', '.join(came + went)}"
    return f"{name}: {wording.shorten(str(before))} -> {wording.shorten(str(after))}"


def follow(record: dict[str, Any], study: StudyConfig, changes: Sequence[Change], rungs: Sequence[int]) -> None:
    """What a manifest says of a study, brought up to the changes."""
    record["seeds"] |= {"search": study.search.seed, "confirm": list(study.confirm.seeds)}
    record["rungs"] = list(rungs)
    if any(name == "confirm.per_method" for name, _, _ in changes):
        record["per_method"] = confirms_per_method(study)

"""What happened to a study, session by session, and the commands that repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePath
from typing import Any

from analysis.results.load import Results
from study.schema import ABLATE, EARLY, OWN, STUDY_FILE, wording

MOST_TOLD = 12
"""Sessions that are told one by one."""
KILLED = "killed"
SIGNALS = ("SIGINT", "SIGTERM")


def history(results: Results) -> str:
    """One paragraph: begun, interrupted, killed, resumed, tried again, repaired, stopped by a budget or done."""
    sessions = _sessions(results.manifest)
    told = [_session(session, first=not i, results=results) for i, session in enumerate(sessions)]
    if len(told) > MOST_TOLD:
        reasons = [str(session["reason"]) for session in sessions[1 : 1 - MOST_TOLD]]
        counts = ", ".join(f"{reasons.count(reason)} {_ended(reason)}" for reason in dict.fromkeys(reasons))
        told[1 : 1 - MOST_TOLD] = [f"{len(reasons)} more sessions: {counts}."]
    return " ".join(told) + (f" So far{paused(results, ' ')}." if results.paused else "")


def paused(results: Results, before: str = "; ") -> str:
    """How many trials wait at a rung; empty if none does."""
    count = len(results.paused)
    return f"{before}{count} trial{'s' * (count != 1)} paused at a rung" if count else ""


def _sessions(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Starts and resumes on record, with what each must have."""
    empty = {"started": None, "ended": None, "reason": None}
    found = manifest["sessions"]
    return [{**empty, **one} for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _session(session: Mapping[str, Any], *, first: bool, results: Results) -> str:
    retry = session.get("retry")
    began = f"{'Begun' if first else 'Tried again' if retry else 'Resumed'} {_moment(session['started'])}"
    if retry:
        began += f" ({retry['which']}: {retry['trials']} trial{'s' * (retry['trials'] != 1)})"
    reason = session["reason"]
    if reason is None:
        end = "still running" if results.running else "not ended"
    else:
        end = _ended(str(reason)) + (f" {_moment(session['ended'])}" if session["ended"] else "")
    repaired = ""
    if damage := session.get("damage"):
        inside = [line for line in damage if not line.endswith(" is kept here")]
        repaired = f"; damaged records were made again ({wording.shorten('; '.join(map(_file_and_rest, inside)))})"
    changed = session.get("changed")
    changes = f", with {'; '.join(map(wording.shorten, changed))}" if changed else ""
    early = f"; {session[EARLY]['reason']}" if EARLY in session and session[EARLY]["reason"] != reason else ""
    return f"{began}{changes}{repaired}{early}; {end}."


def _file_and_rest(line: str) -> str:
    """A line of damage without the folder, which may have been moved since."""
    path, colon, rest = line.partition(".jsonl")
    return f"{PurePath(path).name}{colon}{rest}"


def _ended(reason: str) -> str:
    if reason in SIGNALS:
        return f"interrupted by {reason}"
    if reason == KILLED:
        return "killed, or its machine went down"
    if reason == "done":
        return "ran to its end"
    return f"stopped: {reason}" if reason.startswith("budget.") else f"ended by an error: {wording.shorten(reason)}"


def _moment(text: Any) -> str:
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"
    except (TypeError, ValueError):
        return "at an unknown time"


# --- the commands ---
def commands(manifest: Mapping[str, Any]) -> list[str]:
    """What was run, as a study in an empty folder is run: the last command of each stage that was asked for.

    Stages run one by one come in their order; one command that ran them all, later, stands for all of them but an
    ablation, which comes last.
    """
    used = [session["command"] for session in _sessions(manifest) if session.get("command")]
    last: dict[str | None, str] = {}
    for command in used or [_begun_somehow(str(manifest["command"]))]:
        stage = option(command, "--stage")
        last.pop(stage, None)
        last = {name: one for name, one in last.items() if name == ABLATE} if stage is None else last
        last[stage] = command
    return [last[stage] for stage in sorted(last, key=lambda stage: stage == ABLATE)]


def _begun_somehow(command: str) -> str:
    """A command of a version that did not note how it was begun."""
    return command if command.startswith(("python", "uv ")) else f"uv run {command}"


def option(command: str, name: str) -> str | None:
    """The value of an option of a command, in its last place."""
    found, words = None, shlex.split(command)
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == name:
            found = following
        elif word.startswith(f"{name}="):
            found = word.removeprefix(f"{name}=")
    return found


def config_of(command: str) -> str:
    """The study's file in a command; empty where there is none."""
    words = iter(_after_script(command))
    for word in words:
        if word in OPTIONS_WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return ""


OPTIONS_WITH_VALUE = ("--set", "--out", "--device", "--stage", "--address", "--storage", "--retry")


def _after_script(command: str) -> list[str]:
    words = shlex.split(command)
    at = next((i for i, word in enumerate(words) if word.endswith(".py")), -1)
    return words[at + 1 :]


def script_folder(command: str) -> str:
    """Where run_study.py lies, if that is not the folder that the command was given in; else empty."""
    script = next((word for word in shlex.split(command) if word.endswith("run_study.py")), "")
    folder = str(PurePath(script).parent)
    return "" if folder == "." else folder


def code_folder(results: Results) -> str:
    """The folder of the study's own file, where it has code of its own that lies beside it; empty where that is the
    current one, or where there is no such code."""
    own = results.manifest.get(OWN, {}).get("parts", {})
    if not any(":" in str(name) for name in own.values()):
        return ""
    used = [session["command"] for session in _sessions(results.manifest) if session.get("command")]
    configs = [config for command in used if (config := config_of(command)) and not _is_in(config, results)]
    folder = str(PurePath(configs[0]).parent) if configs else "."
    return "" if folder == "." else folder


def _is_in(config: str, results: Results) -> bool:
    """Whether a study's file is the one that its results folder keeps."""
    path = PurePath(config)
    return path.name == STUDY_FILE and path.parent.name == results.folder.resolve().name


def with_path(command: str, *folders: str) -> str:
    """A command whose modules are looked for in these folders too; empty ones do not count."""
    found = [folder for folder in folders if folder]
    return f"PYTHONPATH={shlex.quote(':'.join(found))} {command}" if found else command


def commands_to_repeat(results: Results) -> str:
    """Lines for a shell that repeat a study and redraw its report, in the folder that it was started in."""
    commit = (results.manifest["git"] or {}).get("commit")
    run = commands(results.manifest)
    code = script_folder(run[-1])
    lines = [f"git {f'-C {shlex.quote(code)} ' if code else ''}checkout {commit}"] if commit else []
    if results.rehearsal and "--rehearse" not in shlex.split(run[-1]):
        lines.append("# on a machine with a GPU add --rehearse: this was the rehearsal, for want of one")
    folder = f"{option(run[-1], '--out') or 'results'}/{results.folder.resolve().name}"
    again = f"{results.folder.resolve().name}-again.yaml"
    kept = [config for command in run if (config := config_of(command)) and _is_in(config, results)]
    if kept:
        lines.append(
            f"cp {shlex.quote(kept[0])} {again}   # all settings of the study, before its folder is moved away"
        )
    for command in run:
        config = config_of(command)
        beside = str(PurePath(config).parent)
        if config in kept:
            words = shlex.split(command)
            words[words.index(config)] = again
            command, beside = shlex.join(words), "."
        lines.append(with_path(command, code_folder(results) if code_folder(results) != beside else ""))
    python = "python" if run[-1].startswith("python") else "uv run python"
    redraw = with_path(f"{python} -m analysis {shlex.quote(folder)}", code, *_figures_folder(results))
    return "\n".join([*lines, f"{redraw}{_figures(results)}   # redraws this report from the folder alone"])


def _figures(results: Results) -> str:
    """Options that draw the figures of one's own that the study names."""
    report = results.study.get("report")
    names = report.get("figures") if isinstance(report, Mapping) else ()
    own = [str(name) for name in names or ()]
    options = "".join(f" --figure {shlex.quote(name)}" for name in own)
    return options + " --allow-code" * any(":" in name for name in own)


def _figures_folder(results: Results) -> list[str]:
    return [code_folder(results)] if _figures(results) else []

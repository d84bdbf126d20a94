"""What a study's health is in words, and the one command that is worth running next."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from analysis.health.checks import findings
from analysis.health.failing import retriable
from analysis.health.finding import ACT, WATCH, Finding, more_trials, trials_of
from analysis.health.room import raised
from analysis.report import believed, history
from analysis.results.load import Results
from study import schema

WIDTH = 100


class Next(NamedTuple):
    """What to run next. why: one sentence; command: one line for a shell, None where there is nothing to run."""

    why: str
    command: str | None


def run_next(results: Results, found: Sequence[Finding]) -> Next:
    """One command that does what the findings ask for, on this study's own folder."""
    folder = shlex.quote(str(results.folder))
    if results.running:
        code = history.script_folder(history.commands(results.manifest)[-1])
        look = history.with_path(f"{_python(results)} -m analysis {folder} --health", code)
        return Next("The study is running: let it come to its end, and look again.", look)
    status, reason = results.manifest["status"], str((results.manifest["sessions"] or [{}])[-1].get("reason"))
    if status in ("interrupted", "failed"):
        return Next(f"The study was {status} before its end: go on with it.", _again(results, ["--resume"]))
    if reason.startswith("budget."):
        return _raise_budget(results, reason)
    sets = _sets(found)
    retry = retriable(results)
    what = [finding.title.lower() for finding in found if finding.verdict == ACT and finding.sets]
    what += ["the trials that failed"] if retry else []
    if not what:
        return _unasked(results, found)
    how = ["--retry", "failed"] if retry else ["--resume"]
    why = f"For {' and '.join([', '.join(what[:-1]), what[-1]] if len(what) > 1 else what)}"
    if any(name.startswith(("space.", "scheduler.")) for name in sets):
        sets |= more_trials(results)
    if "search.trials" in sets:
        why += f", with {int(sets['search.trials']) - trials_of(results)} trials more"
    if "confirm.seeds" in sets:
        why += f", with {sets['confirm.seeds'].count(',') + 1} seeds"
    return _with_room(results, why, how, sets, retry=retry)


def _sets(found: Sequence[Finding]) -> dict[str, str]:
    """What the findings ask to change, together: of two lists of seeds the longer."""
    sets: dict[str, str] = {}
    for finding in found:
        for name, value in finding.sets.items() if finding.verdict == ACT else ():
            if name != "confirm.seeds" or value.count(",") >= sets.get(name, "").count(","):
                sets[name] = value
    return sets


def _with_room(results: Results, why: str, how: Sequence[str], sets: Mapping[str, str], *, retry: bool = False) -> Next:
    """The command, with the study's own budget raised where it has no room for it."""
    more = raised(results, sets, retry=retry)
    if more:
        names = " and ".join(f"{name} to {value}" for name, value in more.items())
        why += f"; the study's own budget has no room for it, so the command raises {names}"
    return Next(f"{why}.", _again(results, how, {**sets, **more}))


def _unasked(results: Results, found: Sequence[Finding]) -> Next:
    """Where no finding asks for a change by itself: what would answer the verdicts that are open, however dear."""
    open_ones = [f for f in found if f.name == "question" and f.verdict == WATCH]
    if open_ones and open_ones[0].sets:
        seeds = open_ones[0].sets["confirm.seeds"].count(",") + 1
        why = f"What the verdicts leave open asks for {seeds} seeds, more than is proposed unasked"
        return _with_room(results, why, ["--resume"], open_ones[0].sets)
    nothing = "No number of seeds within reach would tell what the verdicts leave open" if open_ones else None
    line = believed.command(results)
    if line:
        return Next(
            f"{nothing or 'Nothing asks for a change'}; the model of the search would try one point more.", line
        )
    return Next(f"{nothing or 'Nothing asks for a change'}, and nothing is left to run.", None)


def _raise_budget(results: Results, reason: str) -> Next:
    """Twice the budget that ended the study."""
    name = reason.split()[0].rstrip(":;,")
    budget = results.study.get("budget")
    value: Any = budget.get(name.removeprefix("budget.")) if isinstance(budget, Mapping) else None
    why = f"The study ended at its budget ({reason}): go on with twice as much."
    if not isinstance(value, int | float):
        return Next("The study ended at its budget: go on with more.", _again(results, ["--resume"]))
    return Next(why, _again(results, ["--resume"], {name: f"{2 * value:.12g}"}))


def _python(results: Results) -> str:
    return "python" if history.commands(results.manifest)[-1].startswith("python") else "uv run python"


def _again(results: Results, how: Sequence[str], sets: Mapping[str, str] | None = None) -> str:
    """The study of this folder, from its own study.yaml, which holds every setting."""
    last = shlex.split(history.commands(results.manifest)[-1])
    begin = ["python"] if last[0].startswith("python") else ["uv", "run"]
    script = str(Path(history.script_folder(shlex.join(last))) / "run_study.py")
    words = [*begin, script, str(results.folder / schema.STUDY_FILE)]
    words += ["--rehearse"] * results.rehearsal + ["--allow-code"] * (schema.OWN in results.manifest)
    words += ["--out", str(results.folder.parent), *how]
    for name in ("--address", "--storage"):
        value = history.option(shlex.join(last), name)
        words += [name, value] if value else []
    for name, value in (sets or {}).items():
        words += ["--set", f"{name}={value}"]
    return history.with_path(shlex.join(words), history.code_folder(results))


def text(results: Results) -> str:
    """For a terminal: a line of verdict for each topic, what was found under it, and what to run next."""
    found = findings(results)
    lines = [f"Health of {results.name}{' (a rehearsal)' * results.rehearsal}"]
    for finding in found:
        lines += ["", f"{finding.title}: {finding.verdict}"]
        for sentence in finding.said:
            lines += textwrap.wrap(
                sentence, WIDTH, initial_indent="  ", subsequent_indent="    ",
                break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip
    ahead = run_next(results, found)
    why = textwrap.wrap(f"Run next: {ahead.why}", WIDTH, subsequent_indent="  ", break_long_words=False)
    return "\n".join([*lines, "", *why, *([f"  {ahead.command}"] if ahead.command else [])])

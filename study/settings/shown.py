"""The settings as text: on the terminal, and the files that are made of them.

`python -m study.settings.shown` writes docs/configuration.md and configs/schema/*.json anew.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel

from study.settings import reference
from study.settings.changing import MAY_CHANGE
from study.settings.config import StudyConfig
from study.settings.reference import Setting
from study.settings.space import PARAMETERS
from trainables.settings.changes import FREE_ON_RESUME
from trainables.settings.config import RunConfig
from trainables.settings.edge import ConfigError, did_you_mean
from trainables.settings.presets import PRESETS
from trainables.wording import shorten

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "python -m study.settings.shown"
INTRODUCTION = f"""# Settings

Every setting of a study's file and of a run's, as the models have them (`trainables/settings/config.py`,
`study/settings/config.py`). `run_study.py --settings [PREFIX]` prints the same on the terminal; editors that read the
first line of the files in `configs/` show it while one types. This page is written by `{COMMAND}`.

A file holds only what differs from the defaults; a preset's values come before the file's, `--set A.B=C` after them.
*Acts with* names the other settings without which one has no effect; else it always acts. Units: a `share` is of 1,
a `ratio` is a number without a unit, and bytes are in powers of 1000 everywhere. The settings of `space`,
`objectives` and of the sections `search` to `tracking` are a study's alone; all others are a run's too.
"""


def on_terminal(prefix: str = "") -> str:
    """The settings whose dotted name, last word or name in a search space begins so; all for an empty prefix.

    Raises ConfigError if there is none.
    """
    known = [setting for setting in reference.settings() if not setting.section]
    for names in (lambda s: (s.name,), lambda s: (s.name.rpartition(".")[2], s.in_space)):
        if found := [setting for setting in known if any(name.startswith(prefix) for name in names(setting))]:
            return "\n".join(map(_paragraph, found))
    sections = {setting.name.split(".")[0] for setting in known}
    close = did_you_mean(prefix, sections | {setting.name for setting in known}).partition(" Known: ")[0]
    raise ConfigError(f"--settings {shorten(prefix)}: no setting begins so{close} Known: {', '.join(sorted(sections))}")


def show(prefix: str) -> None:
    """Print them; who reads may stop early, as `| head` does."""
    try:
        print(on_terminal(prefix), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own flush at the end


def _paragraph(setting: Setting) -> str:
    default = f"default {setting.default}" if setting.default else "no default"
    facts = [setting.values, default, setting.unit and f"unit: {setting.unit}"]
    facts.append(setting.in_space and f"in a search space: {setting.in_space}")
    lines = ["; ".join(filter(None, facts))]
    if setting.acts:
        lines.append(f"acts with {setting.acts}")
    if not reference.of_runs(setting.name):
        lines.append("studies alone")
    lines.append(" ".join(setting.facts["description"].split()))
    wrapped = [part for line in lines for part in textwrap.wrap(line, 96)]
    return "\n    ".join([setting.name, *wrapped])


def page() -> str:
    """docs/configuration.md."""
    parts, rows = [INTRODUCTION, "## At the top of a file\n"], list[Setting]()
    for setting in reference.settings():
        if setting.section:
            parts += _table(rows)
            rows = []
            title = "A range in `space`" if setting.name == "space.NAME" else f"`{setting.name}`"
            parts.append(f"## {title}\n\n{' '.join(setting.facts['description'].split())}\n")
        else:
            rows.append(setting)
    parts += [*_table(rows), *_names_in_a_space(), *_presets(), *_resume()]
    return "\n".join(parts)


def _table(rows: Iterable[Setting]) -> list[str]:
    lines = []
    for row in rows:
        last = row.name.rpartition(".")[2]
        default = f"`{row.default}`" if row.default else "must be given"
        meaning = " ".join(row.facts["description"].split())
        values = f"{row.values}; unit: {row.unit}" if row.unit else row.values
        acts = f" *Acts with {row.acts}.*" if row.acts else ""
        cells = (f"`{last}`", default, values, meaning + acts)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    header = ["| Setting | Default | Values | What it is, and where it acts |", "|---|---|---|---|"]
    return ["\n".join([*header, *lines]) + "\n"] if lines else []


def _names_in_a_space() -> list[str]:
    lines = ["| Name | Setting | Methods |", "|---|---|---|"]
    lines += [f"| `{p.name}` | `{p.path}` | {', '.join(p.methods)} |" for p in PARAMETERS.values()]
    text = "What `space` and `baselines` may name, the setting it stands for, and the methods with which it can act."
    return [f"## Names in a search space\n\n{text}\n", "\n".join(lines) + "\n"]


def _presets() -> list[str]:
    parts = ["## Presets\n"]
    for name, differences in PRESETS.items():
        listed = ", ".join(f"`{setting}: {reference.in_yaml(value)}`" for setting, value in differences.items())
        parts.append(f"- `{name}`: {listed or 'the defaults themselves'}")
    return [*parts, ""]


def _resume() -> list[str]:
    text = "Settings and whole sections that may differ when a study or a run is resumed:"
    more = (
        "A study may also change these; the difference is shown, and noted in its manifest. Anything else is refused:"
    )
    free, changing = ([f"- `{k}`: {v}" for k, v in table.items()] for table in (FREE_ON_RESUME, MAY_CHANGE))
    return [f"## What may change on a resume\n\n{text}\n", *free, f"\n{more}\n", *changing, ""]


def made_files() -> dict[str, str]:
    """Path in the project -> content of each file that is made of the models."""
    schemas: dict[str, type[BaseModel]] = {"study": StudyConfig, "run": RunConfig}
    made = {
        f"configs/schema/{name}.json": json.dumps(reference.json_schema(model), indent=1) + "\n"
        for name, model in schemas.items()
    }
    return made | {"docs/configuration.md": page()}


def main(argv: Sequence[str] | None = None) -> int:
    """Write them; with --check only name those that are not current, and exit with 1 if there is one."""
    parser = argparse.ArgumentParser(f"{COMMAND}", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args(argv).check
    stale = 0
    for name, content in made_files().items():
        path = ROOT / name
        if check:
            if not path.exists() or path.read_text(encoding="utf-8") != content:
                stale = 1
                print(f"{name} is stale: run `{COMMAND}`")
            continue
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
        print(name)
    return stale


if __name__ == "__main__":
    sys.exit(main())

"""A choice as a file: short, with the reason of each part, and the schema for editors."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from study.new.choice import Choice, Seen, run_sections, study_sections
from study.schema import wording

SCHEMAS = Path(__file__).resolve().parents[2] / "configs" / "schema"
PLAIN = re.compile(r"[A-Za-z_][\w./-]*")
WORDS = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
"""No text in YAML, or not for every reader."""
QUESTION = (
    "How few prototypes (KMCLR) reach the accuracy of a queue (NNCLR) on these images, and what do both add over no "
    "support set?"
)


def study_commands(path: Path) -> list[str]:
    """What one does with a study's file."""
    return [f"run_study.py {_word(path)} --plan", f"run_study.py {_word(path)}"]


def run_commands(path: Path) -> list[str]:
    """The same with a run's; `trainables.pretrain` puts the run below `runs`."""
    return [
        f"python -m trainables.pretrain {_word(path)}",
        f"python -m trainables.linear_eval {_word(Path('runs') / path.stem)}",
    ]


def study_text(choice: Choice, path: Path, more: Mapping[str, Any]) -> str:
    """The file of a study; `more`: settings on lines of their own, behind its name."""
    parts = study_sections(choice)
    lines = _head(choice, path, "study", study_commands(path))
    lines += [f"name: {_value(name_of(path))}", f"question: {QUESTION}", *_lines(more, *more), ""]
    lines += [*_shared(choice, parts), ""]
    lines += [
        "# `none` stores nothing: without it accuracy per byte means nothing. A prototype should stand for some",
        "# images, so there are at most a quarter as many; a queue may hold the embeddings of some epochs.",
        *_mapping("space", parts["space"]),
        "baselines: # always measured and always confirmed",
        *(f"  - {_value(point)}" for point in parts["baselines"]),
        "",
        "# Trials pause at a quarter and at half of their epochs; those that promise most for their bytes go on.",
        *_lines(parts, "search", "scheduler"),
        "# Points of each method's front and the baselines, trained again with fresh seeds and tested; an interval",
        "# worth its name takes three seeds or more.",
        *_lines(parts, "confirm"),
        "",
        f"# The {choice.minutes:g} minutes asked for. A larger number, and --resume, go on.",
        *_lines(parts, "budget"),
    ]
    return "\n".join(lines) + "\n"


def run_text(choice: Choice, path: Path, more: Mapping[str, Any]) -> str:
    """The file of one run of kmclr; `more` as with a study."""
    lines = _head(choice, path, "run", run_commands(path))
    lines += [
        "method: kmclr # or nnclr, simclr, byol, none",
        f"support: {_value({'k': choice.prototypes[1]})} # prototypes; for nnclr: queue_size",
        *_lines(more, *more),
        "",
        *_shared(choice, run_sections(choice)),
    ]
    return "\n".join(lines) + "\n"


def name_of(path: Path) -> str:
    """The study's name: the file's, as far as a folder may be called so."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.name.removesuffix(path.suffix)).strip("-._")
    return name[:100] or "study"


def seen_line(seen: Seen) -> str:
    """The data in a line."""
    low, high = seen.sides
    sides = f"{low}" if low == high else f"{low} to {high}"
    return (
        f"{seen.images:,} {'grey' if seen.grey else 'colour'} images of {seen.classes:,} classes (the smallest has "
        f"{seen.smallest:,}), {sides} pixels, and {seen.test:,} test images"
    )


def _head(choice: Choice, path: Path, kind: str, ways: list[str]) -> list[str]:
    schema = os.path.relpath(SCHEMAS / f"{kind}.json", path.absolute().parent)
    if schema.startswith(os.path.join("..", "..", "..")):
        schema = str(SCHEMAS / f"{kind}.json")
    return [
        f"# yaml-language-server: $schema={schema}",
        f"# Written by `run_study.py --new` for about {choice.minutes:g} minutes on this machine; expected: "
        f"{wording.seconds_in_words(choice.seconds)}.",
        f"# {seen_line(choice.seen)}.",
        "#",
        *(f"#   {way}" for way in ways),
        "#",
        "# Every line may be changed; `run_study.py --settings` explains them all.",
        "",
    ]


def _shared(choice: Choice, parts: Mapping[str, Any]) -> list[str]:
    """The sections that a run has too, with their reasons."""
    size, seen = choice.network.image_size, choice.seen
    about = [f"Images become squares of {size} pixels."]
    if "test_share" in seen.data:
        about.append("There is no test split: a fifth of each class is kept for it, whatever the seeds.")
    if choice.train_limit is not None:
        about.append(f"Only {choice.train:,} images are trained on, for the time: take train_limit out for all.")
    lines = [*(f"# {line}" for line in about), *_lines(parts, "data"), ""]
    if choice.network.encoder["name"] == "small_conv":
        lines += ["# Small enough for a CPU; on a GPU take these and `optimizer` out for the defaults (ResNet-18)."]
    lines += [*_lines(parts, "encoder", "heads", "train", "optimizer"), ""]
    if choice.weak_views:
        lines += [
            "# Weak views, as the rehearsals in configs/ have them: on small grey images support sets add something",
            "# under these. On photographs take the section out for the usual, stronger ones.",
            *_mapping("augment", parts["augment"]),
            "",
        ]
    what = "a linear probe on few labels per class" if choice.score == "few_shot_acc1" else "the nearest neighbours"
    return [*lines, f"# Accuracy is that of {what}: it tells encoders apart early.", *_lines(parts, "probe")]


def _lines(parts: Mapping[str, Any], *names: str) -> list[str]:
    return [f"{name}: {_value(parts[name])}" for name in names if name in parts]


def _mapping(name: str, content: Mapping[str, Any]) -> list[str]:
    return [f"{name}:", *(f"  {key}: {_value(value)}" for key, value in content.items())]


def _value(value: Any) -> str:
    """In YAML's flow style, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_value(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str) and (value.lower() in WORDS or not PLAIN.fullmatch(value)):
        return str(yaml.safe_dump(value, default_style='"', allow_unicode=True, width=10**9)).strip()
    return str(value).lower() if isinstance(value, bool) else str(value)


def _word(path: Path) -> str:
    return shlex.quote(" ".join(wording.printable(str(path)).split()))

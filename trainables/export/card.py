"""The model card that lies beside an exported backbone: data, recipe, metrics with n and interval, licence, loading.

Its front matter is what model hubs read, and by it a later export knows whether the card is of the same checkpoint.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml

from trainables.export.backbone import FORMATS
from trainables.export.winner import Study, Winner
from trainables.intervals import Interval
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.methods_and_support_sets import METHODS
from trainables.vocabulary.metrics_and_objectives import ACCURACY, METRICS, SUPPORT_BYTES, TEST_METRICS
from trainables.wording import counted, printable, value_in_words

CARD_FILE = "model_card.md"
UNKNOWN = "unknown"
"""The licence, unless the user states one."""
PLACES = ("data.root", "data.cache_dir", "data.download", "device")
"""Settings that say where a run was, not what it was."""
REHEARSAL = "**This backbone is of a rehearsal**: it shows that the program works and claims nothing about the method."


class Card(NamedTuple):
    """What a card says of the files beside it. files: name -> `sha256`, and `checked`, how it was compared."""

    checkpoint: str
    """SHA-256 of the checkpoint that they were made of."""
    licence: str
    files: dict[str, dict[str, str]]


def read(folder: Path) -> Card | None:
    """The card in a folder; None if there is none. Raises UserError for one that is not of this program."""
    path = folder / CARD_FILE
    if not path.exists():
        return None
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8").split("---\n")[1])
        files = {
            str(name): {"sha256": one["sha256"], "checked": one["checked"]} for name, one in found["files"].items()
        }
        return Card(str(found["checkpoint"]), str(found["license"]), files)
    except (UnicodeDecodeError, IndexError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        raise UserError(f"{path}: not a card of this program; choose another folder (--out)") from None


def with_file(folder: Path, checkpoint: str, licence: str | None, file: str, checked: str) -> Card:
    """The card of a folder once `file` is in it: of the same checkpoint the others' entries are kept, as far as they
    are still true, and so is the licence if none is given."""
    before = read(folder)
    if before is None or before.checkpoint != checkpoint:
        before = Card(checkpoint, UNKNOWN, {})
    kept = {name: one for name, one in before.files.items() if sha256(folder / name) == one["sha256"]}
    entry = {"sha256": sha256(folder / file), "checked": checked}
    return Card(checkpoint, licence or before.licence, {**kept, file: entry})


def sha256(path: Path) -> str:
    """Of a file, in hex; empty if it is not there."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def text(winner: Winner, card: Card) -> str:
    """The card as Markdown."""
    formats = [name for name, one in FORMATS.items() if one.file in card.files]
    front = {
        "license": card.licence,
        "library_name": formats[0],
        "pipeline_tag": "image-feature-extraction",
        "tags": ["self-supervised", winner.frozen.cfg.method, winner.frozen.cfg.encoder.name],
        "checkpoint": card.checkpoint,
        "files": card.files,
    }
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---",
        f"# {winner.name}",
        _what_it_is(winner),
        *([REHEARSAL] if winner.study and winner.study.rehearsal else []),
        "## How to load it",
        *(part for name in formats for part in _loading(winner, name, card.files[FORMATS[name].file]["checked"])),
        _input(winner),
        "## Metrics",
        *_metrics(winner),
        "## Data",
        _data(winner),
        "## Recipe",
        *_recipe(winner),
        "## Licence",
        _licence(card.licence),
    ]
    return printable("\n\n".join(parts) + "\n")


def _what_it_is(winner: Winner) -> str:
    cfg, study = winner.frozen.cfg, winner.study
    done = f"{winner.frozen.epoch} of {counted(cfg.train.epochs, 'epoch')}"
    what = (
        f"The backbone ({cfg.encoder.name}, {_features(winner)} features) after {done} of {cfg.method}, seed {cfg.seed}"
    )
    if study is None:
        return f"{what}, of a single run."
    ended = f"{study.ended.replace('_', ' ')}" if study.ended else "not ended yet"
    chosen = f", {study.chosen}" if study.chosen else ""
    return f"{what}: trial {study.trial} ({study.label}; {ended}) of the study {study.name} ({study.status}){chosen}."


def _features(winner: Winner) -> int:
    return int(winner.frozen.encoder.feature_dim)


# --- loading ---


def _loading(winner: Winner, name: str, checked: str) -> list[str]:
    lines = "\n".join(FORMATS[name].loading(winner.frozen))
    code = f"`{FORMATS[name].file}` ({name}):\n\n```python\n{lines}\n```"
    return [code, checked] if checked else [code]


def _input(winner: Winner) -> str:
    frozen = winner.frozen
    pixels = f"{frozen.image_size} x {frozen.image_size} pixels"
    mean, std = ([float(f"{value:.8g}") for value in values] for values in (frozen.mean, frozen.std))
    return (
        f"`features = model(images)`: images `[N, {frozen.channels}, {frozen.image_size}, {frozen.image_size}]` in "
        f"float32 ({pixels}), from 0 to 1, minus the mean {mean} and divided by the standard deviation {std} of each "
        f"channel; features `[N, {_features(winner)}]`. It holds neither projector nor classifier."
    )


# --- metrics ---


def _metrics(winner: Winner) -> list[str]:
    shown = [name for name in (*TEST_METRICS, *METRICS) if METRICS[name].unit == "%" and name in winner.measured]
    rows = [_row(winner, name) for name in dict.fromkeys(shown)]
    if not rows:
        return ["Nothing has been measured of it yet."]
    head = "| metric | this backbone | 95 % over images | mean over seeds | 95 % over seeds |\n|---|---|---|---|---|"
    return ["\n".join([head, *rows]), *_notes(winner)]


def _row(winner: Winner, name: str) -> str:
    metric = METRICS[name]
    title = f"{metric.title}, validation" if name == ACCURACY else metric.title
    over = winner.interval_over_images(name)
    images = f"[{over[0]:.2f}, {over[1]:.2f}], n = {over[2]:,} images" if over else "–"
    seeds = winner.study.seeds.get(name) if winner.study else None
    mean, interval = (f"{seeds.mean:.2f} %", _in_brackets(seeds)) if seeds else ("–", "–")
    return f"| {title} | {winner.measured[name]:.2f} % | {images} | {mean} | {interval} |"


def _in_brackets(found: Interval) -> str:
    ends = f"[{found.low:.2f}, {found.high:.2f}]" if found.low == found.low else f"none ({found.how})"
    return f"{ends}, n = {found.n} seed{'s' * (found.n != 1)}"


def _notes(winner: Winner) -> list[str]:
    notes = [
        "Over images: how other images would move this backbone's number (Wilson's interval)."
        if not winner.no_images
        else f"No interval over images: {winner.no_images}."
    ]
    if winner.study and winner.study.seeds:
        notes.append(
            "Over seeds: how other seeds would move the mean of its point (Student's t, never narrower than with the "
            "deviation pooled over the study's points). The mean is what to quote of the method."
        )
    else:
        notes.append("It is one run: n = 1 seed, and nothing is known of how other seeds would move these numbers.")
    if not winner.measured.keys() & TEST_METRICS.keys():
        notes.append("Nothing was measured on test data: `python -m trainables.linear_eval` does that.")
    return [" ".join(notes)]


# --- data, recipe, licence ---


def _data(winner: Winner) -> str:
    cfg = winner.frozen.cfg.data
    root = f" (folder `{Path(cfg.root).name}`)" if cfg.root else ""
    counts = ", ".join(
        f"{name} {winner.images[name]:,}" for name in ("train", "validation", "test") if winner.images.get(name)
    )
    lines = [
        f"- source: {cfg.name}{root}, {winner.data['num_classes']} classes",
        f"- images: {counts or winner.no_images}",
        f"- size: {winner.frozen.channels} channel(s), {winner.frozen.image_size} x {winner.frozen.image_size} pixels",
        f"- fingerprint: `{winner.data['fingerprint']}`",
    ]
    return "\n".join(lines)


def _recipe(winner: Winner) -> list[str]:
    cfg, study = winner.frozen.cfg, winner.study
    kind = METHODS[cfg.method].support if cfg.method in METHODS else "none"
    size = winner.measured.get(SUPPORT_BYTES)
    support = kind if size is None or kind == "none" else f"{kind}, {value_in_words(size, METRICS[SUPPORT_BYTES])}"
    lines = [
        f"- method: {cfg.method}; support set: {support}",
        f"- {counted(cfg.train.epochs, 'epoch')}, batches of {cfg.train.batch_size}, {cfg.optimizer.name} at "
        f"learning rate {cfg.optimizer.learning_rate:g}, preset {cfg.preset}, seed {cfg.seed}",
        f"- torch {torch.__version__} wrote this file" + _commit(study),
    ]
    settings: dict[str, Any] = cfg.model_dump(mode="json")
    for place in PLACES:
        section, _, name = place.rpartition(".")
        (settings[section] if section else settings).pop(name, None)
    body = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    return ["\n".join(lines), f"Every setting, as `python -m trainables.pretrain` takes them:\n\n```yaml\n{body}```"]


def _commit(study: Study | None) -> str:
    return f"; the study ran with commit `{study.commit}`" if study and study.commit else ""


def _licence(licence: str) -> str:
    if licence == UNKNOWN:
        return "Not stated (`--license` states it). Whether weights may be given on depends on the data's licence too."
    return f"{licence}, as stated by who exported it. The data's own licence may ask for more."

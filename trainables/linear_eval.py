"""Evaluate a frozen encoder on a test split: `python -m trainables.linear_eval CHECKPOINT [--data NAME] [--root DIR]`.

Of a trial that a study has confirmed it gives the study's own numbers: with the trial's seed, epochs and threads.

Exit codes: 0 done, 2 an error of the user (one line on stderr, no traceback), 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from trainables import command_line, devices, exit_codes, files, places
from trainables.evaluation import named, offline
from trainables.evaluation.classifier import RATES
from trainables.settings import edge, own_code, own_import
from trainables.settings.config import DataConfig, RunConfig
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.parts import SOURCES

SET_HELP = (
    "a setting of the data (data.image_size, data.validation_per_class, data.train_limit, data.image_column, "
    "data.label_column, ...) or probe.few_shot_labels; may be repeated"
)
ALLOW_HELP = "import code of your own that the run's settings or --data name (docs/extending.md)"
EXAMPLES = """examples:
  python -m trainables.linear_eval runs/kmclr_400
  python -m trainables.linear_eval results/k_sweep --trial confirm-00003
  python -m trainables.linear_eval runs/kmclr_400 --data cifar10
  python -m trainables.linear_eval runs/kmclr_400 --data parquet --root ../shared/data/cifar100 --views 8
  python -m trainables.linear_eval runs/kmclr_400 --data image_folder --root FOLDER --set data.validation_per_class=5"""
EVALUATION_SETTINGS = ("data.", "probe.few_shot_labels", "probe.few_shot_draws")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = command_line.Parser(
        "python -m trainables.linear_eval",
        "Evaluate a frozen encoder on a test split: linear classifier, kNN, few labels.",
        EXAMPLES,
    )
    parser.add_argument("checkpoint", help="checkpoint file, or a run's or trial's folder (its newest checkpoint)")
    parser.add_argument("--trial", metavar="ID", help="a trial of the study whose results folder CHECKPOINT is")
    parser.add_argument(
        "--data",
        metavar="NAME",
        help=f"other data (transfer): {', '.join(SOURCES.house)}, or a source of your own; brought to the size of "
        "image that the encoder was trained on (default: the encoder's own data)",
    )
    parser.add_argument("--root", metavar="DIR", help="folder of the data (default: that of the run)")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", dest="overrides", help=SET_HELP)
    parser.add_argument(
        "--epochs",
        type=int,
        help=f"epochs of the linear classifier (default: those of its study, else {named.LINEAR_EPOCHS})",
    )
    parser.add_argument("--seed", type=int, help="of the classifier and the crops (default: the run's own)")
    parser.add_argument("--threads", type=int, help="on a CPU (default: a study's trial's own, else all cores)")
    parser.add_argument("--views", type=int, default=1, help="cached crops and flips per image (default 1: none)")
    parser.add_argument("--device", help="auto (CUDA if present), cpu, cuda or cuda:N (default: the run's own)")
    parser.add_argument("--allow-code", action="store_true", help=ALLOW_HELP)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to this file too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate one checkpoint on a test split; returns the exit code."""
    exit_codes.show_any_text()
    options = parse(arguments)
    try:
        return exit_codes.exit_code(lambda: _evaluate(options))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return exit_codes.INTERRUPTED


def _evaluate(options: argparse.Namespace) -> int:
    places.settle()
    for name, least in (("epochs", 1), ("views", 1), ("threads", 1), ("seed", 0)):
        if (given := getattr(options, name)) is not None and given < least:
            raise UserError(f"--{name} must be at least {least}, got {given}")
    console = Console(stderr=True, markup=False, emoji=False, soft_wrap=True)
    path = files.user_path(options.checkpoint, "CHECKPOINT")
    if options.allow_code:
        own_import.look_in(Path.cwd())
    frozen = offline.load_frozen(path, say=console.print, trial=options.trial, allow_code=options.allow_code)
    device = devices.pick_device(options.device or ("cpu" if frozen.cfg.device == "cpu" else "auto"))
    frozen.encoder.to(device)
    usual = named.as_in_study(frozen.file)
    frozen = dataclasses.replace(frozen, cfg=_evaluation_settings(frozen, options))
    with _threads(options.threads or (usual.threads if usual else None)):
        result = offline.evaluate(
            frozen,
            epochs=options.epochs or (usual.epochs if usual else named.LINEAR_EPOCHS),
            views=options.views,
            device=device,
            seed=frozen.cfg.seed if options.seed is None else options.seed,
            progress=lambda message: console.print(message),
        )
    _print(result, frozen)
    if options.json:
        files.user_path(options.json, "--json").write_text(
            json.dumps(result._asdict(), indent=2) + "\n", encoding="utf-8"
        )
    return exit_codes.DONE


@contextlib.contextmanager
def _threads(number: int | None) -> Iterator[None]:
    """So many threads of torch within this context; None: as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _print(result: offline.Evaluation, frozen: offline.Frozen) -> None:
    lines = {
        "linear acc@1": result.metrics["test_acc1"],
        "linear acc@5": result.metrics["test_acc5"],
        "kNN (k = 20)": result.metrics["test_knn_acc1"],
        "kNN (k = 200)": result.knn200_acc1,
        f"{frozen.cfg.probe.few_shot_labels} labels per class": result.metrics["test_few_shot_acc1"],
    }
    print(f"{result.images} test images, encoder after {frozen.epoch} epochs of {frozen.cfg.method}")
    for name, value in lines.items():
        print(f"{name:22} {value:6.2f} %")
    print(f"classifier: {rate_text(result.learning_rate)}, validation acc@1 {result.validation_acc1:.2f} %")


def rate_text(rate: float) -> str:
    """The chosen learning rate, and a word if it is the first or last of those tried."""
    word = {min(RATES): "smallest", max(RATES): "largest"}.get(rate)
    return f"learning rate {rate:g}" + (f" (the {word} tried: a better one may lie beyond)" if word else "")


def _evaluation_settings(frozen: offline.Frozen, options: argparse.Namespace) -> RunConfig:
    """The run's settings with the data that --data, --root and --set name."""
    pairs = edge.parse_overrides(options.overrides, RunConfig)
    for name, _ in pairs:
        if not name.startswith(EVALUATION_SETTINGS):
            raise UserError(
                f"--set {name}: an evaluation can only change data.*, probe.few_shot_labels and probe.few_shot_draws; "
                f"the rest was settled when the encoder was trained"
            )
    if options.data is not None:
        own_import.load(SOURCES, options.data, "--data", allow_code=options.allow_code)
    data = transfer_data(frozen.cfg.data, options.data, options.root, frozen.image_size)
    settings = edge.merge({**frozen.cfg.model_dump(mode="json"), "data": data}, edge.unflatten(pairs))
    own_code.load_named({"data": settings["data"]}, allow_code=options.allow_code)
    return edge.validate(RunConfig, settings, str(options.checkpoint), pairs)


def transfer_data(own: DataConfig, name: str | None, root: str | None, image_size: int) -> dict[str, Any]:
    """The settings of the encoder's own data, with another folder, or of other data with defaults.

    Images from elsewhere are brought to `image_size`, the pixels a side that the encoder was trained on.
    """
    if name is None or name == own.name:
        moved = {} if root is None else {"root": root, "image_size": image_size}
        return {**own.model_dump(mode="json"), **moved}
    return {"name": name, "root": root, "image_size": image_size, "cache_dir": own.cache_dir}


if __name__ == "__main__":
    sys.exit(main())

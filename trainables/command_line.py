"""The two command lines of `trainables`: `python -m trainables.pretrain` and `python -m trainables.linear_eval`.

Exit codes: 0 done, 2 an error of the user (one line on stderr, no traceback), 3 the run diverged or ran out of time,
130 interrupted.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from trainables import checkpoint, devices, linear_eval
from trainables.data.dataset import load_dataset
from trainables.settings import edge as yaml_edge
from trainables.settings.config import DataConfig, RunConfig
from trainables.settings.run_file import load_run, without_effect
from trainables.trial import Diverged, TimedOut, Trial

SCHEMA_VERSION = 1  # of a report's line, as study.schema states it
SET_HELP = (
    "change a setting of the file, such as method=nnclr, preset=seed, support.k=200 or train.epochs=20; "
    "may be repeated (trainables/settings/config.py lists all settings)"
)
DATA_SET_HELP = (
    "a setting of the data (data.image_size, data.validation_per_class, data.train_limit, data.image_column, "
    "data.label_column, ...) or probe.few_shot_labels; may be repeated"
)
PRETRAIN_EXAMPLES = """examples:
  python -m trainables.pretrain configs/runs/kmclr_400.yaml
  python -m trainables.pretrain configs/runs/kmclr_50.yaml --set data.name=digits --set encoder.name=small_conv
  python -m trainables.pretrain configs/runs/nnclr.yaml --out runs/nnclr --resume"""
LINEAR_EXAMPLES = """examples:
  python -m trainables.linear_eval runs/kmclr_400
  python -m trainables.linear_eval runs/kmclr_400 --data cifar10
  python -m trainables.linear_eval runs/kmclr_400 --data parquet --root ../shared/data/cifar100 --views 8
  python -m trainables.linear_eval runs/kmclr_400 --data image_folder --root FOLDER --set data.validation_per_class=5"""
EVALUATION_SETTINGS = ("data.", "probe.few_shot_labels", "probe.few_shot_draws")


def pretrain_main(arguments: Sequence[str] | None = None) -> int:
    """Train one run file; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m trainables.pretrain",
        description="Train one run without Ray.",
        epilog=PRETRAIN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", help="YAML run file (configs/runs/*.yaml)")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", dest="overrides", help=SET_HELP)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of checkpoints/ and reports.jsonl, one line an epoch (default: runs/NAME of the file)",
    )
    parser.add_argument("--resume", action="store_true", help="continue from the newest checkpoint in the folder")
    options = parser.parse_args(arguments)
    folder = options.out or Path("runs") / Path(options.config).stem
    try:
        cfg = load_run(options.config, options.overrides)
        return _train(cfg, folder, options.resume, without_effect(options.config, options.overrides, cfg))
    except (ValueError, OSError) as error:
        return _user_error(error)
    except (Diverged, TimedOut) as error:
        print(error, file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        repeated = [part for override in options.overrides for part in ("--set", override)]
        command = ["python", "-m", "trainables.pretrain", options.config, *repeated, "--out", str(folder), "--resume"]
        print(f"\ninterrupted; continue with: {shlex.join(command)}", file=sys.stderr)
        return 130


def _train(cfg: RunConfig, folder: Path, resume: bool, notes: Sequence[str]) -> int:
    files = checkpoint.in_folder(folder / "checkpoints")
    if files and not resume:
        raise ValueError(f"{folder}: holds checkpoints of an earlier run; add --resume or choose another --out")
    console = Console()
    dataset = load_dataset(cfg.data, console.print)
    trial = Trial(cfg, dataset)
    for line in notes:
        console.print(f"note: {line}", soft_wrap=True)
    found = checkpoint.read_newest(files)
    if found is not None:
        for message in found.skipped:
            console.print(f"skipped: {message}")
        trial.load_state_dict(found.state)
        console.print(f"continuing after epoch {trial.epoch} ({found.path})")
    elif resume:
        console.print(f"{folder / 'checkpoints'} holds no checkpoint to resume from: starting with epoch 1")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(cfg.model_dump(mode="json"), indent=2) + "\n")
    _drop_reports_after(folder / "reports.jsonl", trial.epoch)
    with _progress(console) as bar, (folder / "reports.jsonl").open("a") as reports:
        task = bar.add_task(cfg.method, total=cfg.train.epochs, completed=trial.epoch)
        cadence = checkpoint.Cadence(cfg.train.checkpoint_every)
        while not trial.done:
            report = trial.run_epoch()
            # The report first: one without its checkpoint is made again, one behind its checkpoint would be missing.
            reports.write(json.dumps(report_line(report, cfg, folder.name), allow_nan=False) + "\n")
            reports.flush()
            if trial.done or cadence.due(trial.epoch):
                with cadence.saving():
                    checkpoint.save_rolling(folder / "checkpoints", trial.epoch, trial.state_dict())
            bar.update(task, completed=trial.epoch, description=summary(cfg, report))
            if not console.is_terminal:
                console.print(f"epoch {trial.epoch}/{cfg.train.epochs} {summary(cfg, report)}")
    console.print(f"checkpoints and reports: {folder}")
    return 0


def _progress(console: Console) -> Progress:
    return Progress(
        BarColumn(),
        TextColumn("{task.completed}/{task.total} epochs, left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        console=console,
        disable=not console.is_terminal,
    )


def summary(cfg: RunConfig, report: dict[str, Any]) -> str:
    """One report in a line."""
    return (
        f"{cfg.method} loss {report['loss']:.3f}, {cfg.probe.score} {report['accuracy']:.2f} %, "
        f"kNN {report['knn_acc1']:.2f} %, {report['images_per_s']:.0f} images/s"
    )


def report_line(report: dict[str, Any], cfg: RunConfig, name: str) -> dict[str, Any]:
    """A report as a line of reports.jsonl with the identity that study.schema names, without what is not finite."""
    identity = {"schema": SCHEMA_VERSION, "stage": "run", "trial_id": name, "number": 0, "seed": cfg.seed}
    known = {key: value for key, value in report.items() if not isinstance(value, float) or math.isfinite(value)}
    return identity | known | {"time": datetime.now(UTC).isoformat(timespec="seconds")}


def _drop_reports_after(path: Path, epoch: int) -> None:
    """Forget reports of epochs that will be run again; a torn last line goes too."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text().splitlines():
        try:
            if json.loads(line)["epoch"] <= epoch:
                kept.append(line + "\n")
        except (json.JSONDecodeError, KeyError, TypeError):
            continue
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text("".join(kept))
    os.replace(partial, path)


def linear_eval_main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate one checkpoint on a test split; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m trainables.linear_eval",
        description="Evaluate a frozen encoder on a test split: linear classifier, kNN, few labels.",
        epilog=LINEAR_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", help="checkpoint file, or a run's folder (its newest checkpoint)")
    parser.add_argument(
        "--data",
        metavar="NAME",
        help="other data (transfer): digits, cifar10, cifar100, parquet, image_folder; brought to the size of image "
        "that the encoder was trained on (default: the encoder's own data)",
    )
    parser.add_argument("--root", metavar="DIR", help="folder of the data (default: that of the run)")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", dest="overrides", help=DATA_SET_HELP)
    parser.add_argument("--epochs", type=int, default=90, help="epochs of the linear classifier (default 90)")
    parser.add_argument("--views", type=int, default=1, help="cached crops and flips per image (default 1: none)")
    parser.add_argument("--device", default="auto", help="auto (default: CUDA if present), cpu, cuda or cuda:N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to this file too")
    options = parser.parse_args(arguments)
    try:
        return _evaluate(options)
    except (ValueError, OSError) as error:
        return _user_error(error)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


def _evaluate(options: argparse.Namespace) -> int:
    for name in ("epochs", "views"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} must be at least 1, got {getattr(options, name)}")
    device = devices.pick_device(options.device)
    frozen = linear_eval.load_frozen(options.checkpoint, device)
    frozen = dataclasses.replace(frozen, cfg=_evaluation_settings(frozen, options))
    console = Console(stderr=True)
    result = linear_eval.evaluate(
        frozen,
        epochs=options.epochs,
        views=options.views,
        device=device,
        progress=lambda message: console.print(message),
    )
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
    if options.json:
        options.json.write_text(json.dumps(result._asdict(), indent=2) + "\n")
    return 0


def rate_text(rate: float) -> str:
    """The chosen learning rate, and a word if it is the first or last of those tried."""
    edge = {min(linear_eval.RATES): "smallest", max(linear_eval.RATES): "largest"}.get(rate)
    return f"learning rate {rate:g}" + (f" (the {edge} tried: a better one may lie beyond)" if edge else "")


def _evaluation_settings(frozen: linear_eval.Frozen, options: argparse.Namespace) -> RunConfig:
    """The run's settings with the data that --data, --root and --set name."""
    pairs = yaml_edge.parse_overrides(options.overrides, RunConfig)
    for name, _ in pairs:
        if not name.startswith(EVALUATION_SETTINGS):
            raise ValueError(
                f"--set {name}: an evaluation can only change data.*, probe.few_shot_labels and probe.few_shot_draws; "
                f"the rest was settled when the encoder was trained"
            )
    data = transfer_data(frozen.cfg.data, options.data, options.root, frozen.image_size)
    settings = frozen.cfg.model_copy(update={"data": data}).model_dump(mode="json")
    settings = yaml_edge.merge(settings, yaml_edge.unflatten(pairs))
    return yaml_edge.validate(RunConfig, settings, str(options.checkpoint), pairs)


def transfer_data(own: DataConfig, name: str | None, root: str | None, image_size: int) -> DataConfig:
    """The encoder's own data, with another folder, or other data with default settings.

    Images from elsewhere are brought to `image_size`, the pixels a side that the encoder was trained on.
    """
    if name is None or name == own.name:
        return own if root is None else own.model_copy(update={"root": root, "image_size": image_size})
    return DataConfig(name=name, root=root, image_size=image_size, cache_dir=own.cache_dir)


def _user_error(error: Exception) -> int:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        message = f"{'.'.join(map(str, first['loc']))}: {first['msg']} (got {first['input']!r})"
    else:
        message = " ".join(str(error).split())
    print(f"error: {message}", file=sys.stderr)
    return 2

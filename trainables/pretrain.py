"""Train one run without Ray: `python -m trainables.pretrain CONFIG [--set a.b=c] [--out DIR] [--resume]`.

As a library: `pretrain`, an iterator of a run's epoch reports with checkpoints on disk.
Exit codes: 0 done, 2 an error of the user (one line on stderr, no traceback), 3 the run diverged or ran out of time,
130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from trainables import checkpoint
from trainables.data.dataset import Dataset, load_dataset
from trainables.settings.config import RunConfig
from trainables.settings.run_file import load_run, without_effect
from trainables.trial import Diverged, TimedOut, Trial
from trainables.vocabulary import SCHEMA_VERSION

SET_HELP = (
    "change a setting of the file, such as method=nnclr, preset=seed, support.k=200 or train.epochs=20; "
    "may be repeated (trainables/settings/config.py lists all settings)"
)
EXAMPLES = """examples:
  python -m trainables.pretrain configs/runs/kmclr_400.yaml
  python -m trainables.pretrain configs/runs/kmclr_50.yaml --set data.name=digits --set encoder.name=small_conv
  python -m trainables.pretrain configs/runs/nnclr.yaml --out runs/nnclr --resume"""


def pretrain(
    cfg: RunConfig,
    dataset: Dataset | None = None,
    *,
    folder: str | Path | None = None,
    resume: bool = False,
    device: torch.device | str | None = None,
) -> Iterator[dict[str, Any]]:
    """Reports of the epochs that are still to be run, one by one.

    With a `folder` epochs are kept there as `train.checkpoint_every` says, and the last (the newest two files); with
    `resume` the newest undamaged one is continued from, as if there had been no break.
    """
    trial = Trial(cfg, dataset, device)
    try:
        if resume and folder is not None:
            found = checkpoint.read_newest(checkpoint.in_folder(folder))
            if found is not None:
                trial.load_state_dict(found.state)
        cadence = checkpoint.Cadence(cfg.train.checkpoint_every)
        while not trial.done:
            report = trial.run_epoch()
            if folder is not None and (trial.done or cadence.due(trial.epoch)):
                with cadence.saving():
                    checkpoint.save_rolling(folder, trial.epoch, trial.state_dict())
            yield report
    finally:
        trial.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one run file; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m trainables.pretrain",
        description="Train one run without Ray.",
        epilog=EXAMPLES,
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


def _user_error(error: Exception) -> int:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        message = f"{'.'.join(map(str, first['loc']))}: {first['msg']} (got {first['input']!r})"
    else:
        message = " ".join(str(error).split())
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())

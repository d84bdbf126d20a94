"""Train one run without Ray: `python -m trainables.pretrain CONFIG [--set a.b=c] [--out DIR] [--resume]`.

As a library: `pretrain`, an iterator of a run's epoch reports with checkpoints on disk.
Exit codes: 0 done, 2 an error of the user (one line on stderr, no traceback), 3 the run diverged or ran out of time,
130 and 143 stopped by Ctrl-C and SIGTERM, with the last finished epoch on disk.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from trainables import checkpoint, command_line, exit_codes, files, places, shapes, timings
from trainables.data.dataset import Dataset, load_dataset
from trainables.failures import Diverged, TimedOut, is_out_of_memory
from trainables.files import REPORTS_FILE, SCHEMA_VERSION, write_atomically
from trainables.lines import LineFiles
from trainables.progress import RunProgress
from trainables.reported import epochs_in_words, lost_epochs, name_lost
from trainables.settings import own_import
from trainables.settings.config import RunConfig
from trainables.settings.run_file import load_run, without_effect
from trainables.trial import Trial
from trainables.vocabulary.errors import UserError
from trainables.wording import shorten

SET_HELP = (
    "change a setting of the file, such as method=nnclr, preset=seed, support.k=200 or train.epochs=20; "
    "may be repeated (trainables/settings/config.py lists all settings)"
)
ALLOW_HELP = "import code of your own that the file names (docs/extending.md)"
EXAMPLES = """examples:
  python -m trainables.pretrain configs/runs/kmclr_400.yaml
  python -m trainables.pretrain configs/runs/kmclr_50.yaml --set data.name=digits --set encoder.name=small_conv
  python -m trainables.pretrain configs/runs/nnclr.yaml --out runs/nnclr --resume"""


REPORT = shapes.shape({"epoch": shapes.WHOLE})
"""What is looked at in an earlier line of reports.jsonl."""


def pretrain(
    cfg: RunConfig,
    dataset: Dataset | None = None,
    *,
    folder: str | Path | None = None,
    resume: bool = False,
    device: torch.device | str | None = None,
) -> Iterator[dict[str, Any]]:
    """Reports of the epochs that are still to be run, one by one, with checkpoints in `folder` if one is given.

    With `resume` the newest undamaged checkpoint there is continued from, as if there had been no break.
    """
    trial = Trial(cfg, dataset, device)
    try:
        if resume and folder is not None:
            continue_from(trial, folder)
        yield from epochs(trial, folder)
    finally:
        trial.close()


def continue_from(trial: Trial, folder: str | Path) -> checkpoint.Loaded | None:
    """Load the newest checkpoint of a folder that is whole and of this run; None if there is none to try."""
    return checkpoint.read_newest(checkpoint.in_folder(folder), trial.load_state_dict)


def epochs(
    trial: Trial, folder: str | Path | None = None, record: Callable[[dict[str, Any]], None] = lambda report: None
) -> Iterator[dict[str, Any]]:
    """Train to the end; reports of the epochs that are still to be run, one by one.

    With a `folder` epochs are kept there as `train.checkpoint_every` says, and the last (the newest two files).
    `record` takes a report before its checkpoint is written: one without its checkpoint is made again, one behind its
    checkpoint would be missing. Stopped on the way (Ctrl-C, or nobody asks for more reports), the last finished epoch
    is kept.
    """
    cadence = checkpoint.Cadence(trial.cfg.train.checkpoint_every)
    unsaved: tuple[int, dict[str, Any]] | None = None
    try:
        while not trial.done:
            report = trial.run_epoch()
            record(report)
            if folder is not None:
                unsaved = trial.epoch, checkpoint.kept(trial.state_dict())
                if trial.done or cadence.due(trial.epoch):
                    with cadence.saving():
                        checkpoint.save_rolling(folder, *unsaved)
                    unsaved = None
            yield report
    except (KeyboardInterrupt, GeneratorExit):
        if unsaved is not None:
            checkpoint.save_rolling(folder, *unsaved)
        raise
    finally:
        if folder is not None:
            timings.remember(trial)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = command_line.Parser("python -m trainables.pretrain", "Train one run without Ray.", EXAMPLES)
    parser.add_argument("config", help="YAML run file (configs/runs/*.yaml)")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", dest="overrides", help=SET_HELP)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of checkpoints/ and reports.jsonl, one line an epoch (default: runs/NAME of the file)",
    )
    parser.add_argument("--allow-code", action="store_true", help=ALLOW_HELP)
    parser.add_argument("--resume", action="store_true", help="continue from the newest checkpoint in the folder")
    options = parser.parse_args(arguments)
    options.out = options.out or Path("runs") / Path(options.config).stem
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one run file; returns the exit code."""
    exit_codes.show_any_text()
    options = parse(arguments)
    try:
        with exit_codes.sigterm_as_interrupt():
            return exit_codes.exit_code(lambda: _train_file(options))
    except (Diverged, TimedOut) as error:
        print(error, file=sys.stderr)
        return exit_codes.ENDED_EARLY
    except KeyboardInterrupt as error:
        print(f"\ninterrupted; continue with: {_continuation(options)}", file=sys.stderr)
        return exit_codes.TERMINATED if isinstance(error, exit_codes.Terminated) else exit_codes.INTERRUPTED


def _train_file(options: argparse.Namespace) -> int:
    places.settle()
    options.out = files.user_path(options.out, "--out")
    if options.allow_code:
        own_import.look_in(Path.cwd(), Path(options.config).resolve().parent)
    cfg = load_run(options.config, options.overrides, allow_code=options.allow_code)
    notes = without_effect(options.config, options.overrides, cfg)
    train(cfg, options.out, resume=options.resume, notes=notes)
    return exit_codes.DONE


def _continuation(options: argparse.Namespace) -> str:
    """The command that goes on where this one was interrupted."""
    settings = [part for override in options.overrides for part in ("--set", override)]
    settings += ["--allow-code"] if options.allow_code else []
    command = ["python", "-m", "trainables.pretrain", options.config, *settings, "--out", str(options.out), "--resume"]
    return shlex.join(command)


def train(cfg: RunConfig, folder: Path, *, resume: bool, notes: Sequence[str]) -> None:
    """Train a run in its folder, telling the console. `notes`: said before the first epoch."""
    kept = folder / "checkpoints"
    if checkpoint.in_folder(kept) and not resume:
        raise UserError(f"{folder}: holds checkpoints of an earlier run; add --resume or choose another --out")
    console = Console(markup=False, emoji=False)
    with _memory_is_the_users():
        _train_in(cfg, folder, console, resume=resume, notes=notes)


@contextlib.contextmanager
def _memory_is_the_users() -> Iterator[None]:
    """Within this context used-up memory is the user's to mend, in one line."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        said = shorten((str(error).strip().splitlines() or [type(error).__name__])[0])
        raise UserError(f"out of memory: {said}; lower train.batch_size, heads.*, or the support set") from error


def _train_in(cfg: RunConfig, folder: Path, console: Console, *, resume: bool, notes: Sequence[str]) -> None:
    kept = folder / "checkpoints"
    trial = Trial(cfg, load_dataset(cfg.data, console.print))
    for line in notes:
        console.print(f"note: {line}", soft_wrap=True)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(LineFiles(folder)) as files_of_lines:
        reports = _open_reports(files_of_lines, folder, kept, console)
        if resume:
            _set_aside_after(_whole_until(reports), kept, console)
            _resume(trial, kept, console)
        write_atomically(folder / "run.json", json.dumps(cfg.model_dump(mode="json"), indent=2) + "\n")
        if left := [line for line in reports if line["epoch"] > trial.epoch]:
            files_of_lines.replace(REPORTS_FILE, [line for line in reports if line not in left])
        _train_to_the_end(trial, folder, files_of_lines, console)
    console.print(f"checkpoints and reports: {folder}")


def _open_reports(files_of_lines: LineFiles, folder: Path, kept: Path, console: Console) -> list[dict[str, Any]]:
    """The reports that are there; says which are damaged or gone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*dropped a torn last line")
        found = files_of_lines.open(REPORTS_FILE)
    for number, line in found.rows:
        REPORT.check(line, f"{folder / REPORTS_FILE}:{number}")
    newest = next(map(checkpoint.epoch_of, checkpoint.in_folder(kept)), 0)
    rows = [(number, {**line, "trial_id": folder.name}) for number, line in found.rows]  # it may have been moved
    damage, left = name_lost(found.damage, rows, lost_epochs((line for _, line in rows), {folder.name: newest}))
    lines = [str(line) for line in damage]
    lines += [f"{folder / REPORTS_FILE}: not there: {epochs_in_words({t: epochs})}" for t, epochs in left.items()]
    lines += [f"{copy}: the damaged file is kept here" for copy in files_of_lines.kept]
    for line in lines:
        console.print(line, soft_wrap=True)
    return [line for _, line in found.rows]


def _whole_until(reports: Sequence[dict[str, Any]]) -> int:
    """The last epoch up to which every report is there."""
    there = {line["epoch"] for line in reports}
    return next(epoch for epoch in itertools.count() if epoch + 1 not in there)


def _set_aside_after(epoch: int, kept: Path, console: Console) -> None:
    """Checkpoints behind lost reports are not gone on from: those epochs are trained, and reported, again."""
    for path in checkpoint.in_folder(kept):
        if checkpoint.epoch_of(path) > epoch:
            aside = path.rename(path.with_name(f"{path.name}.aside"))
            console.print(f"{aside}: kept here; of the epochs to it reports are lost", soft_wrap=True)


def _resume(trial: Trial, kept: Path, console: Console) -> None:
    loaded = continue_from(trial, kept)
    if loaded is None:
        console.print(f"{kept} holds no checkpoint to resume from: starting with epoch 1", soft_wrap=True)
        return
    for message in loaded.skipped:
        print(f"skipped: {message}", file=sys.stderr)
    console.print(f"continuing after epoch {trial.epoch} ({loaded.path})")


def _train_to_the_end(trial: Trial, folder: Path, files_of_lines: LineFiles, console: Console) -> None:
    """Each report goes to reports.jsonl, and in a line to the console."""
    cfg = trial.cfg

    def record(report: dict[str, Any]) -> None:
        files_of_lines.append(REPORTS_FILE, report_line(report, cfg, folder.name))

    steps = {"epochs": cfg.train.epochs, "steps_per_epoch": trial.steps_per_epoch, "finished": trial.epoch}
    with (
        RunProgress(console, method=cfg.method, **steps) as shown,
        contextlib.closing(epochs(trial, folder / "checkpoints", record)) as reports,
    ):
        trial.stepped = lambda done: shown.step(trial.epoch + 1, done)
        for report in reports:
            shown.epoch_ended(trial.epoch, summary(cfg, report))


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


if __name__ == "__main__":
    sys.exit(main())

"""Run a declared study: search, confirm, report; and, if asked for, ablate."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

EXAMPLES = """examples:
  run_study.py configs/k_sweep.yaml                       run it (without a GPU: rehearse it)
  run_study.py configs/k_sweep.yaml --plan                show what it would do and how long it takes here
  run_study.py configs/k_sweep.yaml --rehearse            the same study on embedded data, in minutes
  run_study.py configs/k_sweep.yaml --resume              go on after Ctrl-C, a crash or preemption
  run_study.py configs/k_sweep.yaml --retry failed        go on, and train the trials that failed again
  run_study.py configs/k_sweep.yaml --stage ablate        then: which settings of the best point made the difference
  run_study.py configs/k_sweep.yaml --set train.epochs=50 --set search.trials=20 --out /data/studies
  run_study.py --new my.yaml --data FOLDER --minutes 10   write a study of your own images that takes so long here
  run_study.py --settings support                         every setting that begins so, and what it does
  run_study.py configs/k_sweep.yaml --address auto --storage s3://bucket/studies     on a Ray cluster

exit codes: 0 done, 1 failed (also: a trial after the search has), 2 something to put right (one line
says what), 130/143 stopped (resume with --resume)
"""
MOST_MINUTES = 100_000
SETTINGS = "print what a file may say (those that begin with PREFIX: support, train.epochs, ...) and stop"
NEW = "write FILE, a study of the images below --data that takes about --minutes on this machine, and stop"
DATA = "with --new: folder of the images (train/CLASS/*.png and test/CLASS/*.png, CLASS/*.png, Parquet shards, CIFAR)"
MINUTES = "with --new: how long the study may take (default: 10)"
RUN = "with --new: a file of one run for `python -m trainables.pretrain` instead of a study"
STAGE = (
    "only this stage (default: search, confirm and report); ablate trains the points from a baseline to the best point "
    "of the front, one parameter at a time, and reports (settings: ablate)"
)
ALLOW_CODE = "import code of your own that the file names as module:Class (docs/extending.md)"
RETRY = (
    "resume, and train again the trials that failed (an error, diverged, out of memory, timed out), the interrupted "
    "ones (as --resume alone does), or all of these; from their last checkpoint"
)


def parse(argv: list[str] | None) -> argparse.Namespace:
    from trainables.command_line import Parser

    parser = Parser("run_study.py", __doc__, EXAMPLES)
    parser.add_argument("config", nargs="?", help="the study, a YAML file (see configs/)")
    parser.add_argument("--settings", nargs="?", const="", metavar="PREFIX", help=SETTINGS)
    parser.add_argument("--new", metavar="FILE", help=NEW)
    parser.add_argument("--data", metavar="FOLDER", help=DATA)
    parser.add_argument("--minutes", type=float, metavar="M", help=MINUTES)
    parser.add_argument("--run", action="store_true", help=RUN)
    parser.add_argument("--plan", action="store_true", help="print the plan and stop")
    parser.add_argument("--rehearse", action="store_true", help="apply the file's rehearsal: section")
    parser.add_argument("--device", help="auto, cpu or cuda; `cpu` insists on the real study without a GPU")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", help="override a setting (repeatable)")
    parser.add_argument("--out", default="results", help="results go to OUT/NAME (default: results)")
    parser.add_argument("--resume", action="store_true", help="go on where the study was stopped")
    parser.add_argument("--retry", choices=["failed", "interrupted", "all"], help=RETRY)
    parser.add_argument("--stage", choices=["search", "confirm", "ablate", "report"], help=STAGE)
    parser.add_argument("--allow-code", action="store_true", help=ALLOW_CODE)
    parser.add_argument("--quiet", action="store_true", help="print only warnings, errors and the result")
    cluster = os.environ.get("RAY_ADDRESS")
    parser.add_argument("--address", default=cluster, help="existing Ray cluster (default: $RAY_ADDRESS, else local)")
    parser.add_argument("--storage", help="shared folder or URI for checkpoints, needed on a cluster")
    args = parser.parse_args(argv)
    if args.new is not None:
        check_new(parser, args)
    elif args.data is not None or args.minutes is not None or args.run:
        parser.error("--data, --minutes and --run belong to --new FILE; a study's own data are data.root in its file")
    elif args.config is None and args.settings is None:
        parser.error("which study? give its YAML file (see configs/), or make one: --new FILE --data FOLDER")
    return args


def check_new(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse what --new does not listen to, and settle its minutes."""
    deaf = {"a study's file": args.config, "--settings": args.settings, "--stage": args.stage, "--retry": args.retry}
    deaf |= {f"--{name}": getattr(args, name) for name in ("set", "plan", "rehearse", "resume")}
    if given := [name for name, value in deaf.items() if value]:
        parser.error(f"--new writes a file and stops: leave out {', '.join(given)}")
    if args.data is None:
        parser.error("--new needs --data, the folder of the images")
    args.minutes = 10.0 if args.minutes is None else args.minutes
    if not 0 < args.minutes <= MOST_MINUTES:
        parser.error(f"--minutes must be above 0 and at most {MOST_MINUTES:,}")


def report(folder: Path, quiet: bool, figures: Sequence[str] = (), allow_code: bool = False) -> None:
    from analysis.report import closing
    from analysis.report.make import make_report
    from analysis.results.load import load

    progress = (lambda text: None) if quiet else print
    path = make_report([folder], figures=figures, allow_code=allow_code, progress=progress)
    print(f"Report: {path}", flush=True)
    closing.show(load(folder))


def run(args: argparse.Namespace) -> int:
    """Load, plan, run, report; the exit code."""
    from study.schema import places

    places.settle()
    if args.settings is not None:
        from study.settings import shown

        shown.show(args.settings)
        return 0
    if args.new is not None:
        from study.new import command

        return command.create(args)
    from study import disk_and_storage, launch

    chosen = launch.load(args)
    with disk_and_storage.raise_disk_full(chosen.folder, sys.argv):
        launch.show_plan(chosen)
        if args.plan:
            return 0
        code = launch.run(chosen)
        if chosen.reported_after(code):
            report(chosen.folder, args.quiet, chosen.loaded.study.report.figures, args.allow_code)
        return code


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    from study.schema import exit_codes

    exit_codes.show_any_text()
    try:
        return exit_codes.exit_code(lambda: run(args), "run_study.py")
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())

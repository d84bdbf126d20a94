"""Run a declared study: search, confirm, report."""

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
  run_study.py configs/k_sweep.yaml --set train.epochs=50 --set search.trials=20 --out /data/studies
  run_study.py configs/k_sweep.yaml --set data.name=parquet --set data.root=FOLDER   your own images
  run_study.py --settings support                         every setting that begins so, and what it does
  run_study.py configs/k_sweep.yaml --address auto --storage s3://bucket/studies     on a Ray cluster

exit codes: 0 done, 1 failed (also: a confirm trial has), 2 something to put right (one line
says what), 130/143 stopped (resume with --resume)
"""
SETTINGS = "print what a file may say (those that begin with PREFIX: support, train.epochs, ...) and stop"
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
    parser.add_argument("--plan", action="store_true", help="print the plan and stop")
    parser.add_argument("--rehearse", action="store_true", help="apply the file's rehearsal: section")
    parser.add_argument("--device", help="auto, cpu or cuda; `cpu` insists on the real study without a GPU")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", help="override a setting (repeatable)")
    parser.add_argument("--out", default="results", help="results go to OUT/NAME (default: results)")
    parser.add_argument("--resume", action="store_true", help="go on where the study was stopped")
    parser.add_argument("--retry", choices=["failed", "interrupted", "all"], help=RETRY)
    parser.add_argument("--stage", choices=["search", "confirm", "report"], help="only this stage (default: all)")
    parser.add_argument("--allow-code", action="store_true", help=ALLOW_CODE)
    parser.add_argument("--quiet", action="store_true", help="print only warnings, errors and the result")
    cluster = os.environ.get("RAY_ADDRESS")
    parser.add_argument("--address", default=cluster, help="existing Ray cluster (default: $RAY_ADDRESS, else local)")
    parser.add_argument("--storage", help="shared folder or URI for checkpoints, needed on a cluster")
    args = parser.parse_args(argv)
    if args.config is None and args.settings is None:
        parser.error("which study? give its YAML file (see configs/)")
    return args


def report(folder: Path, quiet: bool, figures: Sequence[str] = (), allow_code: bool = False) -> None:
    from analysis.report.make import make_report

    progress = (lambda text: None) if quiet else print
    path = make_report([folder], figures=figures, allow_code=allow_code, progress=progress)
    print(f"Report: {path}", flush=True)


def run(args: argparse.Namespace) -> int:
    """Load, plan, run, report; the exit code."""
    from study.schema import places

    places.settle()
    if args.settings is not None:
        from study.settings import shown

        shown.show(args.settings)
        return 0
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

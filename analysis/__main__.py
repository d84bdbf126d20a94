"""`python -m analysis RESULTS...`: redraw the figures, tables and report of studies from their folders."""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

EXAMPLES = """examples:
  python -m analysis results/k_sweep                       redraw its report, figures and tables (also while it runs)
  python -m analysis results/k_sweep --style paper         figures at journal column width
  python -m analysis results/a results/b --out comparison  several studies together
  python -m analysis results/k_sweep --x epoch_s           fronts against time instead of the study's own costs
  python -m analysis results/k_sweep --watch 60            redraw every minute until the study has ended
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m analysis",
        description="Figures, tables and a report from results folders alone.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("results", nargs="+", metavar="RESULTS", help="results folder of a study")
    made.add_argument("--out", metavar="DIR", help="where to write (default: the results folder itself)")
    made.add_argument("--style", default="web", metavar="STYLE", help="paper, slides or web (default)")
    made.add_argument(
        "--x", metavar="COST",
        help="fronts over accuracy and this cost instead of the study's own objectives: support_bytes, "
        "peak_memory_bytes, epoch_s or gpu_hours",
    )  # fmt: skip
    made.add_argument("--images", default="all", metavar="WHICH", help="all (default), main or none")
    made.add_argument(
        "--watch", type=float, metavar="SECONDS", help="redraw so often while a study runs, and once after its end"
    )
    return made


def running(folders: Sequence[str]) -> bool:
    """Whether one of these studies says that it runs; what cannot be read does not (`load` says what is wrong)."""
    from study import schema

    for folder in folders:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            if json.loads(Path(folder, schema.MANIFEST_FILE).read_text(encoding="utf-8"))["status"] == "running":
                return True
    return False


def draw(given: argparse.Namespace) -> None:
    """The report; with --watch again and again, until after the last redraw no study runs."""
    from analysis.report.make import make_report
    from study.schema import UserError

    if given.watch is not None and not 0 < given.watch < float("inf"):
        raise UserError(f"--watch: expected seconds above 0, got {given.watch:g}")
    while True:
        goes_on = given.watch is not None and running(given.results)
        path = make_report(given.results, out=given.out, style=given.style, x=given.x, images=given.images)
        print(f"report: {path}", flush=True)
        if not goes_on:
            return
        time.sleep(given.watch)


OF_THE_USER = (PermissionError, FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)
FULL_OR_READ_ONLY = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors of files that the user can put right; any other OSError is a fault of the program."""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0, also after Ctrl-C while watching; 2 after one line on stderr for what the user can put right.

    Any other exception is a fault of the program and keeps its traceback.
    """
    from study.schema import UserError

    given = parser().parse_args(argv)
    try:
        draw(given)
    except KeyboardInterrupt:
        return 0 if given.watch is not None else 130
    except (UserError, OSError) as error:
        if isinstance(error, OSError) and not (isinstance(error, OF_THE_USER) or error.errno in FULL_OR_READ_ONLY):
            raise
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m analysis RESULTS...`: redraw the figures, tables and report of studies from their folders."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Sequence

EXAMPLES = """examples:
  python -m analysis results/k_sweep                       redraw its report, figures and tables (also while it runs)
  python -m analysis results/k_sweep --style paper         LaTeX tables and figures for a column of a paper
  python -m analysis results/k_sweep --style paper --columns 2   the same over both columns (table*, figure*)
  python -m analysis results/a results/b --out comparison  several studies together
  python -m analysis results/k_sweep --x epoch_s           fronts against time instead of the study's own costs
  python -m analysis results/k_sweep --figure mypkg.figures:spread --allow-code   with a figure of your own
  python -m analysis results/k_sweep --watch 60            redraw every minute until the study has ended
  python -m analysis --list results                        every study in a folder: state, best, front, age, size
  python -m analysis --find "method=kmclr k=400 temperature<0.15" results      trials of all of them
  python -m analysis --compare results/a results/b         both fronts in one figure, with the paired difference
  python -m analysis results/k_sweep --health              what is well and what is not, in words; nothing is drawn
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    from study.schema import ACCURACY, OBJECTIVES, command_line

    said = "Figures, tables and a report from results folders alone."
    made = command_line.Parser("python -m analysis", said, EXAMPLES)
    made.add_argument("results", nargs="*", metavar="RESULTS", help="results folder of a study")
    made.add_argument("--list", metavar="FOLDER", help="tell of every study in a folder and below")
    made.add_argument(
        "--find", metavar="CONDITIONS",
        help="trials of all studies in these folders (default: results) that meet all of name=value, name<value, ...",
    )  # fmt: skip
    made.add_argument("--compare", nargs=2, metavar=("A", "B"), help="two studies: fronts, and the paired difference")
    made.add_argument("--out", metavar="DIR", help="where to write (default: the results folder itself)")
    made.add_argument("--style", default="web", metavar="STYLE", help="paper, slides or web (default)")
    made.add_argument(
        "--columns", metavar="N", help="with --style paper: columns of a two-column page to fill, 1 (default) or 2"
    )
    made.add_argument(
        "--x", metavar="COST",
        help="fronts over accuracy and this cost instead of the study's own objectives: "
        + ", ".join([*(name for name in OBJECTIVES if name != ACCURACY), "gpu_hours"]),
    )  # fmt: skip
    made.add_argument("--images", default="all", metavar="WHICH", help="all (default), main or none")
    made.add_argument(
        "--figure", action="append", default=[], metavar="NAME",
        help="draw this figure of your own too, module:function (docs/extending.md); installed ones always are",
    )  # fmt: skip
    made.add_argument("--allow-code", action="store_true", help="import the code that --figure names")
    made.add_argument(
        "--watch", type=float, metavar="SECONDS", help="redraw so often while a study runs, and once after its end"
    )
    made.add_argument(
        "--health", action="store_true", help="say in words what is well with these studies and what to run next"
    )
    return made


def running(folders: Sequence[str]) -> bool:
    """Whether one of these studies says that it runs; what cannot be read does not (`load` says what is wrong)."""
    from study import schema
    from study.schema import files

    for folder in folders:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            if (
                json.loads((files.user_path(folder) / schema.MANIFEST_FILE).read_text(encoding="utf-8"))["status"]
                == "running"
            ):
                return True
    return False


def draw(given: argparse.Namespace) -> int:
    """The report; with --watch again and again, until after the last redraw no study runs. The exit code."""
    from study.schema import UserError, exit_codes, places

    places.settle()
    modes = [mode for mode in ("list", "find", "compare") if getattr(given, mode) is not None]
    if modes:
        return tell_of_many(given, modes)
    if not given.results:
        raise UserError("no results folder given; for example: python -m analysis results/k_sweep")
    from analysis.report.make import make_report

    if given.health and given.watch is not None:
        raise UserError("--health tells how it is now: leave --watch out")
    if given.health:
        return tell_health(given)
    if given.watch is not None and not 0 < given.watch < float("inf"):
        raise UserError(f"--watch: expected seconds above 0, got {given.watch:g}")
    while True:
        goes_on = given.watch is not None and running(given.results)
        path = make_report(
            given.results, out=given.out, style=given.style, columns=given.columns, x=given.x, images=given.images,
            figures=given.figure, allow_code=given.allow_code,
        )  # fmt: skip
        print(f"report: {path}", flush=True)
        if not goes_on:
            return exit_codes.DONE
        time.sleep(given.watch)


def tell_of_many(given: argparse.Namespace, modes: Sequence[str]) -> int:
    """--list, --find and --compare. The exit code."""
    from study.schema import UserError, exit_codes, files

    if modes == ["list", "find"]:
        given.results.append(given.list)
    elif len(modes) > 1 or given.health or given.watch is not None:
        raise UserError(f"--{modes[-1]}: leave the other of --list, --find, --compare, --health and --watch out")
    elif given.results and modes != ["find"]:
        raise UserError(f"--{modes[0]} stands alone with what it takes, got {given.results[0]} too")
    if modes == ["compare"]:
        from analysis.report import compare

        places = [files.user_path(folder, "--compare") for folder in given.compare]
        print(compare.make(places, out=given.out, style=given.style, x=given.x, images=given.images), flush=True)
        return exit_codes.DONE
    from analysis.report import listing

    if modes == ["list"]:
        top = files.user_path(given.list, "--list")
        table, said = listing.list_of(top), f"no study in {top}"
    else:
        folders = [files.user_path(folder, "FOLDER") for folder in given.results or ["results"]]
        table, said = listing.found_in(folders, given.find)
    if table is not None:
        listing.show(table)
    if table is None or given.find is not None:
        print(said, flush=True)
    return exit_codes.DONE


def tell_health(given: argparse.Namespace) -> int:
    """What `analysis.report.health` says of each study, on standard output. The exit code."""
    from analysis.report import health
    from analysis.report.make import load_with_notes
    from analysis.results.front import against
    from study.schema import exit_codes, files

    places = [files.user_path(folder, "RESULTS") for folder in given.results]
    results = [against(load_with_notes(place, lambda note: print(note, file=sys.stderr)), given.x) for place in places]
    print("\n\n".join(map(health.text, results)), flush=True)
    return exit_codes.DONE


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0, also after Ctrl-C while watching; 2 after a line on stderr for what the user can put right.

    Any other exception is a fault of the program and keeps its traceback.
    """
    from study.schema import exit_codes

    exit_codes.show_any_text()
    given = parser().parse_args(argv)
    try:
        return exit_codes.exit_code(lambda: draw(given))
    except KeyboardInterrupt:
        return exit_codes.DONE if given.watch is not None else exit_codes.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())

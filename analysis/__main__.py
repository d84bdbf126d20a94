"""`python -m analysis RESULTS...`: redraw the figures, tables and report of studies from their folders."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

EXAMPLES = """examples:
  python -m analysis results/k_sweep                       redraw its report, figures and tables (also while it runs)
  python -m analysis results/k_sweep --style paper         figures at journal column width
  python -m analysis results/a results/b --out comparison  several studies together
  python -m analysis results/k_sweep --x epoch_s           fronts against time instead of memory
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
        "--x", default="support_bytes", metavar="COST",
        help="cost axis: support_bytes (default), peak_memory_bytes, epoch_s, gpu_hours",
    )  # fmt: skip
    made.add_argument("--images", default="all", metavar="WHICH", help="all (default), main or none")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0, or 2 after one line on stderr for what the user can put right."""
    given = parser().parse_args(argv)
    from analysis.report import make_report

    try:
        path = make_report(given.results, out=given.out, style=given.style, x=given.x, images=given.images)
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(f"report: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

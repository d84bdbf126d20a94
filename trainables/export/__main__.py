"""Take a trained backbone home: `python -m trainables.export RUN --to torchvision|safetensors|onnx [--out DIR]`.

Exit codes: 0 done, 2 an error of the user (one line on stderr, no traceback), 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from trainables import command_line, exit_codes, files, places
from trainables.export import backbone, card, winner
from trainables.vocabulary.errors import UserError
from trainables.wording import bytes_in_words, shorten

EXAMPLES = """examples:
  python -m trainables.export runs/kmclr_400 --to torchvision
  python -m trainables.export results/k_sweep --point "kmclr k=400" --to safetensors --license cc-by-4.0
  python -m trainables.export results/k_sweep --trial confirm-0003-1 --to onnx --out backbones/kmclr_400
  python -m trainables.export results/k_sweep/ray/confirm-1/confirm-0003-1/checkpoint_000002 --to onnx"""
MAX_LICENCE = 100


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = command_line.Parser(
        "python -m trainables.export", "A trained backbone as a file for use elsewhere, with its model card.", EXAMPLES
    )
    parser.add_argument(
        "run", metavar="RUN", help="a run's folder, a trial's checkpoint (file or folder), or a study's results"
    )
    parser.add_argument("--to", required=True, choices=backbone.FORMATS, help="what will read it")
    parser.add_argument(
        "--point",
        metavar="POINT",
        help="of a study: a confirmed point, by its id or its label; its trial that was best on validation",
    )
    parser.add_argument("--trial", metavar="ID", help="of a study: a trial with a checkpoint")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the backbone and its card (default: exports/NAME)"
    )
    parser.add_argument("--license", metavar="TEXT", help="for the card, for example cc-by-4.0 (default: unknown)")
    allow = "import code of your own that the run's settings name (docs/extending.md)"
    parser.add_argument("--allow-code", action="store_true", help=allow)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Export one backbone; returns the exit code."""
    exit_codes.show_any_text()
    options = parse(arguments)
    try:
        return exit_codes.exit_code(lambda: _export(options))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return exit_codes.INTERRUPTED


def _export(options: argparse.Namespace) -> int:
    places.settle()
    licence = None if options.license is None else " ".join(options.license.split())
    if licence is not None and (not licence.isprintable() or not 0 < len(licence) <= MAX_LICENCE):
        raise UserError(f"--license: expected 1 to {MAX_LICENCE} characters on one line, got {shorten(ascii(licence))}")
    backbone.check_installed(options.to)
    path = files.user_path(options.run, "RUN")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*dropped a torn last line")  # of a study that runs
        found = winner.find(path, options.trial, options.point, allow_code=options.allow_code, say=_say)
    folder = files.user_path(options.out, "--out") if options.out else Path("exports") / found.name
    card.read(folder)  # one that is not ours is noticed before anything is written
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / backbone.FORMATS[options.to].file
    checked = backbone.FORMATS[options.to].write(found.frozen, target)
    written = card.with_file(folder, card.sha256(found.frozen.file), licence, target.name, checked)
    files.write_atomically(folder / card.CARD_FILE, card.text(found, written))
    print(f"{target}: {bytes_in_words(target.stat().st_size)}, from {found.frozen.file}")
    print(f"{folder / card.CARD_FILE}: its data, recipe, metrics, and how to load it")
    return exit_codes.DONE


def _say(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

"""Many short trials in one study: does the driver stay as it was, in memory, open files, threads and time per trial?

    uv run python -m benchmarks.soak [--trials 300] [--block 50]

The rehearsal of `configs/k_sweep.yaml` with trials of two epochs, no early stopping and no confirm stage, as a user
runs it. Once a second the driver and its children are looked at. The first block is warm-up; flat means that the last
block differs from the second by less than the bounds of FLAT. The exit code is 1 if something is not flat.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.common import environment, table, write_result
from benchmarks.processes import Session, last_line
from study import schema

STUDY = "configs/k_sweep.yaml"
SIZES = ("train.epochs=2", "optimizer.warmup_epochs=0", "scheduler.name=none", "confirm.enabled=false")
FLAT = {"rss_mb": 40.0, "files": 5.0, "threads": 5.0}
"""What the last block may have more of than the second."""
SLOWER = 1.25
"""How many times the second block's seconds per trial those of the last may be."""
LIMIT_S = 3600.0


class Look(NamedTuple):
    """The study at one moment."""

    seconds: float
    trials: int
    """Ended so far."""
    rss_mb: float
    """Of the driver; its open files and threads."""
    files: int
    threads: int
    family_mb: float
    """Of all its descendants (Ray's processes and the trials), resident, shared pages counted in each."""
    family: int
    """How many they are."""


class Block(NamedTuple):
    """Trials `first` to `last`; medians of the looks."""

    first: int
    last: int
    s_per_trial: float
    rss_mb: float
    files: float
    threads: float
    family_mb: float
    family: float


def look(session: Session, trials: int) -> Look | None:
    """None if the driver has ended."""
    with contextlib.suppress(psutil.Error):
        driver = psutil.Process(session.process.pid)
        sizes = []
        for child in session.look():
            with contextlib.suppress(psutil.Error):
                sizes.append(child.memory_info().rss / 1e6)
        with driver.oneshot():
            rss, files, threads = driver.memory_info().rss / 1e6, driver.num_fds(), driver.num_threads()
        return Look(time.monotonic() - session.began, trials, rss, files, threads, sum(sizes), len(sizes))
    return None


def blocks(looks: Sequence[Look], size: int) -> list[Block]:
    """The looks by trials that had ended, `size` at a time; a rest that is shorter is left out."""
    found = []
    for first in range(0, looks[-1].trials - size + 1, size):
        inside = [one for one in looks if first <= one.trials < first + size]
        began = next(one.seconds for one in looks if one.trials >= first)
        ended = next(one.seconds for one in looks if one.trials >= first + size)
        middle = [statistics.median(one[i] for one in inside) for i in range(2, 7)]
        found.append(Block(first + 1, first + size, (ended - began) / size, *middle))
    return found


def faults(found: Sequence[Block]) -> list[str]:
    """What is not flat between the second block and the last."""
    before, after = found[1], found[-1]
    said = [
        f"{name}: {getattr(before, name):.0f}, then {getattr(after, name):.0f}"
        for name, more in FLAT.items()
        if getattr(after, name) > getattr(before, name) + more
    ]
    if after.s_per_trial > SLOWER * before.s_per_trial:
        said.append(f"seconds per trial: {before.s_per_trial:.2f}, then {after.s_per_trial:.2f}")
    return said


def run(trials: int, out: Path, every_s: float = 1.0) -> list[Look]:
    """Run the study and look at it. Raises RuntimeError if it fails."""
    sets = [part for size in (*SIZES, f"search.trials={trials}") for part in ("--set", size)]
    command = [sys.executable, "-u", "run_study.py", STUDY, "--rehearse", "--stage", "search", "--out", str(out), *sets]
    log = out.with_suffix(".log")
    session, looks = Session(command, log, {}), []
    try:
        while session.code is None and time.monotonic() - session.began < LIMIT_S:
            ended = sum(path.read_bytes().count(b"\n") for path in out.glob(f"*/{schema.TRIALS_FILE}"))
            if (seen := look(session, ended)) is not None:
                looks.append(seen)
            if ended and ended % 25 == 0 and (len(looks) < 2 or looks[-2].trials != ended):
                print(f"{ended} of {trials} trials after {looks[-1].seconds:.0f} s", flush=True)
            session.wait(every_s)
        if session.code != 0:
            raise RuntimeError(f"the study ended with code {session.code}: {last_line(log)}")
    finally:
        session.close()
    return [*looks, looks[-1]._replace(trials=trials, seconds=time.monotonic() - session.began)]


def report(found: Sequence[Block], trials: int) -> str:
    head = ["trials", "s a trial", "driver MB", "files", "threads", "Ray and trials MB", "processes"]
    rows = [[f"{b.first}-{b.last}", f"{b.s_per_trial:.2f}", *(f"{v:.0f}" for v in b[3:])] for b in found]
    notes = (
        f"- {STUDY}, rehearsal, {', '.join(SIZES)}; n = 1 study of {trials} trials; medians of one look a second\n"
        f"- flat: the last block has at most {FLAT['rss_mb']:g} MB, {FLAT['files']:g} files and {FLAT['threads']:g} "
        f"threads more than the second, and takes at most {SLOWER:g} times its seconds"
    )
    verdict = "; ".join(faults(found))
    return "\n\n".join(
        [
            "# Soak: many short trials in one study",
            f"{environment(('torch', 'ray', 'optuna'))}\n{notes}",
            table(head, rows),
            f"Not flat: {verdict}." if verdict else "Flat in memory, files, threads and time.",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=300, help="default: %(default)s")
    parser.add_argument("--block", type=int, default=50, help="trials a row; default: %(default)s")
    args = parser.parse_args()
    if args.trials < 3 * args.block:
        parser.error(f"--trials: at least three blocks of {args.block}, got {args.trials}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        found = blocks(run(args.trials, Path(place) / "results"), args.block)
    text = report(found, args.trials)
    print(text)
    print("written:", write_result("soak", text))
    return 1 if faults(found) else 0


if __name__ == "__main__":
    sys.exit(main())

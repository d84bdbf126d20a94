"""How long `run_study.py CONFIG` takes from its start to its report on a machine without a GPU, phase by phase.

    uv run python -m benchmarks.rehearsal [--config configs/k_sweep.yaml] [--cold] [--repeats 1]

The command is run as README has it (the real study's estimate and the plan included), into a folder that is thrown
away. --cold: no compiled bytecode is at hand, as in a fresh clone (it is written, into a folder of its own). Times are
wall times: run it on a calm machine, and read the load averages. Target on 2 cores: below 5 minutes, wished 3.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.common import Timing, describe, environment, table, write_result

ROOT = Path(__file__).resolve().parents[1]
TARGET_S, WISHED_S = 300.0, 180.0
MARKS = {
    "estimate of the real study, imports": "The real study would take",
    "plan": "Stage search",
    "Ray's start": "Ray dashboard",
    "search": "Stage confirm",
    "confirm": "Confirmed: ",
}
"""Phase, and how the line begins that ends it. What follows the last is the report."""


def phases(lines: Iterable[tuple[float, str]], total_s: float) -> dict[str, float]:
    """Seconds of each phase from (seconds since the start, line). A phase whose line never came is 0 s long."""
    found: dict[str, float] = {}
    seen = list(lines)
    last = 0.0
    for phase, mark in MARKS.items():
        ended = next((seconds for seconds, line in seen if line.strip().startswith(mark)), last)
        found[phase], last = ended - last, ended
    found["report"] = total_s - last
    return found


def run_once(config: str, cold: bool) -> dict[str, float]:
    """Seconds of each phase, and `total`. Raises RuntimeError with the last lines if the command fails."""
    settings = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory(prefix="rehearsal-", ignore_cleanup_errors=True) as out:
        if cold:
            settings["PYTHONPYCACHEPREFIX"] = f"{out}/bytecode"
        command = [sys.executable, "-u", "run_study.py", config, "--out", f"{out}/results"]
        options = {"cwd": ROOT, "env": settings, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        lines: list[tuple[float, str]] = []
        started = time.monotonic()
        with subprocess.Popen(command, **options) as process:
            lines.extend((time.monotonic() - started, line) for line in process.stdout)
        total = time.monotonic() - started
        if process.returncode != 0:
            raise RuntimeError(f"exit code {process.returncode}:\n{''.join(line for _, line in lines[-20:])}")
    return phases(lines, total) | {"total": total}


def report(runs: Sequence[dict[str, float]], config: str, cold: bool) -> str:
    rows = [[name, describe(Timing([run[name] for run in runs]), 0)] for name in runs[0]]
    worst = max(run["total"] for run in runs)
    verdict = "met" if worst < TARGET_S else "missed"
    bytecode = "none at the start" if cold else "at hand where the environment has it"
    notes = f"- n = {len(runs)}; compiled bytecode: {bytecode}; the load averages are those after the last run"
    facts = f"{environment(('torch', 'ray', 'optuna'))}\n{notes}"
    wished = "met" if worst < WISHED_S else "missed"
    verdicts = f"Target, below {TARGET_S:g} s: {verdict}. Wished, below {WISHED_S:g} s: {wished}."
    return "\n\n".join([f"# Rehearsal: run_study.py {config}", facts, table(["phase", "wall s"], rows), verdicts])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/k_sweep.yaml")
    parser.add_argument("--cold", action="store_true", help="without compiled bytecode, as in a fresh clone")
    parser.add_argument("--repeats", type=int, default=1)
    args = parser.parse_args()
    text = report([run_once(args.config, args.cold) for _ in range(args.repeats)], args.config, args.cold)
    print(text)
    print("written:", write_result(f"rehearsal-{Path(args.config).stem}{'-cold' if args.cold else ''}", text))


if __name__ == "__main__":
    main()

"""How long commands take to begin: `run_study.py --help`, and the imports of a study and of a trial.

    uv run python -m benchmarks.startup [--repeats 9]

Each reading is a fresh Python process, in turns, with compiled bytecode at hand as in any installation that has run
before (a folder of its own holds it; the first turn fills it and does not count). CPU time is that of the process and
leaves out waiting for a shared core. Target: `run_study.py --help` below 1 s.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.common import Timing, describe, environment, table, write_result

ROOT = Path(__file__).resolve().parents[1]
TARGET_S = 1.0
COMMANDS: dict[str, list[str]] = {
    "python -c pass": ["-c", "pass"],
    "run_study.py --help": ["run_study.py", "--help"],
    "import study.settings.config": ["-c", "import study.settings.config"],
    "import analysis.results.load": ["-c", "import analysis.results.load"],
    "import torch": ["-c", "import torch"],
    "first optimiser of torch": ["-c", "import torch; torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)"],
    "import trainables.trial": ["-c", "import trainables.trial"],
    "import ray.tune": ["-c", "import ray.tune"],
    "import trainables.tune_adapter": ["-c", "import trainables.tune_adapter"],
}


def run_once(arguments: list[str], bytecode: str) -> tuple[float, float]:
    """Wall and CPU seconds of one process; `bytecode`: folder of the compiled modules."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = bytecode
    before = cpu_of_children()
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL, env=environment)
    wall = time.perf_counter() - started
    return wall, cpu_of_children() - before


def cpu_of_children() -> float:
    """CPU seconds of this process's ended children, to the microsecond."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(commands: Mapping[str, list[str]], repeats: int) -> dict[str, tuple[Timing, Timing]]:
    """Wall and CPU times of each command; the first turn fills the caches and does not count."""
    wall: dict[str, list[float]] = {name: [] for name in commands}
    cpu: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory(prefix="bytecode-") as bytecode:
        for repeat in range(repeats + 1):
            for name, arguments in commands.items():
                seconds = run_once(arguments, bytecode)
                if repeat:
                    wall[name].append(seconds[0])
                    cpu[name].append(seconds[1])
    return {name: (Timing(wall[name]), Timing(cpu[name])) for name in commands}


def report(found: Mapping[str, tuple[Timing, Timing]], repeats: int) -> str:
    rows = [[name, describe(wall), describe(cpu)] for name, (wall, cpu) in found.items()]
    notes = f"- n = {repeats} processes each, in turns; median (first to third quartile)"
    facts = f"{environment(('torch', 'ray'))}\n{notes}"
    text = ["# Start-up: fresh processes", facts, table(["command", "wall s", "CPU s"], rows)]
    if "run_study.py --help" in found:
        seconds = statistics.median(found["run_study.py --help"][0].seconds)
        verdict = "met" if seconds < TARGET_S else "missed"
        text.append(f"Target of `run_study.py --help`, below {TARGET_S:g} s: {verdict} ({seconds:.2f} s).")
    return "\n\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    text = report(measure(COMMANDS, args.repeats), args.repeats)
    print(text)
    print("written:", write_result("startup", text))


if __name__ == "__main__":
    main()

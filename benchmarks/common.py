"""What the benchmarks share: paired timing, the environment, dated result files.

Candidates take turns within each repeat, so that a slow moment of a shared machine hits all of them alike, and the
ratio is the median of the ratios of each repeat. Wall times on shared cores say little; the ratios are the result.
"""

from __future__ import annotations

import datetime
import gc
import importlib.metadata
import importlib.util
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

RESULTS = Path(os.environ.get("BENCHMARK_RESULTS") or Path(__file__).parent / "results")
"""Where result files go; benchmarks/gpu_session.py sets another folder."""


class Timing(NamedTuple):
    """Seconds of one call of a candidate, over the repeats."""

    seconds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> tuple[float, float]:
        """First and third quartile (both the only value if there is one)."""
        return quartiles(self.seconds)

    def per(self, count: float) -> Timing:
        """Seconds of one of the `count` things that a call did."""
        return self.scaled(1 / count)

    def scaled(self, factor: float) -> Timing:
        """In another unit, e.g. 1e3 for milliseconds."""
        return Timing([factor * value for value in self.seconds])


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def paired(
    candidates: Mapping[str, Callable[[], object]],
    *,
    repeats: int = 15,
    calls: int = 1,
    warm_up: int = 2,
    wait: Callable[[], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
    before: Callable[[], object] | None = None,
) -> dict[str, Timing]:
    """Times the candidates in turns: seconds per call, `repeats` values each, every value over `calls` calls.

    The order is reversed every other repeat. `wait` (e.g. torch.cuda.synchronize) is called before each reading.
    `clock`: wall time, or time.process_time (CPU time of all threads), which leaves out waiting for a shared core.
    `before` is called ahead of each value, outside its time: what else a step does, and leaves in the caches.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(warm_up):
        for run in candidates.values():
            run()
    gc.collect()
    for repeat in range(repeats):
        order = list(candidates) if repeat % 2 == 0 else list(reversed(candidates))
        for name in order:
            if before is not None:
                before()
            seconds[name].append(_time(candidates[name], calls, wait, clock))
    return {name: Timing(values) for name, values in seconds.items()}


def _time(run: Callable[[], object], calls: int, wait: Callable[[], None] | None, clock: Callable[[], float]) -> float:
    if wait is not None:
        wait()
    start = clock()
    for _ in range(calls):
        run()
    if wait is not None:
        wait()
    return (clock() - start) / calls


CLOCKS = {
    "cpu": (time.process_time, "CPU time of all threads (waiting for a shared core is left out)"),
    "wall": (time.perf_counter, "wall time"),
}
"""Choices of a benchmark's --clock, and how its text names them."""


def ratio(slow: Timing, fast: Timing) -> Timing:
    """How many times longer `slow` took than `fast`, repeat by repeat (use its median and spread)."""
    return Timing([a / b for a, b in zip(slow.seconds, fast.seconds, strict=True)])


def describe(value: Timing, digits: int = 2) -> str:
    """`median (first to third quartile)`."""
    low, high = value.spread
    return f"{value.median:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def environment(packages: Sequence[str] = ("torch",)) -> str:
    """Hardware, load and versions, as Markdown lines for the head of a result file."""
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    lines = [
        f"- date: {datetime.date.today().isoformat()}",
        *_gpus(),
        f"- CPU: {_cpu()}, {os.cpu_count()} logical cores, shared with other work (load averages {load})",
        f"- threads: OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}",
        f"- Python {platform.python_version()}, {versions}",
    ]
    if sys.dont_write_bytecode:
        lines.append("- PYTHONDONTWRITEBYTECODE is set: modules may be compiled anew in every process")
    return "\n".join(lines)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def has_lightly() -> bool:
    """Whether lightly, a development dependency that benchmarks compare with, is installed."""
    return importlib.util.find_spec("lightly") is not None


def _gpus() -> list[str]:
    """A line per kind of GPU that torch sees, if the caller has imported torch."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return [f"- GPU: {names.count(name)} x {name}, CUDA {torch.version.cuda}" for name in sorted(set(names))]


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def write_result(name: str, text: str) -> Path:
    """Writes benchmarks/results/YYYY-MM-DD-NAME.md; an existing file is never edited: a number is added to the name."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    stem = f"{datetime.date.today().isoformat()}-{name}"
    path, number = RESULTS / f"{stem}.md", 2
    while path.exists():
        path, number = RESULTS / f"{stem}-{number}.md", number + 1
    path.write_text(text.rstrip() + "\n")
    return path

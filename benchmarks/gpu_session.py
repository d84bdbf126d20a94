"""Everything that wants a GPU, in one command and under ten minutes: tests, benchmarks, a real training run.

    uv run python -m benchmarks.gpu_session [--out DIR] [--data FOLDER] [--wheels FOLDER] [--only NAME,...] [--dry]

Writes under DIR (default: $OUT, else gpu_session/): a log of every part, result files (DIR/results, to be copied to
benchmarks/results/ as they are), the run (DIR/cifar100), and summary.md: what ran, how it ended, how long it took.
Parts go by importance; each has a time limit of its own, and a part that would begin after the ten minutes is left out.
CIFAR-100 comes from Parquet files in FOLDER (default: shared/data/cifar100 or ../shared/data/cifar100).

Neither Ray nor Optuna, plotly or W&B is needed, so it also runs with the Python of a machine that merely has PyTorch
(`python -m benchmarks.gpu_session`). Packages of NEEDED that are missing are installed under DIR from wheels in
FOLDER (default: wheels/), without a network and without touching that Python. Without lightly its columns are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.common import table

ROOT = Path(__file__).resolve().parents[1]
TOTAL_S = 590.0
NEEDED = {
    "pydantic": "pydantic",
    "yaml": "pyyaml",
    "rich": "rich",
    "numpy": "numpy",
    "PIL": "pillow",
    "pyarrow": "pyarrow",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "torchvision": "torchvision",
    "pytest": "pytest",
    "pytest_timeout": "pytest-timeout",
}
"""What the parts import besides torch: module, and the package it comes from."""
DATA_FOLDERS = ("shared/data/cifar100", "../shared/data/cifar100")

HOW_TO_BRING = (
    "bring their wheels for this Python in the folder of --wheels, made where there is a network, for example by "
    "`pip download -d wheels --only-binary=:all: --python-version 3.12 --platform manylinux2014_x86_64 pydantic`"
)


class Part(NamedTuple):
    """One command: `python *arguments`, killed after `limit_s`."""

    name: str
    arguments: list[str]
    limit_s: float


def parts(out: Path, data: Path | None, device: str) -> list[Part]:
    """What the session runs, most important first. Limits are generous: together they exceed the ten minutes."""
    run = [
        *("-m", "trainables.pretrain", "configs/runs/kmclr_400.yaml", "--out", str(out / "cifar100")),
        *("--set", "preset=strong", "--set", "train.epochs=12", "--set", "optimizer.warmup_epochs=1"),
        *("--set", "train.batch_size=256", "--set", f"device={device}"),
    ]
    if data is None:
        run += ["--set", "data.name=digits", "--set", "data.validation_per_class=30"]
    else:
        run += ["--set", "data.name=parquet", "--set", f"data.root={data}", "--set", f"data.cache_dir={out / 'cache'}"]
    on = ["--device", device]
    return [
        Part("gpu_tests", ["-m", "pytest", "-m", "gpu", *gpu_tests()], 150),
        Part("epoch", ["-m", "benchmarks.gpu_epoch", *on, "--modes", "none,cuda_graphs", "--batches", "64,256"], 150),
        Part("cifar100", run, 120),
        Part("train_step", ["-m", "benchmarks.train_step", *on, "--repeats", "5"], 90),
        Part("support_kernels", ["-m", "benchmarks.support_kernels", *on], 60),
        Part("packing", ["-m", "benchmarks.packing", *on, "--repeats", "1", "--batches", "64"], 120),
        Part("one_forward", ["-m", "benchmarks.train_step", *on, "--one-forward", "--no-lightly"], 60),
        Part("epoch_compiled", ["-m", "benchmarks.gpu_epoch", *on, "--modes", "compile", "--batches", "256,512"], 120),
    ]


def gpu_tests() -> list[str]:
    """Test files with tests marked `gpu`: the others may need packages that are not there."""
    files = sorted((ROOT / "tests" / "trainables").rglob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if "pytest.mark.gpu" in file.read_text()]


def missing(packages: Path) -> list[str]:
    """Packages of NEEDED that neither this Python nor the folder `packages` has."""
    return [
        name
        for module, name in NEEDED.items()
        if importlib.util.find_spec(module) is None
        and not any((packages / f"{module}{ending}").exists() for ending in ("", ".py"))
    ]


def install(wheels: Path, packages: Path) -> None:
    """Install all wheels of a folder into the folder `packages`. Raises CalledProcessError if pip refuses one."""
    files = sorted(str(file) for file in wheels.glob("*.whl"))
    if files:
        options = ["--quiet", "--no-index", "--no-deps", "--upgrade", "--target", str(packages)]
        subprocess.run([sys.executable, "-m", "pip", "install", *options, *files], check=True)


def run_part(part: Part, out: Path, limit_s: float) -> tuple[str, float]:
    """How a part ended ("ok", "exit code N", "over its time") and the seconds that it took; output goes to its log."""
    path = os.pathsep.join(filter(None, [str(out / "packages"), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"BENCHMARK_RESULTS": str(out / "results"), "PYTHONPATH": path}
    command = [sys.executable, *part.arguments]
    started = time.monotonic()
    with (out / f"{part.name}.log").open("w") as log:
        options = {"cwd": ROOT, "env": environment, "stdout": log, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(command, start_new_session=True, **options)
        try:
            code = process.wait(limit_s)
            ended = "ok" if code == 0 else f"exit code {code}"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its children too
            process.wait()
            ended = f"over its {limit_s:.0f} s"
    return ended, time.monotonic() - started


def session(todo: Sequence[Part], out: Path, total_s: float = TOTAL_S) -> list[list[str]]:
    """Runs the parts in order until the time is spent; rewrites summary.md after each."""
    out.mkdir(parents=True, exist_ok=True)
    started, rows = time.monotonic(), []
    for part in todo:
        left = total_s - (time.monotonic() - started)
        ended, seconds = run_part(part, out, min(part.limit_s, left)) if left > 5 else ("left out: no time", 0.0)
        rows.append([part.name, ended, f"{seconds:.0f}", " ".join(part.arguments)])
        print(f"{part.name}: {ended}, {seconds:.0f} s", flush=True)
        summary = table(["part", "ended", "seconds", "python ..."], rows)
        (out / "summary.md").write_text(f"# GPU session\n\n{machine()}\n\n{summary}\n")
    return rows


def machine() -> str:
    """The GPU as its driver names it, without importing torch in this process."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "no nvidia-smi here"


def find_data(given: str | None) -> Path | None:
    """Folder of CIFAR-100's Parquet files, or None."""
    folders = [Path(given)] if given else [ROOT / folder for folder in DATA_FOLDERS]
    return next((folder.resolve() for folder in folders if any(folder.glob("train*.parquet"))), None)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=os.environ.get("OUT", "gpu_session"))
    parser.add_argument("--data", help="folder of train*.parquet and test*.parquet")
    parser.add_argument("--wheels", default="wheels", help="folder of wheels of missing packages (default: wheels)")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", help="names of parts, with commas")
    parser.add_argument("--dry", action="store_true", help="print the commands and stop")
    args = parser.parse_args(arguments)
    out = Path(args.out).resolve()
    todo = parts(out, find_data(args.data), args.device)
    if args.only:
        names = args.only.split(",")
        unknown = sorted(set(names) - {part.name for part in todo})
        if unknown:
            parser.error(f"--only: no part {', '.join(unknown)}; there are {', '.join(p.name for p in todo)}")
        todo = [part for part in todo if part.name in names]
    if args.dry:
        print("\n".join(f"{part.name}: python {' '.join(part.arguments)}" for part in todo))
        return 0
    if missing(out / "packages"):
        install(Path(args.wheels), out / "packages")
    if names := missing(out / "packages"):
        parser.error(f"not installed: {', '.join(names)}; {HOW_TO_BRING}")
    rows = session(todo, out)
    return 0 if all(row[1] == "ok" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

"""What a study runs on: the checkout, the installed packages, the processor and the GPUs."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("ray", "optuna", "torch", "torchvision", "numpy", "pandas", "pyarrow", "scikit-learn", "pydantic", "wandb")
ROOT = Path(__file__).resolve().parents[2]


def _output(*command: str) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace", timeout=20, check=True
        )
    except (subprocess.SubprocessError, OSError):
        return None
    return done.stdout.strip()


def git_state() -> dict[str, Any]:
    """{"commit", "dirty"}; nulls outside a git checkout."""
    commit = _output("git", "rev-parse", "HEAD")
    status = _output("git", "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if commit is None else bool(status)}


def versions() -> dict[str, str]:
    """Python and the packages that can change a result, as installed (nothing is imported)."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _allowed(rows: list[Any]) -> list[Any]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves to this process: by number, else (named by UUID) so many of them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return rows
    names = [name.strip() for name in chosen.split(",") if name.strip()]
    if not all(name.lstrip("-").isdigit() for name in names):
        return rows[: len(names)]
    return [rows[int(name)] for name in names if 0 <= int(name) < len(rows)]


def gpus() -> list[dict[str, Any]]:
    """Name and memory of this machine's NVIDIA GPUs that CUDA_VISIBLE_DEVICES leaves to this process, or []."""
    table = _output("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
    rows = [row.rsplit(",", 1) for row in (table or "").splitlines() if "," in row]
    return [{"name": name.strip(), "memory_bytes": int(float(mib)) * 2**20} for name, mib in _allowed(rows)]


def cpu_name() -> str:
    """Model name of the processor, as the system gives it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def hardware() -> dict[str, Any]:
    """{"cpu", "cores", "memory_bytes", "gpus"}."""
    return {"cpu": cpu_name(), "cores": cores(), "memory_bytes": psutil.virtual_memory().total, "gpus": gpus()}


def resolve_device(device: str, found: Mapping[str, Any]) -> str:
    """`auto` becomes cuda if this machine has a GPU, else cpu."""
    return device if device != "auto" else ("cuda" if found["gpus"] else "cpu")

"""`manifest.json` and `study.yaml`: what ran, where, with which versions and seeds; checked again on resume."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import yaml

from study import schema
from study.record.journal import JournalError, now, plain
from study.settings.config import StudyConfig
from trainables.settings.changes import differences, refused_on_resume

PACKAGES = ("ray", "optuna", "torch", "torchvision", "numpy", "pandas", "pyarrow", "scikit-learn", "pydantic", "wandb")
ROOT = Path(__file__).resolve().parents[2]


def write_atomically(path: Path, text: str) -> None:
    """Write a whole file or nothing: temporary file, fsync, rename."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _output(*command: str) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=True)
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
        for line in info.read_text().splitlines():
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


def new(study: StudyConfig, *, rehearsal: bool, command: str, data: Mapping[str, Any], rungs: list[int]) -> dict:
    """A manifest with every field of schema.MANIFEST_FIELDS, status `running`, no session yet."""
    machine = hardware()
    return {
        "schema": schema.SCHEMA_VERSION,
        "study": study.name,
        "question": study.question,
        "rehearsal": rehearsal,
        "status": "running",
        "command": command,
        "git": git_state(),
        "versions": versions(),
        "hardware": machine,
        "device": resolve_device(study.device, machine),
        "seeds": {"search": study.search.seed, "trial": study.seed, "confirm": list(study.confirm.seeds)},
        "data": dict(data),
        "score": study.probe.score,
        "objectives": dict(study.objectives),
        "rungs": list(rungs),
        "started": now(),
        "ended": None,
        "sessions": [],
    }


def load(folder: Path) -> dict[str, Any]:
    """The folder's manifest. Raises JournalError naming the file if it is missing, cut or of another schema."""
    path = folder / schema.MANIFEST_FILE
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        raise JournalError(f"{path}: missing, so {folder} is not a results folder that can be resumed") from None
    except ValueError as error:
        raise JournalError(f"{path}: not JSON ({error}); restore the file from a backup") from None
    if not isinstance(found, dict) or found.get("schema") != schema.SCHEMA_VERSION:
        raise JournalError(f"{path}: expected schema {schema.SCHEMA_VERSION}")
    return found


def save(folder: Path, manifest: Mapping[str, Any]) -> None:
    write_atomically(folder / schema.MANIFEST_FILE, json.dumps(plain(manifest), indent=2) + "\n")


def begin_session(manifest: dict[str, Any], *, storage: str | None = None) -> None:
    """Note a start or resume, and where its checkpoints lie if elsewhere; a killed session is closed as such."""
    for session in manifest["sessions"]:
        if session["ended"] is None:
            session["reason"] = "killed"
    elsewhere = {"storage": storage} if storage else {}
    manifest["sessions"].append({"started": now(), "ended": None, "reason": None, **elsewhere})
    manifest["status"] = "running"
    manifest["ended"] = None


def end_session(manifest: dict[str, Any], *, status: str, reason: str) -> None:
    """Close the running session and set the study's status (finished | interrupted | failed)."""
    manifest["sessions"][-1].update(ended=now(), reason=reason)
    manifest["status"] = status
    manifest["ended"] = now()


def dump_study(study: StudyConfig) -> dict[str, Any]:
    """The fully resolved study as plain data, with the schema version."""
    return {"schema": schema.SCHEMA_VERSION, **plain(study.model_dump(mode="json"))}


def save_study(folder: Path, study: StudyConfig) -> None:
    write_atomically(folder / schema.STUDY_FILE, yaml.safe_dump(dump_study(study), sort_keys=False, allow_unicode=True))


def load_study(folder: Path) -> dict[str, Any]:
    """The folder's study.yaml as plain data. Raises JournalError naming the file."""
    path = folder / schema.STUDY_FILE
    try:
        found = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise JournalError(f"{path}: missing, so {folder} is not a results folder that can be resumed") from None
    except yaml.YAMLError as error:
        raise JournalError(f"{path}: not YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(found, dict) or found.get("schema") != schema.SCHEMA_VERSION:
        raise JournalError(f"{path}: expected schema {schema.SCHEMA_VERSION}")
    return found


def check_unchanged(folder: Path, study: StudyConfig, source: str) -> None:
    """Raises ValueError, with the differences, if the study is not the one that the folder holds."""
    changes = refused_on_resume(differences(load_study(folder), dump_study(study)))
    if changes:
        changed = [f"{name}: {before} -> {after}" for name, before, after in changes]
        shown = "; ".join(changed[:8]) + (f"; and {len(changed) - 8} more" if len(changed) > 8 else "")
        raise schema.UserError(
            f"{source}: changed since {folder} was begun: {shown}. Undo the change to resume, "
            f"or start the changed study elsewhere (another name or --out)"
        )

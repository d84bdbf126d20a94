"""A study as the processes it consists of: started, looked at, killed, and ended without leaving any behind."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]

PROCESSES = {
    "raylet": "/raylet/raylet",
    "gcs": "gcs_server",
    "dashboard agent": "ray::DashboardAgent",
    "runtime_env agent": "ray::RuntimeEnvAgent",
    "dashboard": "dashboard/dashboard.py",
    "log monitor": "log_monitor.py",
    "trial": "ray::",
}
"""Victim, and what its command line holds."""


class Session:
    """One process of the study with all that it started."""

    def __init__(self, command: Sequence[str], log: Path, settings: Mapping[str, str]) -> None:
        self.log = log
        self.began = time.monotonic()
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **settings}, stdout=output, stderr=subprocess.STDOUT
            )
        self._family: dict[int, psutil.Process] = {}

    @property
    def code(self) -> int | None:
        return self.process.poll()

    def look(self) -> list[psutil.Process]:
        """The driver's descendants that live; they are remembered, to be ended when it is dead."""
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                self._family.setdefault(child.pid, child)
        return [process for process in self._family.values() if process.is_running()]

    def named(self, part: str) -> list[psutil.Process]:
        found = []
        for process in self.look():
            with contextlib.suppress(psutil.Error):
                if is_one(part, " ".join(process.cmdline()), process.name()):
                    found.append(process)
        return found

    def signal(self, victim: str, rng: random.Random) -> bool:
        """Send the signal; False if there is no such process now."""
        if victim in PROCESSES:
            found = self.named(PROCESSES[victim])
            if not found:
                return False
            with contextlib.suppress(psutil.Error):
                rng.choice(found).kill()
            return True
        self.look()
        if victim == "everything":
            for process in self._family.values():
                with contextlib.suppress(psutil.Error):
                    process.kill()
        self.process.send_signal(getattr(signal, victim, signal.SIGKILL))
        return True

    def wait(self, seconds: float) -> int | None:
        """The driver's exit code if it ends by then."""
        deadline = time.monotonic() + seconds
        while self.code is None and time.monotonic() < deadline:
            self.look()
            time.sleep(0.1)
        return self.code

    def close(self) -> None:
        """End what is left of it."""
        if self.code is None:
            self.look()
            self.process.kill()
            self.process.wait()
        for process in self._family.values():
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(list(self._family.values()), timeout=10)


def is_one(part: str, command: str, name: str) -> bool:
    """Whether a process is what PROCESSES calls `part`: Ray's agents bear names like workers, and the raylet's command
    line names all that it starts."""
    if part not in command or (name == "raylet" and part not in "/raylet/raylet"):
        return False
    agents = (PROCESSES["dashboard agent"], PROCESSES["runtime_env agent"])
    return part != PROCESSES["trial"] or not command.startswith(agents)


def last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else "it said nothing"

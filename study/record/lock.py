"""One study, one process: a lock file with the owner's pid inside the results folder.

The kernel's file lock decides (it goes when its process dies, however that happens); the pid is for people. On file
systems without locks the pid alone decides.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from pathlib import Path
from typing import Any

import psutil

from study import schema


class FolderBusy(schema.UserError):
    """Another living process writes into the folder."""


class FolderLock:
    """Context manager that owns `<folder>/.lock`. Raises FolderBusy if another living process does."""

    def __init__(self, folder: Path) -> None:
        self.path = Path(folder) / schema.LOCK_FILE
        self._descriptor: int | None = None
        self.stale: int | None = None
        """Pid of a dead owner whose lock was taken over, if there was one."""

    def _owner(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8") or "{}")
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @staticmethod
    def _alive(owner: dict[str, Any]) -> bool:
        if owner.get("host") != socket.gethostname() or not isinstance(owner.get("pid"), int):
            return False
        try:
            return bool(abs(psutil.Process(owner["pid"]).create_time() - owner.get("born", 0)) < 2)
        except psutil.Error:
            return False

    def _busy(self, owner: dict[str, Any]) -> FolderBusy:
        return FolderBusy(
            f"{self.path.parent}: already in use by process {owner.get('pid', '?')} on {owner.get('host', '?')}; "
            f"wait for it, stop it, or choose another --out"
        )

    def __enter__(self) -> FolderLock:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise schema.UserError(
                f"{self.path.parent}: cannot be made or written to ({error.strerror}); choose another --out"
            ) from error
        owner = self._owner()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise self._busy(owner) from None
        except OSError:  # no locks on this file system
            if self._alive(owner):
                os.close(descriptor)
                raise self._busy(owner) from None
        self.stale = owner.get("pid")
        me = {"pid": os.getpid(), "host": socket.gethostname(), "born": psutil.Process().create_time()}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(me).encode(), 0)
        self._descriptor = descriptor
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            with contextlib.suppress(OSError):
                if [p.name for p in self.path.parent.iterdir()] == [self.path.name]:  # nothing was begun
                    self.path.unlink()
                    self.path.parent.rmdir()
            os.close(self._descriptor)
            self._descriptor = None

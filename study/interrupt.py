"""Ctrl-C and SIGTERM (as clusters send it before preemption) as a request to stop, not as a crash."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ECHO_S = 2.0
"""A signal that follows the first so soon is the same request: what `timeout` and batch systems send to a whole process
group, `uv run` hands on once more."""


class Interrupted(BaseException):
    """Raised by a signal while the study is not inside Tune; `signum` tells which."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class StudyStopped(Exception):
    """The study was asked to stop: a signal, a budget. `reason` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class StopSignals:
    """Context manager. Before `listen()` a signal raises Interrupted; after it, it only sets `received`, which the
    study's callback looks at. Another one, ECHO_S later or more, ends the process at once. Does nothing outside the
    main thread."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._since = 0.0
        self._flag_only = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for signum in SIGNALS:
                self._previous[signum] = signal.signal(signum, self._handle)
        return self

    def listen(self) -> None:
        """From now on only take note."""
        self._flag_only = True

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self.received is not None:
            if time.monotonic() - self._since < ECHO_S:
                return
            os._exit(128 + signum)
        self.received, self._since = signum, time.monotonic()
        if not self._flag_only:
            raise Interrupted(signum)

    def reason(self) -> str | None:
        """Name of the signal received, if any."""
        return None if self.received is None else signal.Signals(self.received).name

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for signum, before in self._previous.items():
            signal.signal(signum, before)
        self._previous.clear()

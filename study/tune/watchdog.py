"""Sees within seconds that Ray is gone, and ends the study then: the process too.

A driver whose raylet or gcs is gone cannot go on. Most of its calls into Ray never return, so that nothing in the main
thread can end the study; trials that Tune sends out fail for no reason of their own; and after a minute Ray ends the
process without a word. So a thread looks after Ray's processes, has the end written down and ends the process.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping

import psutil

from study.tune import ports
from trainables import exit_codes

VITAL = ("gcs_server", "raylet")
"""What a driver that has started Ray cannot do without: Ray's names for them, and those of the programs.

The raylet's agents are not among them: it ends when one of them does."""
POLL_S = 0.5
FAMILY_S = 5.0
"""How often the processes that Ray has started are looked up."""
STOPPED_S = 20.0
"""Seconds after which a process that is stopped (SIGSTOP) counts as gone."""
SILENT_S = 20.0
"""Seconds after which a cluster whose gcs takes no connection counts as gone; one that is restarted comes back."""
START_S = 300.0
"""Seconds that Ray has to come up; its call that starts it has no limit of its own."""
TURN_S = 5.0
"""Seconds that the watchdog waits for the event that is just being recorded."""


class RayGone(RuntimeError):
    """Ray has not come up, or is gone; says what of it."""


def running(process: psutil.Process) -> str | None:
    """A process's state (`sleeping`, `stopped`, ...); None if it has ended."""
    try:
        state = process.status() if process.is_running() else psutil.STATUS_DEAD
    except psutil.Error:
        return None
    return None if state in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD) else state


class Health:
    """Whether the parts of Ray that a driver cannot do without are there.

    processes: on this machine, by what they are called. gcs: `host:port` of a cluster's, which is not ours to look at;
    None for a Ray of our own.
    """

    def __init__(self, processes: Mapping[str, psutil.Process], gcs: str | None = None) -> None:
        self.processes = dict(processes)
        self.gcs = gcs
        self._stopped: dict[str, float] = {}
        self._answered = time.monotonic()

    def gone(self) -> str | None:
        """What is gone, in words; None while all is well."""
        for name, process in self.processes.items():
            state = running(process)
            if state is None:
                return f"Ray's {name} (process {process.pid}) has died"
            if state != psutil.STATUS_STOPPED:
                self._stopped.pop(name, None)
            elif time.monotonic() - self._stopped.setdefault(name, time.monotonic()) > STOPPED_S:
                return f"Ray's {name} (process {process.pid}) has been stopped"
        return self._silent() if self.gcs is not None else None

    def _silent(self) -> str | None:
        try:
            ports.check_answers(str(self.gcs), timeout_s=2.0)
            self._answered = time.monotonic()
        except OSError as error:
            if time.monotonic() - self._answered > SILENT_S:
                return f"the Ray cluster at {self.gcs} does not answer any more ({error})"
        return None


class StartingHealth(Health):
    """Of a Ray that this process is about to start: of its parts those that have come up so far."""

    def __init__(self) -> None:
        super().__init__({})
        self.earlier = set(psutil.Process().children())
        self._began = time.monotonic()

    def gone(self) -> str | None:
        if time.monotonic() - self._began > START_S:
            return f"Ray has not come up within {START_S:.0f} s"
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process().children():
                if process not in self.earlier and process.name() in VITAL:
                    self.processes.setdefault(process.name(), process)
        return super().gone()


class Watchdog:
    """A thread that asks `health` twice a second and, once Ray is gone, ends the process with exit code 1.

    finish: writes the end down, given what is gone; called in the thread. turn: held by whoever writes into the study's
    folder; the watchdog takes it before `finish` and keeps it. If the main thread hangs while it holds the turn, in a
    listener that asks Ray, its line is written already and the watchdog goes on without.
    ours: whether Ray's processes go with the study.
    """

    def __init__(self, health: Health, finish: Callable[[str], None], turn: threading.RLock, *, ours: bool) -> None:
        self.health = health
        self.finish = finish
        self.turn = turn
        self.ours = ours
        self.family: set[psutil.Process] = set()
        """Every process that Ray has started here, as far as seen: orphans are nobody's children."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> Watchdog:
        self._thread.start()
        return self

    def stop(self) -> None:
        """From now on nobody watches."""
        self._over.set()

    def __enter__(self) -> Watchdog:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def settle(self, seconds: float) -> None:
        """After something went wrong in the main thread: if Ray turns out to be gone, stay here until the process ends.

        A raylet takes a moment to die, in which Ray's own errors may come first.
        """
        deadline = time.monotonic() + seconds
        while self._thread.is_alive() and not self._over.is_set() and time.monotonic() < deadline:
            if self.health.gone() is not None:
                self._thread.join()
            time.sleep(POLL_S / 2)

    def _watch(self) -> None:
        looked = 0.0
        while not self._over.wait(POLL_S):
            if self.ours and time.monotonic() - looked > FAMILY_S:
                self._look_up_family()
                looked = time.monotonic()
            reason = self.health.gone()
            if reason is not None and not self._over.is_set():
                self._end(reason)

    def _look_up_family(self) -> None:
        with contextlib.suppress(psutil.Error):
            for process in self.health.processes.values():
                self.family.update([process, *process.children(recursive=True)])

    def _end(self, reason: str) -> None:
        self.turn.acquire(timeout=TURN_S)
        try:
            self.finish(reason)
        except BaseException:
            traceback.print_exc()
        finally:
            if self.ours:
                self._look_up_family()
                end(self.family)
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            os._exit(exit_codes.FAILED)


class LastWords:
    """Within this context `words` are said on stderr should the process end without a word of its own.

    While Ray connects no thread of Python runs, and if its raylet or gcs dies then, Ray ends the process. So another
    process waits for the end of this one.
    """

    SAYS = "import sys\nif not sys.stdin.read(): print(sys.argv[1], file=sys.stderr, flush=True)"

    def __init__(self, words: str) -> None:
        self.words = words

    def __enter__(self) -> LastWords:
        command = [sys.executable, "-I", "-S", "-c", self.SAYS, self.words]
        self._heir = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)
        return self

    def dismiss(self) -> None:
        """They will not be said."""
        with contextlib.suppress(OSError, ValueError):
            self._heir.communicate("no")

    def __exit__(self, *_: object) -> None:
        self.dismiss()


def end(processes: Iterable[psutil.Process]) -> None:
    """Kill those that are still there; a pid that another process has meanwhile is left alone."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if process.is_running():
                process.kill()

"""Two clocks: wall time, and the seconds that the calling thread was on a core, which other work does not lengthen."""

from __future__ import annotations

import hashlib
import os
import statistics
import threading
import time
from typing import NamedTuple

import torch

from trainables import devices

BLOCK = bytes(1 << 22)
"""What a thread hashes at a time (a few milliseconds) while it finds out how much of a core it gets."""
CROWD_S = 0.25
MOST_THREADS = 64


class Moment(NamedTuple):
    """Seconds of the two clocks; a difference of two moments is what lies between them."""

    wall_s: float
    busy_s: float

    def since(self, before: Moment) -> Moment:
        return Moment(self.wall_s - before.wall_s, self.busy_s - before.busy_s)


class EpochTimes(NamedTuple):
    """What an epoch took: its training and, if it was due, its evaluation."""

    training: Moment
    evaluation: Moment | None


class Clocks:
    """The clocks of this machine. A test has others, of a machine that it makes up."""

    def wall(self) -> float:
        return time.perf_counter()

    def busy(self) -> float:
        """Seconds that this thread was on a core: in work on several threads it takes part to the end."""
        return time.thread_time()

    def now(self, device: torch.device) -> Moment:
        """When the device has done all that was asked of it. On a GPU nothing but wall time tells how long it took."""
        devices.synchronise(device)
        wall = self.wall()
        return Moment(wall, self.busy() if device.type == "cpu" else wall)

    def crowding(self, threads: int, seconds: float = CROWD_S) -> float:
        """How many seconds pass for each that a thread is on a core, if so many threads work at once; at least 1.

        Tried out for so many seconds of wall time: it holds what else runs, and what a control group allows.
        """
        waits: list[float] = []

        def work() -> None:
            digest = hashlib.sha256()
            begun, ends = (time.perf_counter(), time.thread_time()), time.perf_counter() + seconds
            while time.perf_counter() < ends:
                digest.update(BLOCK)  # other threads run meanwhile
            waits.append((time.perf_counter() - begun[0]) / max(time.thread_time() - begun[1], 1e-6))

        crowd = [threading.Thread(target=work) for _ in range(min(max(1, threads), MOST_THREADS))]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
        share = statistics.fmean(1 / wait for wait in waits)
        return max(1.0, 1 / share)

    def load(self) -> float | None:
        """Processes that wanted a core in the last minute; None where the system does not say."""
        return os.getloadavg()[0] if hasattr(os, "getloadavg") else None

    def cores(self) -> int:
        """That this process may use."""
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

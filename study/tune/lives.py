"""How often a trial may lose its process, and which of those losses are its own.

Tune counts every loss and gives a trial up at once. Here Tune gives nobody up (`max_failures=-1`); a loss counts if it
can be the trial's own doing:

- Of a process that simply ends, by a signal or an error of its own, `resources.max_failures` are forgiven.
- A node that dies takes trials with it that have done nothing. It is dead for the trials before Ray says so, so that a
  trial may be sent back to it meanwhile; so what happened on a node is forgotten once that node is known to be dead,
  and no trial is given up before there was time to find out.
- Ray's memory monitor ends processes, the youngest first, when its node has used up its memory, whoever uses it. The
  trial is tried again, later each time. It is out of memory, and is given up, if it held the larger part of what was
  in use OWN_KILLS times, or had no other trial beside it ALONE_KILLS times, without a new epoch in between.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ray.exceptions import OutOfMemoryError

from study import schema
from study.tune.durable import SMALLER, failure_of
from study.tune.ray_internals import ProcessLost

JUDGE_S = 60.0
"""Seconds that a cluster may take to find out that a node is dead."""
OWN_KILLS = 3
ALONE_KILLS = 10
WAIT_S, LONGEST_WAIT_S = 5.0, 120.0
"""Before a trial that the memory monitor ended is tried again: at first, doubled each time, at most."""
KILLED_BY_MEMORY = re.compile(r"low on memory|NODE_OUT_OF_MEMORY")
IN_USE = re.compile(r"was (?P<used>[\d.]+)GB used")
HELD = re.compile(r"actual memory used=(?P<held>[\d.]+)GB")


class Verdict(Enum):
    """What is to be done with a trial that has lost its process."""

    GO_ON = "go on"
    WAIT = "wait"
    GIVE_UP = "give up"


@dataclass
class Losses:
    """Of one trial. Those by memory are since its last new epoch."""

    nodes: list[str | None] = field(default_factory=list)
    """Where the losses that count happened."""
    by_memory: int = 0
    by_own_memory: int = 0
    alone: int = 0
    last: BaseException | None = None
    until: float = 0.0
    """When the trial may be tried again, or judged."""
    judged: bool = False
    """Whether what it waits for is a judgement."""


def by_memory(error: BaseException | None) -> bool:
    """Whether Ray's memory monitor ended the process that was lost."""
    cause = error.cause if isinstance(error, ProcessLost) else error
    return isinstance(cause, OutOfMemoryError) or KILLED_BY_MEMORY.search(str(error)) is not None


def share_of_memory(error: BaseException | None) -> float:
    """Of the memory in use on the node the part that the ended process held, as far as Ray says; else 0."""
    used, held = IN_USE.search(str(error)), HELD.search(str(error))
    return float(held["held"]) / max(float(used["used"]), 1e-9) if used and held else 0.0


class Lives:
    """What is known of the losses of a stage's trials.

    max_failures: losses of its own that each is forgiven. dead_nodes: asks Ray for the nodes known to be dead.
    judge_s: how long that may lag behind; 0 if losses can be judged at once. clock: seconds.
    """

    def __init__(
        self,
        max_failures: int,
        dead_nodes: Callable[[], Iterable[str]],
        judge_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_failures = max_failures
        self.dead_nodes = dead_nodes
        self.judge_s = judge_s
        self.clock = clock
        self._losses: dict[str, Losses] = {}
        self._closed = False

    # Tune pickles schedulers into its snapshot, where nothing of ours is needed
    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __deepcopy__(self, memo: dict[str, Any]) -> Lives:
        return self

    def close(self) -> None:
        """The study stops: processes that end from now on are ended by it, and nobody is judged."""
        self._closed = True

    def went_on(self, trial_id: str) -> None:
        """The trial has reported an epoch that is new."""
        if trial_id in self._losses:
            of_it = self._losses[trial_id]
            of_it.by_memory = of_it.by_own_memory = of_it.alone = 0

    def lost(self, trial_id: str, error: BaseException | None, node: str | None, *, alone: bool) -> Verdict:
        """The trial has lost its process. alone: no other trial was running. `verdict` says more once it waits."""
        if self._closed:
            return Verdict.GO_ON
        of_it = self._losses.setdefault(trial_id, Losses())
        of_it.last, of_it.judged = error, False
        if by_memory(error):
            of_it.by_memory += 1
            of_it.by_own_memory += share_of_memory(error) > 0.5
            of_it.alone += alone
            of_it.until = self.clock() + min(WAIT_S * 2 ** (of_it.by_memory - 1), LONGEST_WAIT_S)
            return Verdict.GIVE_UP if self._out_of_memory(of_it) else Verdict.WAIT
        of_it.nodes.append(node)
        if len(of_it.nodes) <= self.max_failures:
            return Verdict.GO_ON
        of_it.judged, of_it.until = True, self.clock() + self.judge_s
        return self.verdict(trial_id)

    def verdict(self, trial_id: str) -> Verdict:
        """Of a trial that waits."""
        of_it = self._losses[trial_id]
        if of_it.judged:
            dead = set(self.dead_nodes())
            of_it.nodes = [node for node in of_it.nodes if node is None or node not in dead]
            if len(of_it.nodes) <= self.max_failures:
                return Verdict.GO_ON
        if self.clock() < of_it.until:
            return Verdict.WAIT
        return Verdict.GIVE_UP if of_it.judged else Verdict.GO_ON

    @staticmethod
    def _out_of_memory(of_it: Losses) -> bool:
        return of_it.by_own_memory >= OWN_KILLS or of_it.alone >= ALONE_KILLS

    def end_of(self, trial_id: str) -> tuple[str, str] | None:
        """Status and error of a trial that was given up; None for any other."""
        of_it = self._losses.get(trial_id)
        if of_it is None:
            return None
        if self._out_of_memory(of_it):
            times = f"Ray's memory monitor ended its process {of_it.by_memory} times without an epoch in between"
            return schema.OUT_OF_MEMORY, f"{SMALLER} ({times})"
        return failure_of(of_it.last) if len(of_it.nodes) > self.max_failures else None

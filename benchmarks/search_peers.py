"""Searches of other packages on the worlds of `benchmarks.search_strategies`, each in an environment of its own.

`uv run --isolated` makes the environment (their pins clash with ours) and runs the package behind a few lines
(`benchmarks/peers/`), which speak JSON lines. The peer decides what is drawn and who goes on; epochs are counted here
as for every other strategy: a configuration that comes back goes on from its checkpoint. It is told costs on like
scales: 1 - accuracy / 100, and log10(1 + cost) as a share of the largest.
"""

from __future__ import annotations

import atexit
import functools
import json
import math
import os
import shutil
import subprocess
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, IntDistribution

from benchmarks.search_replay import Finished, World
from trainables.vocabulary.errors import UserError

HERE = Path(__file__).parent / "peers"
PACKAGES = {"primo": "neural-pipeline-search==0.17.0", "moasha": "syne-tune==0.16.0"}
"""Peer (its file in benchmarks/peers) -> requirement."""
DRAWS = 200
"""From which a world's parameters are learnt."""


def command(peer: str) -> list[str]:
    """What serves a peer. UserError without uv."""
    if (uv := shutil.which("uv")) is None:
        raise UserError(f"{peer} needs uv, which makes an environment for {PACKAGES[peer]}")
    environment = ("--isolated", "--no-project", "--python", "3.11", "--with", PACKAGES[peer])
    return [uv, "run", "-q", *environment, "python", str(HERE / f"{peer}.py")]


class Peer:
    """A running package: `say(order, ...)` returns its answer. UserError if it cannot be had, or ends."""

    def __init__(self, name: str, argv: Sequence[str]) -> None:
        self.name = name
        environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        atexit.register(self.process.kill)

    def say(self, order: str, **given: Any) -> Any:
        try:
            self.process.stdin.write(json.dumps({order: given}) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise UserError(f"{self.name} ended with code {self.process.wait()}; it is {PACKAGES.get(self.name, '')}")
        return json.loads(answer)


@functools.cache
def served(name: str) -> Peer:
    """The package, started once a process."""
    return Peer(name, command(name))


def space_of(world: World) -> dict[str, dict[str, Any]]:
    """The world's parameters, those that apply to some points included: a peer draws all of them always."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found: dict[str, Any] = {}
    for _ in range(DRAWS):
        trial = study.ask()
        world.draw(trial)
        found.update(trial.distributions)
    return {name: _spec(distribution) for name, distribution in found.items()}


def _spec(distribution: Any) -> dict[str, Any]:
    if isinstance(distribution, CategoricalDistribution):
        return {"choices": list(distribution.choices)}
    whole = isinstance(distribution, IntDistribution)
    return {"low": distribution.low, "high": distribution.high, "log": distribution.log, "whole": whole}


@dataclass
class Job:
    """A trial on a worker: the peer's name of it, and how far it is and goes."""

    trial: str
    point: Hashable
    epoch: int
    until: int


def replay(
    world: World, peer: Peer, budget: int, *, grace: int, eta: int, seed: int, workers: int
) -> Iterator[Finished | None]:
    """As `benchmarks.search_replay.replay`: yields, epoch by epoch, the point that a search finished, or None."""
    largest = math.log10(1 + max(world.cost(point) for point in world.grid()))
    peer.say("start", space=space_of(world), epochs=world.epochs, grace=grace, eta=eta, seed=seed)
    running: list[Job | None] = [None] * workers
    reached: dict[Hashable, int] = {}
    for spent in range(budget):
        slot = spent % workers
        job = running[slot] or _ask(world, peer, reached)
        job.epoch += 1
        reached[job.point] = job.epoch
        accuracy = float(world.curve(job.point)[job.epoch - 1])
        costs = [1 - accuracy / 100, math.log10(1 + world.cost(job.point)) / largest]
        verdict = peer.say("report", trial=job.trial, epoch=job.epoch, costs=costs)
        running[slot] = job if verdict == "go" and job.epoch < job.until else None
        yield (job.point, accuracy) if job.epoch == world.epochs else None


def _ask(world: World, peer: Peer, reached: dict[Hashable, int]) -> Job:
    """What comes back goes on from the epoch that it reached; what was trained that far already starts again."""
    answer = peer.say("ask")
    point = world.draw(optuna.trial.FixedTrial(answer["point"]))
    epoch = reached.get(point, 0)
    return Job(answer["trial"], point, epoch if epoch < answer["until"] else 0, answer["until"])

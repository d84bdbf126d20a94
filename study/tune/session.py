"""Starting or joining a Ray cluster, and how much of it one trial takes."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray import tune

from study import schema
from study.record import machine
from study.settings.config import ResourcesConfig
from study.tune import auth_token, ports, ray_internals
from study.tune.watchdog import Health, LastWords, StartingHealth, Watchdog
from trainables import places

SLOT = "trial_slot"
SETTLE_S = 3.0
"""Seconds that Ray may take to turn out to be gone, after its own errors."""
NO_DASHBOARD = "Ray's dashboard could not be started (dashboard.log in {} says why); the study goes on without."
OBJECT_STORE_BYTES = 256 * 2**20  # trials share data through memory-mapped files, not through Ray
LONGEST_FOLDER = places.SOCKET_BYTES - len("/ray/session_2026-11-27_12-00-00_000000_4194304/sockets/plasma_store.1")
"""Bytes of the path of a folder below which Ray can make its sockets."""
NO_METRICS_PORTS = {"DASHBOARD_METRIC_PORT": "-1", "AUTOSCALER_METRIC_PORT": "-1"}
"""Ports that cannot be: Ray's dashboard and autoscaler note in their logs that they could not open them."""
HANDED_ON = ("RAY_CHDIR_TO_TRIAL_DIR", "KMCLR_CACHE", "PYTHONPATH")
"""Variables that a cluster's workers get too; code of the user's own must lie in the same folder on every node."""
NOT_SHIPPED = ["/results/", "/data/", "/.git/", "/.venv/", "/wandb/", "**/__pycache__/", "/benchmarks/results/"]


@dataclass(frozen=True)
class Share:
    """What one trial takes: CPU cores, GPUs, and (local only) slots; and how many run at once."""

    cpu: float
    gpu: float
    concurrent: int

    def group(self, slots: bool) -> tune.PlacementGroupFactory:
        """The request of one trial. Concurrency is limited by resources: a ConcurrencyLimiter loses actor reuse."""
        bundle = {"CPU": self.cpu, "GPU": self.gpu, **({SLOT: 1} if slots else {})}
        return tune.PlacementGroupFactory([{k: v for k, v in bundle.items() if v}])

    @property
    def threads(self) -> int:
        """Threads of a trial on the CPU."""
        return max(1, int(self.cpu))


def share(wanted: ResourcesConfig, *, cores: float, gpus: float, on_gpu: bool) -> Share:
    """Resolve `resources:` on a machine or cluster with these cores and GPUs.

    Raises UserError if not even one trial fits.
    """
    gpu = wanted.gpu if wanted.gpu is not None else (1.0 if on_gpu else 0.0)
    by_gpu = math.floor(gpus / gpu + 1e-9) if gpu else None
    if by_gpu == 0:
        raise schema.UserError(
            f"resources.gpu: a trial wants {gpu:g} GPUs, {gpus:g} found; lower it, or use --device cpu"
        )
    limits = [limit for limit in (by_gpu, wanted.max_concurrent) if limit is not None]
    at_once = min(limits, default=None)
    cpu = wanted.cpu
    if cpu is None:
        cpu = max(1.0, cores // at_once) if gpu and at_once else 1.0
        if at_once is not None and cpu * at_once > cores:
            cpu = max(0.1, math.floor(10 * cores / at_once) / 10)
    if cpu > cores:
        raise schema.UserError(f"resources.cpu: a trial wants {cpu:g} cores, {cores:g} found; lower it")
    by_cpu = math.floor(cores / cpu + 1e-9)
    return Share(cpu=cpu, gpu=gpu, concurrent=max(1, min([*limits, by_cpu])))


class Keeper(NamedTuple):
    """What a watchdog needs of a study; see `Watchdog`."""

    finish: Callable[[str], None]
    turn: threading.RLock
    last_words: str
    """Said if Ray ends the process while it starts."""


@dataclass
class Session:
    """A Ray connection and what the study may use of it."""

    share: Share
    slots: bool
    dashboard: str | None
    owned: bool
    health: Health
    note: str | None = None
    """What the user should know of the start, one line."""
    watchdog: Watchdog | None = None

    @property
    def group(self) -> tune.PlacementGroupFactory:
        return self.share.group(self.slots)

    def watch(self, keeper: Keeper) -> None:
        """From now on the study ends within seconds if Ray is gone; see `Watchdog`."""
        self.watchdog = Watchdog(
            self.health, keeper.finish, keeper.turn, ours=self.owned and self.health.gcs is None
        ).start()

    def settle(self) -> None:
        """To be called after an unexpected error, before it is told: does not return if Ray is gone."""
        if self.watchdog is not None:
            self.watchdog.settle(SETTLE_S)

    def dead_nodes(self) -> list[str]:
        """Ids of the nodes that Ray knows to be dead. Of a Ray of our own, whose one node must live: see `settle`."""
        if self.health.gcs is None:
            self.settle()
        return [node["NodeID"] for node in ray.nodes() if not node["Alive"]]

    def close(self) -> None:
        """Leave Ray, and end it if it was started here; it is not asked to if it is gone, for it might not answer."""
        if self.watchdog is not None:
            self.watchdog.stop()
        if self.owned and self.health.gone() is None:
            ray.shutdown()


def _check_ray() -> None:
    missing = ray_internals.missing()
    if missing:
        raise schema.UserError(
            f"Ray {ray.__version__} has no {', '.join(missing)}; install a Ray that pyproject.toml allows"
        )


def _init(address: str, **options: Any) -> Any:
    ports.check_address(address)
    try:
        ports.check_answers(address)
        ray_internals.silence()
        with ray_internals.signals_kept():
            return ray.init(address=address, log_to_driver=False, logging_level="ERROR", **options)
    except OSError as error:
        raise schema.UserError(
            f"--address {address}: no Ray cluster answers there ({error}); start one with `ray start --head`, "
            f"or leave --address (and RAY_ADDRESS) away to run on this machine"
        ) from None


def _join(address: str, wanted: ResourcesConfig, on_gpu: bool | None) -> Session:
    worker_env = {k: v for k, v in os.environ.items() if k in HANDED_ON}
    root = str(Path(__file__).resolve().parents[2])
    context = _init(address, runtime_env={"working_dir": root, "excludes": NOT_SHIPPED, "env_vars": worker_env})
    share_of_it = _share_of_cluster(wanted, on_gpu)
    return Session(share_of_it, slots=False, dashboard=context.dashboard_url or None, owned=True, health=_health())


def _health() -> Health:
    """Of the Ray that this process is connected to."""
    if own := ray_internals.own_processes():
        return Health(own)
    raylet = ray_internals.joined_raylet()
    return Health({"raylet": raylet} if raylet else {}, gcs=ray_internals.gcs_address())


def _share_of_cluster(wanted: ResourcesConfig, on_gpu: bool | None) -> Share:
    """A cluster that is not ours has no slots: with max_concurrent, trials take so many cores that no more fit."""
    found = ray.cluster_resources()
    cores, gpus = found.get("CPU", 0), found.get("GPU", 0)
    resolved = share(wanted, cores=cores, gpus=gpus, on_gpu=gpus > 0 if on_gpu is None else on_gpu)
    if wanted.max_concurrent:
        largest_node = max((n["Resources"].get("CPU", 0) for n in ray.nodes() if n["Alive"]), default=cores)
        cpu = min(largest_node, max(resolved.cpu, math.floor(cores / wanted.max_concurrent)))
        resolved = Share(cpu=cpu, gpu=resolved.gpu, concurrent=min(resolved.concurrent, wanted.max_concurrent))
    return resolved


def share_at(address: str, wanted: ResourcesConfig, *, on_gpu: bool | None) -> Share:
    """What one trial would take of the cluster at `address`; nothing is shipped there and nothing stays connected.

    on_gpu: as for `connect`. Raises UserError if no cluster answers, or if not even one trial fits.
    """
    ours = not ray.is_initialized()
    if ours:
        _init(address)
    try:
        return _share_of_cluster(wanted, on_gpu)
    finally:
        if ours:
            ray.shutdown()


def connect(
    wanted: ResourcesConfig,
    *,
    on_gpu: bool | None,
    address: str | None,
    dashboard: bool = True,
    metrics: bool = False,
    keeper: Keeper | None = None,
) -> Session:
    """Join the cluster at `address`, or start one here (all of it on 127.0.0.1), or reuse the running one.

    on_gpu: whether trials train on a GPU; None: if the cluster has one (the driver's machine need not).
    metrics: whether a Ray of our own opens ports for Prometheus. keeper: ends the study if Ray dies, now or later.
    """
    _check_ray()
    session = _connected(wanted, on_gpu, address, dashboard, metrics, keeper)
    if keeper is not None:
        session.watch(keeper)
    return session


def _watched_init(keeper: Keeper, **options: Any) -> Any:
    """ray.init, while a watchdog looks after what has come up; Ray's own errors come late, and tell little."""
    with LastWords(keeper.last_words) as last_words:

        def finish(reason: str) -> None:
            last_words.dismiss()
            keeper.finish(reason)

        with Watchdog(StartingHealth(), finish, keeper.turn, ours=True) as watchdog:
            try:
                return ray.init(**options)
            except Exception:
                watchdog.settle(SETTLE_S)
                raise


def _connected(
    wanted: ResourcesConfig,
    on_gpu: bool | None,
    address: str | None,
    dashboard: bool,
    metrics: bool,
    keeper: Keeper | None,
) -> Session:
    if ray.is_initialized():
        return Session(_share_of_cluster(wanted, on_gpu), slots=False, dashboard=None, owned=False, health=_health())
    if address:
        return _join(address, wanted, on_gpu)
    cores, cards = machine.cores(), len(machine.gpus()) if on_gpu else 0
    resolved = share(wanted, cores=cores, gpus=cards, on_gpu=bool(on_gpu))
    auth_token.provide()
    files = places.private_folder(LONGEST_FOLDER) / "ray"
    ray_internals.silence()
    if not metrics:
        os.environ.update(NO_METRICS_PORTS)
    options: dict[str, Any] = {
        "address": "local",
        "num_cpus": max(1, cores),
        "num_gpus": cards,
        "resources": {SLOT: resolved.concurrent},
        "include_dashboard": None if dashboard else False,  # True: a dashboard that cannot start ends the study
        "dashboard_host": "127.0.0.1",  # its process takes the port, the first free one of 50 from 8265 on
        "log_to_driver": False,
        "logging_level": "CRITICAL" if dashboard else "ERROR",  # its failure is told by `note`, not by its log
        "object_store_memory": OBJECT_STORE_BYTES,
        "_temp_dir": str(files),  # its sockets, logs and files are open to all below it
        # without the second, a first worker that is killed while it starts keeps the driver waiting for ever
        "_system_config": {"enable_metrics_collection": metrics, "prestart_worker_first_driver": False},
    }
    with ray_internals.patience(), ray_internals.on_loopback(), ray_internals.signals_kept():
        context = ray.init(**options) if keeper is None else _watched_init(keeper, **options)
    url = context.dashboard_url or None
    note = NO_DASHBOARD.format(files) if dashboard and url is None else None
    return Session(resolved, slots=True, dashboard=url, owned=True, health=_health(), note=note)

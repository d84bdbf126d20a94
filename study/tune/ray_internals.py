"""Everything of Ray that this project uses and Ray does not promise to keep; `missing` says what a Ray lacks.

Ray gives a node's Python agents 15 s to write down their ports (then the raylet aborts: "Timed out waiting for file
metrics_agent_port") and the node 30 s to come up at all, too little on a busy machine, a cold disk, a laptop; neither
can be set. So `patience` chooses the agents' ports and writes them down before the raylet starts, and stretches the
second limit.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import ray
from pyarrow import fs as arrow
from ray import _raylet, cloudpickle
from ray._private import node, ray_constants, services, state, utils, worker
from ray.air.execution._internal import actor_manager
from ray.exceptions import RayActorError, RayTaskError
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.trainable import metadata
from ray.tune.trainable import trainable as trainable_module

from study.tune.ports import free_port
from study.tune.watchdog import VITAL, RayGone

PATIENCE_S = 180.0
LOSSES = ("_actor_task_failed", "_actor_start_failed")
"""Methods of Tune's actor manager that are told the errors of a trial's process, as `exception`."""
AGENT_PORTS = {
    "metrics_agent_port": "METRICS_AGENT_PORT_NAME",
    "metrics_export_port": "METRICS_EXPORT_PORT_NAME",
    "dashboard_agent_listen_port": "DASHBOARD_AGENT_LISTEN_PORT_NAME",
    "runtime_env_agent_port": "RUNTIME_ENV_AGENT_PORT_NAME",
}
"""Parameters of `start_raylet`, and where Ray keeps the name of the file that holds each."""
NAMES = (
    (_raylet, ("setproctitle", "persist_port", *AGENT_PORTS.values())),
    (services, ("get_node", "start_raylet")),
    (worker, ("print_to_stdstream", "_global_node", "global_worker", "WORKER_MODE")),
    (ray_constants, ("ENABLE_RAY_CLUSTER",)),
    (node.Node, ("is_head", "live_processes", "get_session_dir_path", "raylet_socket_name", "gcs_address")),
    (state, ("actors",)),
    (utils, ("set_sigterm_handler",)),
    (actor_manager.RayActorManager, LOSSES),
    (TuneController, ("_set_trial_status", "stop_trial")),
    (Trial, ("invalidate_json_state",)),
    (metadata._TrainingRunMetadata, ("update_metric", "invalidate_cache")),
    (trainable_module, ("_TrainingResult", "_DICT_CHECKPOINT_FILE_NAME")),
)


KEPT_OF_RESULTS = ("training_iteration", "done", "trial_id", "time_total_s")
LARGE_IN_CONFIG = ("run", "params")
"""Settings of a task that its trial alone needs."""


def missing() -> list[str]:
    """What this file needs and the installed Ray has not, by dotted name; empty if it has all."""
    absent = [f"{module.__name__}.{name}" for module, names in NAMES for name in names if not hasattr(module, name)]
    start = getattr(services, "start_raylet", None)
    taken = inspect.signature(start).parameters if start else ()
    needed = ("session_dir", "node_id", *AGENT_PORTS)
    return absent + [f"start_raylet({parameter})" for parameter in needed if parameter not in taken]


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Within this context a Ray node may take PATIENCE_S to start."""
    os.environ.setdefault("RAY_agent_register_timeout_ms", str(int(PATIENCE_S * 1000)))
    ask, start = services.get_node, services.start_raylet

    def ask_patiently(*arguments: Any, **named: Any) -> Any:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return ask(*arguments, **named)
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def start_with_ports(*arguments: Any, **named: Any) -> Any:
        given = inspect.signature(start).bind(*arguments, **named).arguments
        for name, constant in AGENT_PORTS.items():
            named[name] = given.get(name) or free_port()
            _raylet.persist_port(given["session_dir"], given["node_id"], getattr(_raylet, constant), named[name])
        return start(*arguments, **named)

    services.get_node, services.start_raylet = ask_patiently, start_with_ports
    try:
        yield
    finally:
        services.get_node, services.start_raylet = ask, start


@contextlib.contextmanager
def signals_kept() -> Iterator[None]:
    """Within this context and after it Ray leaves SIGTERM to who has it.

    Its Python handler would end the process with code 15; its C++ part takes the signal below Python's, to print a
    stack and die, so Python's is put back.
    """
    install = utils.set_sigterm_handler
    utils.set_sigterm_handler = lambda handler: None
    try:
        yield
    finally:
        utils.set_sigterm_handler = install
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))


@contextlib.contextmanager
def on_loopback() -> Iterator[None]:
    """Within this context a Ray that starts listens on 127.0.0.1 alone: gcs, raylet, workers, agents and metrics.

    Ray takes the address for a node's by which others reach it, unless it runs where it does not do clusters.
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def silence() -> None:
    """Print none of the notes that Ray publishes of nodes and workers, logs of a dead raylet included."""
    worker.print_to_stdstream = lambda *_, **__: None


# --- this driver's node ---


def own_processes() -> dict[str, psutil.Process]:
    """Of the node that this process has started: its VITAL processes, by name. Empty if it has joined one.

    Raises RayGone if one has ended already.
    """
    own = worker._global_node
    if not own.is_head():
        return {}
    alive = dict(own.live_processes())
    try:
        return {name: psutil.Process(alive[name].pid) for name in VITAL}
    except (KeyError, psutil.Error) as error:
        raise RayGone(
            f"Ray did not come up ({error} has ended); its logs are in {own.get_session_dir_path()}"
        ) from None


def joined_raylet() -> psutil.Process | None:
    """The raylet of this machine that a driver in a cluster talks to; None if it cannot be seen from here."""
    socket_name = worker._global_node.raylet_socket_name
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "raylet" and any(socket_name in word for word in process.info["cmdline"] or ()):
            return process
    return None


def gcs_address() -> str:
    """`host:port` of the gcs that this process is connected to."""
    return worker._global_node.gcs_address


def node_of(error: BaseException | None) -> str | None:
    """Id of the node that ran the actor of an error; None if Ray does not know."""
    actor_id = getattr(error, "actor_id", None)
    found = state.actors(actor_id) if actor_id else {}
    return (found.get("Address") or {}).get("NodeID") or None


# --- Tune's trials that lose their processes ---


class ProcessLost(RayActorError):
    """A trial's process is lost for a reason (`cause`) that Ray tells in another way than of other actors."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(error_msg=str(cause))
        self.cause = cause


@contextlib.contextmanager
def losses_reach_the_trial() -> Iterator[None]:
    """Within this context every error of Ray about a trial's process is that trial's loss; Tune ends the whole run
    for those that it does not know, such as its memory monitor's."""
    manager = actor_manager.RayActorManager
    originals = {name: getattr(manager, name) for name in LOSSES}

    def telling(original: Callable[..., None]) -> Callable[..., None]:
        def tell(self: Any, *, exception: Exception, **whose: Any) -> None:
            known = isinstance(exception, (RayActorError, RayTaskError))
            original(self, exception=exception if known else ProcessLost(exception), **whose)

        return tell

    for name, original in originals.items():
        setattr(manager, name, telling(original))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(manager, name, original)


def hold(controller: Any, trial: Any) -> None:
    """Let a trial that Tune has queued again wait: it goes on when the scheduler chooses it."""
    controller._set_trial_status(trial, Trial.PAUSED)


# --- Tune's trial, as its callbacks are given it ---


def forget_details(trial: Any) -> None:
    """Of a trial that has left its process for good: Tune keeps statistics of all its metrics, the results beside its
    checkpoints and its settings four times, in memory and as JSON text for its snapshots, two hundred kilobytes a
    trial that nothing here reads."""
    kept = trial.run_metadata
    kept.checkpoint_manager = type(kept.checkpoint_manager)(kept.checkpoint_manager.checkpoint_config)
    kept.metric_analysis, kept.metric_n_steps = {}, {}
    kept.last_result = {name: kept.last_result[name] for name in KEPT_OF_RESULTS if name in (kept.last_result or {})}
    trial.config = {name: value for name, value in trial.config.items() if name not in LARGE_IN_CONFIG}
    trial._Trial__unresolved_config, trial.experiment_tag, trial.evaluated_params = trial.config, "", {}
    trial.invalidate_json_state()


def kill_process(trial: Any) -> None:
    """End the process that runs a trial, at once; nothing if there is none."""
    actor = trial.temporary_state.ray_actor
    if actor is not None:
        ray.kill(actor)


def error_of(trial: Any) -> BaseException | None:
    """The last error that Tune noted of a trial, None if it kept none."""
    pickled, text = error_files(trial)
    try:
        if pickled is not None and pickled.exists():
            return cloudpickle.loads(pickled.read_bytes())
        if text is not None and text.exists():
            return RuntimeError(text.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1])
    except Exception as error:  # half written (disk full), or an exception that cannot be unpickled here
        return RuntimeError(f"its error could not be read ({error})")
    return None


def error_files(trial: Any) -> tuple[Path | None, Path | None]:
    """Where on the driver's disk Tune wrote a trial's error: pickled, and as text.

    `Trial.get_pickled_error` reads their copies in the storage, which follow later and so are sometimes not there yet.
    """
    pickled, text = trial.pickled_error_file, trial.error_file
    return pickled and Path(pickled), text and Path(text)


# --- a class Trainable, in its process ---
PICKLED = trainable_module._DICT_CHECKPOINT_FILE_NAME
"""A file that Tune unpickles, and so runs, if it lies in a checkpoint; no trial of ours writes one."""


def set_title(title: str) -> None:
    """Title of this process until the method that Ray calls returns; of a process that is no worker of Ray's none."""
    if worker.global_worker.mode == worker.WORKER_MODE:
        _raylet.setproctitle(title)


def no_checkpoint() -> Any:
    """What a trainable's `save` returns if it has saved nothing."""
    return trainable_module._TrainingResult(checkpoint=None, metrics={})


def filesystem_of(trainable: Any) -> arrow.FileSystem | None:
    """Where its checkpoints go; None without Tune around it."""
    return trainable._storage.storage_filesystem if trainable._storage else None


def checkpoint_index(trainable: Any) -> int:
    """The number of its last checkpoint; -1 before the first, and without Tune around it."""
    return trainable._storage.current_checkpoint_index if trainable._storage else -1


def set_checkpoint_index(trainable: Any, index: int) -> None:
    """Take back the number of a checkpoint that has not come to be: Tune's driver has not counted it either."""
    trainable._storage.current_checkpoint_index = index

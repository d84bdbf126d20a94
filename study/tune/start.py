"""Starting Ray where Ray's own patience is too short: a busy machine, a cold disk, a laptop.

Ray 2.60 gives a node's Python agents 15 s to write down their ports (then the raylet aborts: "Timed out waiting for
file metrics_agent_port") and the node 30 s to come up at all; neither can be set. So the agents' ports are chosen and
written down here before the raylet starts, and the second limit is stretched.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

from ray import _raylet
from ray._private import services

PATIENCE_S = 180.0
AGENT_PORTS = {
    "metrics_agent_port": _raylet.METRICS_AGENT_PORT_NAME,
    "metrics_export_port": _raylet.METRICS_EXPORT_PORT_NAME,
    "dashboard_agent_listen_port": _raylet.DASHBOARD_AGENT_LISTEN_PORT_NAME,
    "runtime_env_agent_port": _raylet.RUNTIME_ENV_AGENT_PORT_NAME,
}


def free_port(first: int = 0) -> int:
    """A free TCP port on this machine: the first from `first` on, or any."""
    for port in range(first, first + 100) if first else [0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("", port))
                return probe.getsockname()[1]
    return first


def check_answers(address: str, timeout_s: float = 10.0) -> None:
    """Raise OSError if `host:port` takes no connection; Ray itself tries for minutes. Others are Ray's affair."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=timeout_s).close()


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
        for name, port_name in AGENT_PORTS.items():
            named[name] = given.get(name) or free_port()
            _raylet.persist_port(given["session_dir"], given["node_id"], port_name, named[name])
        return start(*arguments, **named)

    services.get_node, services.start_raylet = ask_patiently, start_with_ports
    try:
        yield
    finally:
        services.get_node, services.start_raylet = ask, start

"""Starting Ray where Ray's own patience is too short: a busy machine, a cold disk, a laptop.

Ray 2.60 gives a node 15 s to start its Python agents (then the raylet aborts: "Timed out waiting for file
metrics_agent_port") and 30 s to come up at all; neither can be set. The raylet only waits for ports that it was not
given, so the agents' ports are chosen here, and the second limit is stretched.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

from ray._private import parameter, services

PATIENCE_S = 180.0
AGENT_PORTS = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")


def free_port(first: int = 0) -> int:
    """A free TCP port on this machine: the first from `first` on, or any."""
    for port in range(first, first + 100) if first else [0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("", port))
                return probe.getsockname()[1]
    return first


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Within this context a Ray node may take PATIENCE_S to start."""
    os.environ.setdefault("RAY_agent_register_timeout_ms", str(int(PATIENCE_S * 1000)))
    ask, make = services.get_node, parameter.RayParams

    def ask_patiently(*arguments: Any, **named: Any) -> Any:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return ask(*arguments, **named)
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def with_ports(*arguments: Any, **named: Any) -> Any:
        params = make(*arguments, **named)
        for name in AGENT_PORTS:
            if not getattr(params, name):
                setattr(params, name, free_port())
        return params

    services.get_node, parameter.RayParams = ask_patiently, with_ports
    try:
        yield
    finally:
        services.get_node, parameter.RayParams = ask, make

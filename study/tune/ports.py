"""TCP ports: a free one on this machine, and whether anything answers at an address."""

from __future__ import annotations

import contextlib
import random
import socket

QUIET_PORTS = range(20_000, 32_000)
"""Above those of Ray's workers, below those that the system gives to outgoing connections."""


def free_port(first: int = 0) -> int:
    """A free TCP port on this machine: the first from `first` on, or from somewhere in QUIET_PORTS on.

    It is only taken by whoever listens there next, so a port that others are likely to take meanwhile is a bad one.
    """
    first = first or random.SystemRandom().choice(QUIET_PORTS)
    for port in range(first, first + 100):
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

"""TCP ports: a free one on this machine, and whether anything answers at an address."""

from __future__ import annotations

import contextlib
import random
import socket

from trainables.vocabulary.errors import UserError
from trainables.wording import shorten

QUIET_PORTS = range(20_000, 32_000)
"""Above those of Ray's workers, below those that the system gives to outgoing connections."""


def free_port() -> int:
    """A free TCP port on this machine, of QUIET_PORTS, from a random one on.

    It is only taken by whoever listens there next, so a port that others are likely to take meanwhile is a bad one.
    """
    first = random.SystemRandom().choice(QUIET_PORTS)
    for port in range(first, first + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("", port))
                return port
    return first


def check_address(address: str) -> None:
    """Raise UserError for what Ray could not take for a cluster's address: host:port, a URI, or `auto`."""
    host, _, port = address.rpartition(":")
    if address in ("auto", "local") or ("://" in address and not address.startswith("://")):
        return
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 2**16:
        raise UserError(
            f"--address {shorten(address)}: a cluster's address is host:port, for example localhost:6379, or auto for "
            f"the one of this machine"
        )


def check_answers(address: str, timeout_s: float = 10.0) -> None:
    """Raise OSError if `host:port` takes no connection; Ray itself tries for minutes. Others are Ray's affair."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=timeout_s).close()

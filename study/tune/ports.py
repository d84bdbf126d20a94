"""TCP ports: a free one on this machine, and whether anything answers at an address."""

from __future__ import annotations

import socket

from trainables.vocabulary import UserError
from trainables.wording import shorten


def free_port() -> int:
    """A free TCP port on this machine, of the many that the system picks from at random."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


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

"""What a process and those below it listen on."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import urllib.request

import psutil


def listening(pid: int) -> dict[tuple[str, int], str]:
    """(address, port) of each TCP or UDP socket that waits for others -> name of its process. Unix sockets are left
    out: the rights of their folder protect them."""
    found = {}
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            for socket in process.net_connections(kind="inet"):
                if socket.status == psutil.CONN_LISTEN or (socket.status == psutil.CONN_NONE and not socket.raddr):
                    found[socket.laddr.ip, socket.laddr.port] = process.name()
    return found


def elsewhere(pid: int) -> dict[tuple[str, int], str]:
    """Of those, the ones that other machines could reach."""
    return {place: name for place, name in listening(pid).items() if not loopback(place[0])}


def loopback(address: str) -> bool:
    """Whether an address is 127.0.0.0/8, ::1, or the former written as the latter."""
    found = ipaddress.ip_address(address)
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def telling_metrics(pid: int) -> list[int]:
    """Ports of those that answer /metrics to anybody."""
    ports = []
    for _, port in listening(pid):
        with contextlib.suppress(OSError, http.client.HTTPException):  # a refusal, or something else than HTTP
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).close()
            ports.append(port)
    return ports

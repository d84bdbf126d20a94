"""The check of links: what fails it, and that a site out of reach does not."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from study.tune.ports import free_port

LINKS = Path(__file__).resolve().parents[1] / ".ci" / "links"


class Site(http.server.BaseHTTPRequestHandler):
    """Knows one page."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/there" else 404)
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Tell nobody."""


@pytest.fixture
def site():
    """Address of a server on this machine that has `/there` alone."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_lost_page_fails_and_a_site_out_of_reach_is_named(site: str, tmp_path: Path) -> None:
    away = f"http://127.0.0.1:{free_port()}/away"
    (tmp_path / "b.md").write_text("# B\n")
    page = tmp_path / "a.md"
    page.write_text(f"[b](b.md) [there]({site}/there) [away]({away})\n")
    command = [sys.executable, str(LINKS), str(page)]
    calm = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert calm.returncode == 0, calm.stdout + calm.stderr
    assert f": {away}: not checked (ConnectionError)" in calm.stdout
    assert "links: 3 fine, 1 not checked, 0 broken" in calm.stdout
    page.write_text(f"[c](c.md) [gone]({site}/gone) [away]({away})\n")
    lost = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert lost.returncode == 1
    assert ": c.md: " in lost.stdout
    assert f": {site}/gone: 404" in lost.stdout
    assert "links: 1 fine, 1 not checked, 2 broken" in lost.stdout

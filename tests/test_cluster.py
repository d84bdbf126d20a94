"""A study on a real cluster of two nodes on this machine, one of which is killed in the middle."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from study import schema
from tests.helpers.engine_helpers import lines
from tests.test_resume import finish, wait_for_reports

ROOT = Path(__file__).resolve().parents[1]
PATIENT_RAY = (
    "from study.tune.ray_internals import patience\nfrom ray.scripts.scripts import main\nwith patience(): main()"
)
RAY = [
    sys.executable,
    "-c",
    PATIENT_RAY,
    "start",
    "--block",
    "--num-cpus=1",
    "--node-ip-address=127.0.0.1",
    "--disable-usage-stats",
]
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 2}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def node(*arguments: str, log: Path) -> subprocess.Popen:
    environment = {**os.environ, **TOKEN, "FAKE_SECONDS": "0.2", "RAY_CHDIR_TO_TRIAL_DIR": "0"}
    with log.open("w") as file:
        return subprocess.Popen([*RAY, *arguments], cwd=ROOT, env=environment, stdout=file, stderr=file)


def started(*arguments: str, log: Path) -> subprocess.Popen:
    """A node that is up."""
    process = node(*arguments, log=log)
    while "Ray runtime started" not in log.read_text():
        assert process.poll() is None, log.read_text()
        time.sleep(0.2)
    return process


@pytest.fixture
def cluster(tmp_path):
    """(address, process of the second node); what is started here is ended here."""
    port = free_port()
    processes = [started("--head", f"--port={port}", "--include-dashboard=false", log=tmp_path / "1")]
    address = re.search(r"ray start --address='([^']+)'", (tmp_path / "1").read_text())[1]
    try:
        processes.append(started(f"--address={address}", log=tmp_path / "2"))
        yield address, processes[1]
    finally:
        for process in processes:
            process.kill()
            process.wait(30)


@pytest.mark.timeout(600)
def test_study_survives_the_loss_of_a_node(cluster, tmp_path) -> None:
    """A node takes seconds to die, in which a trial may be sent back to it: no life of the trial's is used up."""
    address, second = cluster
    out = tmp_path / "out"
    settings = {"resources": {"max_concurrent": 2, "max_failures": 0}, "scheduler": {"name": "none"}}
    command = [sys.executable, "-m", "tests.helpers.engine_helpers", str(out), "--address", address]
    command += ["--storage", str(tmp_path / "shared"), "--set", json.dumps(settings)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **TOKEN}, text=True, **pipes)
    wait_for_reports(out / "fake", 25, process)
    second.kill()
    code, printed, errors = finish(process, timeout=500)
    assert code == 0, (printed, errors)
    ends, reports = (lines(out / "fake" / name) for name in (schema.TRIALS_FILE, schema.REPORTS_FILE))
    assert {e["trial_id"]: (e["status"], e["epochs"]) for e in ends} == {
        f"search-{number:04d}": (schema.COMPLETED, 9) for number in range(8)
    }
    assert len({(r["trial_id"], r["epoch"]) for r in reports}) == len(reports) == 72
    assert all(e["checkpoint"].startswith(str(tmp_path / "shared")) for e in ends)

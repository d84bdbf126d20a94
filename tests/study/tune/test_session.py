"""How much of a machine or cluster one trial takes, and how Ray is started."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from study.settings.config import ResourcesConfig
from study.tune import session as ray_session
from study.tune.ports import free_port
from study.tune.session import Share, connect, share
from study.tune.watchdog import Health
from tests.helpers.sockets import elsewhere, listening, telling_metrics
from trainables import places

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("wanted", "cores", "gpus", "on_gpu", "expected"),
    [
        ({}, 2, 0, False, Share(1, 0, 2)),
        ({"cpu": 2}, 8, 0, False, Share(2, 0, 4)),
        ({"max_concurrent": 3}, 8, 0, False, Share(1, 0, 3)),
        ({"max_concurrent": 4}, 2, 0, False, Share(0.5, 0, 4)),
        ({}, 16, 1, True, Share(16, 1, 1)),
        ({"gpu": 0.25}, 16, 1, True, Share(4, 0.25, 4)),
        ({"gpu": 0.25, "max_concurrent": 2}, 16, 1, True, Share(8, 0.25, 2)),
        ({"gpu": 0.2}, 4, 1, True, Share(0.8, 0.2, 5)),
        ({"gpu": 0}, 4, 1, True, Share(1, 0, 4)),
    ],
)
def test_share(wanted, cores, gpus, on_gpu, expected) -> None:
    assert share(ResourcesConfig(**wanted), cores=cores, gpus=gpus, on_gpu=on_gpu) == expected


@pytest.mark.parametrize(
    ("wanted", "match"),
    [
        ({"gpu": 2}, r"resources\.gpu: a trial wants 2 GPUs, 1 found; lower it, or use --device cpu"),
        ({"cpu": 5}, r"resources\.cpu: a trial wants 5 cores, 4 found; lower it"),
    ],
)
def test_what_does_not_fit_is_refused(wanted, match) -> None:
    with pytest.raises(ValueError, match=match):
        share(ResourcesConfig(**wanted), cores=4, gpus=1, on_gpu=True)


def test_threads_and_request() -> None:
    assert Share(0.5, 0, 4).threads == 1
    assert Share(3, 0, 4).threads == 3
    assert Share(2, 0.5, 2).group(slots=True).bundles == [{"CPU": 2.0, "GPU": 0.5, "trial_slot": 1.0}]
    assert Share(2, 0, 2).group(slots=False).bundles == [{"CPU": 2.0}]


def test_free_port_passes_over_taken_ones() -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        assert free_port() != taken.getsockname()[1]


@pytest.mark.filterwarnings("ignore")
def test_no_cluster_at_the_address_is_said() -> None:
    with pytest.raises(
        ValueError, match=r"--address 127\.0\.0\.1:1: no Ray cluster answers there .*or leave --address"
    ):
        connect(ResourcesConfig(), on_gpu=False, address="127.0.0.1:1")


@pytest.mark.parametrize(("on_gpu", "gpu"), [(None, 1.0), (True, 1.0), (False, 0.0)])
def test_a_cluster_s_gpus_count_whatever_the_driver_has(monkeypatch: pytest.MonkeyPatch, on_gpu, gpu) -> None:
    monkeypatch.setattr(ray_session, "_health", lambda: Health({}))
    monkeypatch.setattr(ray_session.ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray_session.ray, "cluster_resources", lambda: {"CPU": 32.0, "GPU": 4.0})
    session = connect(ResourcesConfig(), on_gpu=on_gpu, address="auto")
    assert session.share.gpu == gpu
    monkeypatch.setattr(ray_session.ray, "cluster_resources", lambda: {"CPU": 8.0})
    if on_gpu is None:
        assert connect(ResourcesConfig(), on_gpu=None, address="auto").share == Share(1, 0, 8)


CONNECT = """
import sys
from ray._private import ray_constants
from study.settings.config import ResourcesConfig
from study.tune import environment, session
first = int(sys.argv[1])
ray_constants.DEFAULT_DASHBOARD_PORT = first
if first >= 2**16:
    ray_constants.RAY_DASHBOARD_STARTUP_TIMEOUT_S = 5  # it does not end by itself
environment.set_variables(local=True)
made = session.connect(ResourcesConfig(max_concurrent=1), on_gpu=False, address=None)
print("dashboard", made.dashboard, "note", made.note, flush=True)
sys.stdin.readline()
made.close()
"""


def connecting(first_port: int) -> subprocess.Popen:
    """A process that starts Ray, whose dashboard takes the first free port from this one on."""
    return subprocess.Popen(
        [sys.executable, "-c", CONNECT, str(first_port)],
        cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_studies_that_start_together_each_get_a_dashboard() -> None:
    """No port is chosen before the process that takes it is there. All listen on 127.0.0.1; none tells metrics."""
    first = free_port() % 20_000 + 10_000
    both = [connecting(first) for _ in range(2)]
    said = [process.stdout.readline() for process in both]
    open_to_others = [elsewhere(process.pid) for process in both]
    watched = {name for process in both for name in listening(process.pid).values()}
    metrics = [telling_metrics(process.pid) for process in both]
    ends = [process.communicate("\n", timeout=120) for process in both]
    found = [line.split()[1] for line in said]
    assert [process.returncode for process in both] == [0, 0], ends
    assert all(line.endswith("note None\n") for line in said)
    assert len(set(found)) == 2
    assert {int(url.rpartition(":")[2]) - first for url in found} <= set(range(51))
    assert {"gcs_server", "raylet"} <= watched
    assert open_to_others == [{}, {}]
    assert metrics == [[], []]


def test_a_dashboard_that_cannot_start_ends_nothing() -> None:
    process = connecting(70_000)
    said = process.stdout.readline()
    _, errors = process.communicate("\n", timeout=120)
    files = places.private_folder() / "ray"
    assert said == f"dashboard None note {ray_session.NO_DASHBOARD.format(files)}\n", errors
    assert (process.returncode, errors) == (0, "")

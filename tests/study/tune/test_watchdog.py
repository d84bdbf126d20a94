"""Ray's processes die under a study: it ends within seconds, and goes on later as if nothing had been."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

from study import schema
from study.tune import watchdog
from study.tune.ports import free_port
from study.tune.watchdog import Health, StartingHealth, Watchdog
from tests.helpers.engine_helpers import lines, outcome
from tests.test_resume import finish, start, wait_for_reports


@pytest.fixture
def sleeper():
    """A process that does nothing, in the place of one of Ray's."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield psutil.Process(process.pid)
    process.kill()
    process.wait(30)


def until_over(process: psutil.Process) -> None:
    """Until a killed process has ended."""
    while watchdog.running(process) is not None:
        time.sleep(0.01)


def test_a_process_that_died_is_named_even_if_nobody_has_waited_for_it(sleeper) -> None:
    health = Health({"raylet": sleeper})
    assert health.gone() is None
    sleeper.kill()
    until_over(sleeper)
    assert health.gone() == f"Ray's raylet (process {sleeper.pid}) has died"


def test_a_stopped_process_is_gone_after_a_while_unless_it_goes_on(sleeper, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: now[0])
    health = Health({"gcs_server": sleeper})
    sleeper.send_signal(signal.SIGSTOP)
    while sleeper.status() != psutil.STATUS_STOPPED:
        pass
    assert health.gone() is None
    now[0] = watchdog.STOPPED_S + 1
    assert health.gone() == f"Ray's gcs_server (process {sleeper.pid}) has been stopped"
    sleeper.resume()
    while sleeper.status() == psutil.STATUS_STOPPED:
        pass
    assert health.gone() is None
    sleeper.suspend()
    while sleeper.status() != psutil.STATUS_STOPPED:
        pass
    assert health.gone() is None


def test_a_cluster_may_be_silent_for_a_while(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: now[0])
    address = f"127.0.0.1:{free_port()}"
    health = Health({}, gcs=address)
    assert health.gone() is None
    now[0] = watchdog.SILENT_S + 1
    assert health.gone().startswith(f"the Ray cluster at {address} does not answer any more (")
    with socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))):
        assert health.gone() is None
    now[0] += watchdog.SILENT_S
    assert health.gone() is None


def test_a_ray_that_never_comes_up_is_given_up(monkeypatch) -> None:
    health = StartingHealth()
    assert health.gone() is None
    monkeypatch.setattr(watchdog, "START_S", -1.0)
    assert "has not come up" in str(health.gone())


def test_while_ray_starts_what_has_come_up_is_watched(tmp_path) -> None:
    """By the names of the programs. Processes of an earlier Ray do not count."""
    (tmp_path / "raylet").symlink_to(shutil.which("sleep"))
    earlier = subprocess.Popen([tmp_path / "raylet", "600"])
    health = StartingHealth()
    earlier.kill()
    assert health.gone() is None
    raylet = subprocess.Popen([tmp_path / "raylet", "600"])
    while psutil.Process(raylet.pid).name() != "raylet":
        time.sleep(0.01)
    assert health.gone() is None
    raylet.kill()
    until_over(psutil.Process(raylet.pid))
    assert health.gone() == f"Ray's raylet (process {raylet.pid}) has died"
    for process in (earlier, raylet):
        process.wait(30)


def test_nothing_happens_to_a_study_whose_watchdog_has_been_stopped(sleeper) -> None:
    told: list[str] = []
    dog = Watchdog(Health({"raylet": sleeper}), told.append, threading.RLock(), ours=True).start()
    dog.stop()
    sleeper.kill()
    dog.settle(seconds=0.5)
    dog._thread.join(10)
    assert not dog._thread.is_alive()
    assert told == []


ENDING = """
import subprocess, sys, threading, time
import psutil
from study import schema
from study.tune import watchdog
from study.tune.watchdog import Health, Watchdog

def sleep():
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])

def finish(reason):
    print("finished:", reason.partition("(")[0], flush=True)
    if "fails" in sys.argv:
        raise ValueError("a bug")

watchdog.TURN_S = 0.5
turn = threading.RLock()
raylet, worker = sleep(), sleep()
dog = Watchdog(Health({"raylet": psutil.Process(raylet.pid)}), finish, turn, ours=True)
dog.family = {psutil.Process(worker.pid)}
if "hangs" in sys.argv:
    turn.acquire()
dog.start()
raylet.kill()
print(worker.pid, flush=True)
if "errs" in sys.argv:
    dog.settle(600)
    print("not reached")
time.sleep(600)
"""


@pytest.mark.parametrize(("how", "errors"), [("", ""), ("hangs", ""), ("errs", ""), ("fails", "ValueError: a bug")])
def test_the_process_ends_with_its_family_whatever_the_main_thread_does(how, errors) -> None:
    """Also while the main thread holds the turn and hangs, or waits for the end after an error of Ray's."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ENDING), how], text=True, capture_output=True, timeout=60,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    worker, *said = done.stdout.splitlines()
    assert done.returncode == 1
    assert said == ["finished: Ray's raylet "]
    assert done.stderr.strip().splitlines()[-1:] == ([errors] if errors else [])
    with contextlib.suppress(psutil.NoSuchProcess):
        until_over(psutil.Process(int(worker)))


# --- a study, whose Ray is killed ---

CHANGES = {"search": {"trials": 3}, "confirm": {"seeds": [1, 2], "max_points": 1}}
KILLS = (("gcs_server", 2), ("ray::RuntimeEnvAgent", 22))
"""Processes by name, and after how many reports: in the search, and in the confirm stage."""


def kill_one(driver: int, name: str) -> None:
    """Kill the process of this name below the driver, once it is there."""
    while True:
        for process in psutil.Process(driver).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name().startswith(name[:15]):  # as much as the kernel keeps
                    process.kill()
                    return
        time.sleep(0.1)


def test_a_study_whose_ray_dies_ends_at_once_and_goes_on_as_if_undisturbed(tmp_path) -> None:
    """The gcs is killed, then an agent, which takes the raylet along; no trial fails, and how to go on is said."""
    code, _, errors = finish(start(tmp_path / "undisturbed", seconds=0, changes=CHANGES))
    assert (code, errors) == (0, "")
    folder = tmp_path / "killed" / "fake"
    for number, (name, count) in enumerate(KILLS):
        process = start(tmp_path / "killed", seconds=0.2, resume=number > 0, changes=CHANGES)
        wait_for_reports(folder, count, process)
        kill_one(process.pid, name)
        code, _, errors = finish(process, timeout=30)
        gone = "gcs_server" if name == "gcs_server" else "raylet"
        assert code == 1
        assert re.fullmatch(
            rf"Stopped: Ray's {gone} \(process \d+\) has died\. 1 running trial will go on from its last "
            r"checkpoint\. Continue with: python run_study\.py fake\.yaml --resume\n",
            errors,
        )
        assert lines(folder / schema.TRIALS_FILE)[-1]["status"] == schema.INTERRUPTED
        record = json.loads((folder / schema.MANIFEST_FILE).read_text())
        assert record["status"] == "interrupted"
        assert record["sessions"][-1]["reason"].startswith(f"Ray's {gone} ")
    code, _, errors = finish(start(tmp_path / "killed", seconds=0, resume=True, changes=CHANGES))
    assert (code, errors) == (0, "")
    assert outcome(folder) == outcome(tmp_path / "undisturbed" / "fake")


@pytest.mark.parametrize(
    ("ending", "said"), [("os._exit(1)", "go on\n"), ("pass", ""), ("words.dismiss(); os._exit(1)", "")]
)
def test_last_words_are_said_where_the_process_ends_without_its_own(ending: str, said: str) -> None:
    code = f"import os\nfrom study.tune.watchdog import LastWords\nwith LastWords('go on') as words:\n    {ending}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[3], check=False
    )
    assert done.stderr == said

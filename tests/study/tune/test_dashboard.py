"""Ray's dashboard on 127.0.0.1 shows a study: named trials, the study's gauges, and only to who has the token."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from study import schema
from study.record.journal import Journal
from study.record.recorder import Recorder
from study.tune import dashboard
from tests.helpers.engine_helpers import KINDS_OF_OBJECTIVES
from tests.helpers.record_helpers import result, task
from tests.helpers.sockets import elsewhere, listening, telling_metrics
from tests.test_resume import finish, wait_for_reports

pytestmark = pytest.mark.filterwarnings("ignore")
ROOT = Path(__file__).resolve().parents[3]
TOKEN = "fedcba9876543210" * 2
NAME = "search-0000: kmclr k=50 t=0.2 seed=0"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """(address of the dashboard, pid) of a study that runs in a process of its own."""
    out = tmp_path_factory.mktemp("dashboard")
    tracking = {"wandb": "disabled", "prometheus": True}
    settings = {"search": {"trials": 1}, "scheduler": {"name": "none"}, "train": {"epochs": 400}, "tracking": tracking}
    command = [sys.executable, "-u", "-m", "tests.helpers.engine_helpers", str(out), "--dashboard", "--set"]
    command.append(json.dumps(settings))
    environment = {**os.environ, "FAKE_SECONDS": "0.5", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*command, "--name-after-s=0.1"], cwd=ROOT, env=environment, text=True, **pipes)
    try:
        printed = process.stdout.readline() + process.stdout.readline()
        url = re.search(r"http://(127\.0\.0\.1:[0-9]+) \(token: `ray get-auth-token`", printed)
        assert url, (printed, finish(process))
        wait_for_reports(out / "fake", 3, process)
        yield url[1], process.pid
    finally:
        process.terminate()
        finish(process, timeout=60)


def ask(url: str, token: str | None = TOKEN) -> str:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        return answer.read().decode()


def until(check, seconds: float = 90):
    """The first true value of `check()`; None if it never comes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.5)
    return None


def named_actors(address: str) -> dict[str, str]:
    actors = json.loads(ask(f"http://{address}/logical/actors"))["data"]["actors"]
    return {actor["name"]: actor["state"] for actor in actors.values() if actor["name"]}


def test_without_the_token_nothing_is_told(running) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask(f"http://{running[0]}/logical/actors", token=None)


def test_everything_listens_on_this_machine_alone(running) -> None:
    """Trials, name plates and metrics included."""
    workers = {name for name in listening(running[1]).values() if name.startswith("ray::")}
    assert workers - {"ray::DashboardAgent", "ray::RuntimeEnvAgent", "ray::IDLE"} != set()
    assert elsewhere(running[1]) == {}
    assert telling_metrics(running[1]) != []


def test_trials_are_named_actors(running) -> None:
    assert until(lambda: named_actors(running[0]).get(NAME) == "ALIVE")


def test_the_process_of_a_trial_carries_its_name(running) -> None:
    """What `ps` shows, and the dashboard's page of the node."""

    def titles() -> list[str]:
        return [process.cmdline()[0] for process in psutil.Process(running[1]).children(recursive=True)
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE and process.cmdline()]  # fmt: skip

    assert until(lambda: f"ray::FakeTrial {NAME}" in titles()), titles()


def test_gauges_are_exported(running) -> None:
    def metrics() -> dict[str, float]:
        (node,) = json.loads(ask(f"http://{running[0]}/nodes?view=summary"))["data"]["summary"]
        if "ip" not in node:
            return {}  # the node's agent has not reported yet
        port = node["raylet"]["metricsExportPort"]
        text = ask(f"http://{node['ip']}:{port}/metrics")
        rows = re.findall(r"^ray_(kmclr_[a-z_]+)\{[^}]*\} ([0-9.e+-]+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in rows}

    def complete() -> dict[str, float] | None:
        found = metrics()  # exported every few seconds, so it lags behind the journal
        names = ("best_accuracy", "front_size", "hypervolume", "images_per_s", "epochs_done")
        there = all(f"kmclr_{name}" in found for name in names)
        return found if there and found["kmclr_epochs_done"] >= 3 else None

    found = until(complete, 240)
    assert found, metrics()
    assert found["kmclr_images_per_s"] == 1000.0


async def page_text(url: str, wanted: str) -> str:
    """Text of a page, opened with the token's cookie in a headless browser, once it shows `wanted`."""
    import choreographer

    async with choreographer.Browser(headless=True) as browser:
        tab = await browser.create_tab()
        cookie = {"name": "ray-authentication-token", "value": TOKEN, "url": url}
        await tab.send_command("Network.setCookie", cookie)
        await tab.send_command("Page.navigate", {"url": url})
        text = ""
        for _ in range(120):
            answer = await tab.send_command("Runtime.evaluate", {"expression": "document.body.innerText"})
            text = answer["result"]["result"].get("value") or ""
            if wanted in text:
                break
            await asyncio.sleep(0.5)
        return text


@pytest.mark.skipif(not (shutil.which("chromium") or shutil.which("google-chrome")), reason="no browser here")
def test_the_page_shows_the_trial(running) -> None:
    assert until(lambda: NAME in named_actors(running[0]))
    text = asyncio.run(page_text(f"http://{running[0]}/#/actors", NAME))
    assert NAME in text
    assert "ALIVE" in text


# --- what is shown of a study with these objectives, without Ray ---


class FakeGauge:
    """As ray.util.metrics.Gauge, with its value to read."""

    def __init__(self, name: str, description: str) -> None:
        self.name, self.description, self.value = name, description, None

    def set(self, value: float) -> None:
        self.value = value


VOLUMES = {
    # accuracies 70 and 40 % against 0 %; the second trial has half of everything else
    "support": 70 * np.log10((1 + 2**30) / (1 + 10)) + 40 * np.log10((1 + 10) / (1 + 5)),
    "memory": 70 * np.log10((1 + 2**40) / (1 + 2e9)) + 40 * np.log10((1 + 2e9) / (1 + 1e9)),
    "time": 70 * (1.1 * 2 - 2) + 40 * (2 - 1),
}


@pytest.fixture
def two_trials(tmp_path):
    """A recorder with the end of a large trial at 70 %, a small one at 40 %, and one that was stopped."""

    def make(listener_of, objectives):
        recorder = Recorder(Journal(tmp_path), objectives)
        recorder.listeners = [listener_of(recorder.journal)]
        for number, accuracy, size, status in (
            (0, 70.0, 1.0, schema.COMPLETED),
            (1, 40.0, 0.5, schema.COMPLETED),
            (2, 60.0, 0.1, schema.STOPPED),
        ):
            costs = {"support_bytes": 10 * size, "peak_memory_bytes": 2e9 * size, "epoch_s": 2 * size}
            recorder.start(task(number))
            recorder.report(task(number), result(4, accuracy, images_per_s=7.0, **costs))
            recorder.tick()
            recorder.end(task(number), status)
        assert len(recorder.listeners) == 1, "the listener failed"
        return recorder

    return make


@pytest.mark.parametrize("kind", KINDS_OF_OBJECTIVES)
def test_gauges_are_about_the_study_s_own_objectives(two_trials, monkeypatch, kind) -> None:
    monkeypatch.setattr(dashboard, "Gauge", FakeGauge)
    objectives = KINDS_OF_OBJECTIVES[kind]
    recorder = two_trials(lambda journal: dashboard.Gauges(journal, objectives), objectives)
    gauges = recorder.listeners[0].gauges
    again = dashboard.Gauges(recorder.journal, objectives)
    recorder.journal.close()
    values = {name: gauge.value for name, gauge in gauges.items()}
    assert values["kmclr_best_accuracy"] == 70.0
    assert values["kmclr_front_size"] == again.gauges["kmclr_front_size"].value == 2
    assert values["kmclr_hypervolume"] == again.gauges["kmclr_hypervolume"].value
    assert (values["kmclr_images_per_s"], values["kmclr_epochs_done"]) == (7.0, 3)
    if kind in VOLUMES:
        assert values["kmclr_hypervolume"] == pytest.approx(VOLUMES[kind])
    assert all(name in gauges["kmclr_hypervolume"].description for name in objectives)


def test_the_best_of_an_objective_that_is_minimised_is_the_lowest(two_trials, monkeypatch) -> None:
    monkeypatch.setattr(dashboard, "Gauge", FakeGauge)
    objectives = {"epoch_s": "min", "accuracy": "max"}
    recorder = two_trials(lambda journal: dashboard.Gauges(journal, objectives), objectives)
    recorder.journal.close()
    assert recorder.listeners[0].gauges["kmclr_best_epoch_s"].value == 0.2


@pytest.mark.parametrize("kind", KINDS_OF_OBJECTIVES)
def test_a_name_plate_shows_all_objectives(two_trials, monkeypatch, kind) -> None:
    shown = {}
    monkeypatch.setattr(dashboard.ray, "kill", lambda actor: None)
    named = SimpleNamespace(remote=lambda name, line: shown.update({name: line}))
    objectives = KINDS_OF_OBJECTIVES[kind]

    def plates(journal: Journal) -> dashboard.NamePlates:
        made = dashboard.NamePlates(objectives, after_s=0.0)
        made.kind = SimpleNamespace(options=lambda name, namespace: named)
        return made

    two_trials(plates, objectives).journal.close()
    line = shown["search-0000: kmclr k=50 seed=0"]
    assert set(line) == {"epoch", "images_per_s", *objectives}
    assert line["accuracy"] == 70.0

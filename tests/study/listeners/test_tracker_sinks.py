"""W&B asked for online while its server refuses, fails, rejects the key or never answers: the runs go on offline."""

from __future__ import annotations

import http.server
import json
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from study import schema
from study.listeners import tracker as tracking
from study.listeners import tracker_sinks
from study.record.journal import Journal
from study.record.recorder import Recorder
from tests.helpers.engine_helpers import make_study
from tests.helpers.record_helpers import result, task

KEY = "89abcdef0123456789abcdef0123456701234567"
BLOCK, HEADER = 32768, 7


@contextmanager
def answering(status: int) -> Iterator[int]:
    """The port of a server that answers every request with this status."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b'{"errors": [{"message": "not today"}]}')

        do_GET = do_POST

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@contextmanager
def silent(listen: bool) -> Iterator[int]:
    """The port of a socket that takes connections and never answers, or of one that was closed."""
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        if listen:
            ours.listen(64)
        else:
            ours.close()
        yield ours.getsockname()[1] if listen else free_port()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


SERVERS = {
    "refuses": lambda: silent(listen=False),
    "never answers": lambda: silent(listen=True),
    "fails": lambda: answering(500),
    "rejects the key": lambda: answering(401),
}


def history(path: Path) -> list[dict]:
    """The rows that a W&B run file holds: records of W&B's protocol in a log of 32 KiB blocks, as LevelDB writes it."""
    from wandb.proto.wandb_internal_pb2 import Record

    raw, rows, record, at = path.read_bytes(), [], b"", HEADER
    while at + HEADER <= len(raw):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        _, size, kind = struct.unpack("<IHB", raw[at : at + HEADER])
        record += raw[at + HEADER : at + HEADER + size]
        at += HEADER + size
        if kind in (1, 4):  # whole, or the last part
            row = Record.FromString(record)
            if row.WhichOneof("record_type") == "history":
                rows.append({item.key or item.nested_key[0]: json.loads(item.value_json) for item in row.history.item})
            record = b""
    return rows


@pytest.fixture
def at_home(tmp_path, monkeypatch) -> Path:
    """A results folder, and an environment in which W&B finds our key and nothing of this machine's user."""
    for name in ("WANDB_MODE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setattr(tracking, "CHECK_S", 2)
    (tmp_path / "home").mkdir()
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


@pytest.mark.timeout(280)
@pytest.mark.parametrize("server", SERVERS)
def test_runs_go_on_offline(at_home, monkeypatch, server) -> None:
    told: list[str] = []
    study, journal = make_study(tracking={"wandb": "online"}), Journal(at_home)
    recorder = Recorder(journal, study.objectives)
    with SERVERS[server]() as port:
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")
        recorder.listeners = tracking.listeners(study, at_home, journal, say=told.append)
        tracker = recorder.listeners[0]
        for number in (0, 1):
            recorder.start(task(number))
            for epoch in (1, 2):
                recorder.report(task(number), result(epoch, 70.0 + 10 * number + epoch))
        recorder.end(task(0), schema.COMPLETED)
        monkeypatch.setattr(tracking, "PATIENCE_S", 200.0)
        recorder.finish(hurry=False)
        journal.close()
    log = (at_home / tracking.LOG_FILE).read_text()
    assert tracker.process.returncode == 0, log
    assert "Traceback" not in log
    assert len(told) == 1
    assert told[0].startswith(f"W&B: http://127.0.0.1:{port} cannot be used, so runs go on offline (")
    assert told[0].endswith(f"wandb sync {at_home}/wandb/offline-run-*")
    assert log.count("cannot be used") == 1
    runs = {path.stem.removeprefix("run-results-"): history(path) for path in at_home.glob("wandb/*/run-*.wandb")}
    assert set(runs) == {"search-0000", "search-0001", "front"}
    assert not list(at_home.glob("wandb/run-*"))
    for number in (0, 1):
        rows = runs[f"search-000{number}"]
        assert [(r["epoch"], r["accuracy"]) for r in rows] == [(e, 70.0 + 10 * number + e) for e in (1, 2)]
    everything = b"".join(p.read_bytes() for p in at_home.parent.rglob("*") if p.is_file())
    assert KEY.encode() not in everything
    assert KEY not in told[0]


@pytest.mark.timeout(280)
def test_a_hurried_stop_does_not_wait_for_a_server_that_never_answers(at_home, monkeypatch) -> None:
    study, journal = make_study(tracking={"wandb": "online"}), Journal(at_home)
    recorder = Recorder(journal, study.objectives)
    monkeypatch.setattr(tracking, "CHECK_S", 600)
    monkeypatch.setattr(tracking, "HURRY_S", 0.5)
    with silent(listen=True) as port:
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")
        recorder.listeners = tracking.listeners(study, at_home, journal)
        tracker = recorder.listeners[0]
        recorder.start(task(0))
        recorder.finish(hurry=True)
        journal.close()
    assert tracker.process.returncode == -9


class Server:
    """Stands for the wandb module: what `init` does in turn is told by `answers`."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.modes: list[str] = []
        self.runs: list[tuple[str, SimpleNamespace]] = []

    def init(self, *, mode: str, id: str, **_: object) -> SimpleNamespace:
        self.modes.append(mode)
        answer = self.answers.pop(0)
        if answer == "refuse":
            raise ConnectionError("gone")

        def finish(exit_code: int) -> None:
            if answer == "unsent":
                raise TimeoutError("unsent")

        run = SimpleNamespace(finish=finish, summary={})
        self.runs.append((id, run))
        return run

    def Settings(self, **_: object) -> None: ...


def sink_of(server: Server, folder: Path, told: list[str]) -> tracker_sinks.WandbSink:
    settings = {
        "wandb": "offline",
        "folder": str(folder),
        "project": "p",
        "run_id": "r",
        "study": "s",
        "objectives": {},
    }
    sink = tracker_sinks.WandbSink(settings, told.append)
    sink.wandb, sink.mode = server, "online"
    return sink


def test_a_server_lost_in_mid_study(tmp_path) -> None:
    told: list[str] = []
    server = Server("fine", "unsent", "fine")
    sink = sink_of(server, tmp_path, told)
    end = {"status": schema.COMPLETED, "metrics": {}}
    for number in (0, 1, 2):
        sink.start(task(number).config())
        sink.end(f"search-{number:04d}", end)
    assert server.modes == ["online", "online", "offline"]
    assert [t.endswith(f"wandb sync {tmp_path}/wandb/*run-*") for t in told] == [True]


def test_a_run_that_paused_says_in_the_end_what_became_of_it(tmp_path) -> None:
    server = Server("fine", "fine", "fine", "fine")
    sink = sink_of(server, tmp_path, [])
    one, line = task(0), {"status": schema.STOPPED, "stage": "search", "metrics": {"accuracy": 40.0}}
    line |= {name: one.config()[name] for name in ("method", "label", "seed", "params", "point", "baseline")}
    sink.start(one.config())
    sink.pause(one.trial_id)
    assert server.runs[-1][1].summary == {"status": "paused"}
    sink.end(one.trial_id, line)
    assert [name for name, _ in server.runs] == ["r-search-0000"] * 2  # the same run, resumed
    assert server.runs[-1][1].summary == {"status": "stopped", "accuracy": 40.0}
    sink.end(one.trial_id, {**line, "status": schema.COMPLETED})
    assert len(server.runs) == 2
    assert sink.runs == {}


def test_a_server_that_refuses_a_run_leaves_no_empty_run(tmp_path) -> None:
    told: list[str] = []
    (tmp_path / "wandb" / "run-20261125_1-r-search-0000").mkdir(parents=True)
    (tmp_path / "wandb" / "run-20261125_1-r-search-0001").mkdir()
    server = Server("refuse", "fine")
    sink_of(server, tmp_path, told).start(task(0).config())
    assert server.modes == ["online", "offline"]
    assert [p.name for p in (tmp_path / "wandb").iterdir()] == ["run-20261125_1-r-search-0001"]
    assert len(told) == 1


def test_what_wandb_prints_goes_to_the_log_alone(at_home) -> None:
    code = "from study.listeners.tracker_sinks import user_printer\ntell = user_printer()\nprint('noise')\ntell('news')"
    run = subprocess.run([tracking.sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.stdout == "news\n"
    assert "noise" in run.stderr
    assert "news" in run.stderr

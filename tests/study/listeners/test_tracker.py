"""W&B offline and disabled, TensorBoard, and a writer that breaks: the study never notices."""

from __future__ import annotations

import json
import os
import time
from types import SimpleNamespace

import pytest

from study import schema
from study.listeners import tracker as tracking
from study.listeners import tracker_sinks
from study.record.journal import Journal
from study.record.recorder import Recorder
from tests.helpers.engine_helpers import KINDS_OF_OBJECTIVES, make_study
from tests.helpers.record_helpers import result, task
from trainables import dominance

KEY = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("wanted", "environment", "mode"),
    [
        ("auto", {}, "offline"),
        ("auto", {"WANDB_API_KEY": KEY}, "online"),
        ("auto", {"WANDB_API_KEY": KEY, "WANDB_MODE": "offline"}, "offline"),
        ("offline", {"WANDB_API_KEY": KEY}, "offline"),
        ("disabled", {"WANDB_API_KEY": KEY}, "disabled"),
    ],
)
def test_mode(monkeypatch, tmp_path, wanted, environment, mode) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert tracking.wandb_mode(wanted) == mode


def test_logged_in_by_netrc(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not tracking.logged_in()
    path = tmp_path / ".netrc"
    path.write_text(f"machine api.wandb.ai login user password {KEY}\n")
    path.chmod(0o600)
    assert tracking.logged_in()


def test_nothing_is_started_when_disabled(tmp_path) -> None:
    journal = Journal(tmp_path)
    assert tracking.listeners(make_study(), tmp_path, journal) == []
    journal.close()


def test_runs_of_another_start_or_of_a_rehearsal_have_ids_of_their_own(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tracking, "Tracker", lambda settings, *_: settings["run_id"])
    study = make_study(tracking={"wandb": "offline"})

    def run_id(folder: str, began: str) -> str:
        return tracking.listeners(study, tmp_path / folder, None, began)[0]

    assert run_id("k_sweep", "2026-11-25T10:30:59.123+00:00") == "k_sweep-20261125103059"
    assert run_id("k_sweep-rehearsal", "2026-11-25T10:30:59.123+00:00") == "k_sweep-rehearsal-20261125103059"
    assert run_id("k_sweep", "2026-11-26T10:30:59.123+00:00") == "k_sweep-20261126103059"
    assert run_id("k_sweep", "") == "k_sweep"


def track(folder, **settings) -> tuple[Recorder, tracking.Tracker]:
    journal = Journal(folder)
    recorder = Recorder(journal, make_study().objectives)
    recorder.listeners = tracking.listeners(make_study(tracking=settings), folder, journal)
    return recorder, recorder.listeners[0]


def drive(recorder) -> None:
    for number, accuracy in ((0, 70.0), (1, 40.0)):
        recorder.start(task(number))
        for epoch in (1, 2):
            recorder.report(task(number), result(epoch, accuracy + epoch))
    recorder.end(task(0), schema.COMPLETED)


@pytest.mark.timeout(280)
def test_wandb_offline_and_tensorboard(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    recorder, tracker = track(tmp_path, wandb="offline", tensorboard=True)
    drive(recorder)
    monkeypatch.setattr(tracking, "PATIENCE_S", 200.0)
    recorder.finish(hurry=False)
    recorder.journal.close()
    log = (tmp_path / tracking.LOG_FILE).read_text()
    assert tracker.process.returncode == 0, log
    assert "switched off" not in log
    runs = sorted(p.name.split("-", 3)[3] for p in (tmp_path / "wandb").glob("offline-run-*"))
    assert runs == [f"{tmp_path.name}-{name}" for name in ("front", "search-0000", "search-0001")]
    assert {p.name for p in (tmp_path / "tensorboard").iterdir()} == {f"search-000{n} kmclr k=50" for n in (0, 1)}
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard" / "search-0000 kmclr k=50"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("accuracy")] == [(1, 71.0), (2, 72.0)]
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    tags = events.PluginTagToContent("hparams")  # none of the whole study: it would hide other methods' parameters
    assert set(tags) == {"_hparams_/session_start_info", "_hparams_/session_end_info"}
    told = HParamsPluginData.FromString(tags["_hparams_/session_start_info"])
    named = {name: value.WhichOneof("kind") for name, value in told.session_start_info.hparams.items()}
    assert named.items() >= {"method": "string_value", "k": "number_value", "seed": "number_value"}.items()
    assert told.session_start_info.hparams["k"].number_value == 50
    begun = b"".join(path.read_bytes() for path in (tmp_path / "wandb").glob("offline-run-*search-0000/run-*.wandb"))
    assert b"kmclr k=50 (search-0000)" in begun
    everything = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert KEY.encode() not in everything


def test_a_writer_that_hangs_is_ended_in_time(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tracking.sys, "executable", str(tmp_path / "sleeper"))
    (tmp_path / "sleeper").write_text(f"#!{os.path.realpath('/bin/sh')}\nexec sleep 600\n")
    (tmp_path / "sleeper").chmod(0o755)
    recorder, tracker = track(tmp_path, wandb="offline")
    monkeypatch.setattr(tracking, "HURRY_S", 0.2)
    for number in range(300):  # far more than a pipe holds
        recorder.start(task(number, label="x" * 1000))
    recorder.finish(hurry=True)
    recorder.journal.close()
    assert tracker.process.returncode == -9


def test_a_writer_that_dies_is_not_missed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tracking.sys, "executable", "/bin/false")
    recorder, tracker = track(tmp_path, wandb="offline")
    while tracker.process.poll() is None:
        time.sleep(0.01)
    drive(recorder)
    recorder.finish(hurry=False)
    recorder.journal.close()
    assert len(recorder.journal.reports) == 4


def test_a_sink_that_fails_is_switched_off(capsys) -> None:
    class Bad:
        def start(self, task) -> None:
            raise OSError("no network")

    sink = tracker_sinks.SafeSink(Bad, "W&B")
    sink.handle({"event": "start", "task": {}})
    sink.handle({"event": "start", "task": {}})
    said = capsys.readouterr().out
    assert said.count("W&B switched off after an error") == 1
    assert "\nW&B is switched off after an error (OSError: no network); tracking.log in the results folder " in said
    assert tracker_sinks.SafeSink(lambda: 1 / 0, "W&B").sink is None


class FakeWandb:
    """As wandb, with the tables and the summary of its last run to read."""

    Settings = staticmethod(lambda **_: None)

    class Table:
        def __init__(self, columns) -> None:
            self.columns, self.rows = columns, []

        def add_data(self, *row) -> None:
            self.rows.append(dict(zip(self.columns, row, strict=True)))

    def init(self, **options):
        self.name, self.tables, self.summary = options["name"], {}, {}
        log = self.tables.update
        return SimpleNamespace(log=log, summary=self.summary, finish=lambda exit_code: None)


@pytest.mark.parametrize("kind", KINDS_OF_OBJECTIVES)
def test_the_front_run_is_about_the_study_s_own_objectives(tmp_path, kind) -> None:
    def end(trial_id, accuracy, size, status="completed", stage="search"):
        metrics = {"accuracy": accuracy, "support_bytes": size, "peak_memory_bytes": size, "epoch_s": size}
        named = {"trial_id": trial_id, "stage": stage, "status": status, "metrics": metrics}
        return named | {"label": "kmclr", "seed": 0, "epochs": 4, "baseline": False}

    trials = [
        end("a", 60, 10),
        end("b", 50, 20),
        end("c", 40, 1),
        end("d", 99, 1, "stopped"),
        end("e", 99, 1, stage="confirm"),
    ]
    objectives = KINDS_OF_OBJECTIVES[kind]
    settings = {"wandb": "offline", "folder": str(tmp_path), "project": "p", "run_id": "r", "study": "s"}
    sink = tracker_sinks.WandbSink({**settings, "objectives": objectives})
    sink.wandb = fake = FakeWandb()
    sink.finish(trials, hurry=False)
    assert fake.name == "front"
    assert [row["trial_id"] for row in fake.tables["trials"].rows] == ["a", "b", "c", "d", "e"]
    front = [{name: row[name] for name in ("trial_id", *objectives)} for row in fake.tables["front"].rows]
    assert front == [{"trial_id": t["trial_id"]} | {n: t["metrics"][n] for n in objectives} for t in trials[0:3:2]]
    assert set(fake.tables["front"].columns) == {*tracker_sinks.COLUMNS, *objectives}
    assert fake.summary["front_size"] == 2
    assert fake.summary["hypervolume"] == pytest.approx(dominance.front_volume(trials, objectives))


@pytest.mark.parametrize("kind", KINDS_OF_OBJECTIVES)
def test_every_objective_of_a_report_is_tracked(kind) -> None:
    line = {"accuracy": 1, "loss": None, "label": "x", "support_bytes": 2, "peak_memory_bytes": 3.0, "epoch_s": 4.0}
    found = tracker_sinks.numbers(line)
    assert set(KINDS_OF_OBJECTIVES[kind]) <= set(found)
    assert not {"loss", "label"} & set(found)


def test_the_writer_takes_events_from_its_input(tmp_path, monkeypatch) -> None:
    settings = {"wandb": "disabled", "tensorboard": True, "folder": str(tmp_path), "objectives": {"accuracy": "max"}}
    for begun in ("by an earlier version", "now"):
        begin = json.dumps({"event": "start", "task": {**task(0).config(), "trial_id": begun, "label": "a/b"}})
        if begun != "now":
            (tmp_path / "tensorboard" / begun).mkdir(parents=True)
        tracker_sinks.main(settings, [f"{begin}\n", '{"event": "finish", "trials": [], "hurry": true}'])
    assert {path.name for path in (tmp_path / "tensorboard").iterdir()} == {"by an earlier version", "now a_b"}
    assert all(list(path.iterdir()) for path in (tmp_path / "tensorboard").iterdir())

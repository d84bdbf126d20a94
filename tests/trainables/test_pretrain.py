"""Training one run, as a library and as a command: files it leaves, interrupts, resuming, errors of the user."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.foreign_states import FOREIGN, archive, sealed
from tests.helpers.trial_helpers import digits, timeless, tiny
from trainables import checkpoint, pretrain
from trainables.data.dataset import Dataset
from trainables.lines import read_json_lines
from trainables.trial import Trial


def test_pretrain_yields_reports_and_continues_where_it_was_left(tmp_path: Path):
    cfg = tiny("kmclr")
    whole = [timeless(report) for report in pretrain.pretrain(cfg, digits())]
    run = pretrain.pretrain(cfg, digits(), folder=tmp_path)
    first = timeless(next(run))
    run.close()
    rest = [timeless(report) for report in pretrain.pretrain(cfg, digits(), folder=tmp_path, resume=True)]
    assert [first, *rest] == whole
    assert len(checkpoint.in_folder(tmp_path)) == 2


@pytest.fixture
def run_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps(tiny("kmclr").model_dump(mode="json", exclude_defaults=True)))  # JSON is YAML

    def load(_: object, progress: object = None) -> Dataset:
        return digits()

    monkeypatch.setattr(pretrain, "load_dataset", load)
    return path


def test_command_line_trains_resumes_and_reports(run_file: Path, capsys: pytest.CaptureFixture[str]):
    out = run_file.parent / "out"
    arguments = [str(run_file), "--out", str(out)]
    assert pretrain.main(arguments) == 0
    lines = [json.loads(line) for line in (out / "reports.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert {"schema", "stage", "trial_id", "number", "seed", "time", "accuracy"} <= lines[0].keys()
    assert "epoch 3/3" in capsys.readouterr().out
    assert pretrain.main(arguments) == 2
    assert "add --resume" in capsys.readouterr().err
    checkpoint.in_folder(out / "checkpoints")[0].unlink()  # as if killed after epoch 2
    with (out / "reports.jsonl").open("a") as file:
        file.write('{"torn')
    assert pretrain.main([*arguments, "--resume"]) == 0
    again = [json.loads(line) for line in (out / "reports.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in again] == [1, 2, 3]
    assert again[2]["loss"] == lines[2]["loss"]


def test_an_interrupt_at_any_moment_leaves_no_gap_in_the_reports(
    run_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    save = checkpoint.save_rolling

    def interrupted(folder: Path, epoch: int, state: dict[str, Any]) -> None:
        save(folder, epoch, state)
        if epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save_rolling", interrupted)
    out = run_file.parent / "of two words"
    arguments = [str(run_file), "--set", "train.checkpoint_every=1", "--out", str(out)]
    assert pretrain.main(arguments) == 130
    advice = capsys.readouterr().err.split("continue with: ")[1]
    monkeypatch.setattr(checkpoint, "save_rolling", save)
    assert pretrain.main(shlex.split(advice)[3:]) == 0
    assert "continuing after epoch 2" in capsys.readouterr().out
    assert [json.loads(line)["epoch"] for line in (out / "reports.jsonl").read_text().splitlines()] == [1, 2, 3]


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_within_an_epoch_keeps_the_last_finished_one(
    run_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], signum: int, code: int
):
    cfg = tiny("kmclr")
    whole = [timeless(report) for report in pretrain.pretrain(cfg, digits())]
    step = Trial.train_step

    def hit(self: Trial, *arguments: Any) -> Any:
        if self.epoch == 2:
            os.kill(os.getpid(), signum)
        return step(self, *arguments)

    monkeypatch.setattr(Trial, "train_step", hit)
    before = signal.getsignal(signal.SIGTERM)
    asked = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    out = run_file.parent / "out"
    arguments = [str(run_file), "--set", "train.checkpoint_every=100", "--out", str(out)]
    assert pretrain.main(arguments) == code
    signal.signal(signal.SIGINT, asked)
    assert signal.getsignal(signal.SIGTERM) == before
    error = capsys.readouterr().err.strip()
    assert error.startswith("interrupted; continue with: python -m trainables.pretrain ")
    assert len(error.splitlines()) == 1
    assert [path.name for path in checkpoint.in_folder(out / "checkpoints")] == ["epoch_000002.ckpt"]
    monkeypatch.setattr(Trial, "train_step", step)
    assert pretrain.main(shlex.split(error.split("continue with: ")[1])[3:]) == 0
    lines = [json.loads(line) for line in (out / "reports.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in lines] == [report["loss"] for report in whole]


def test_resuming_without_a_checkpoint_says_so_and_starts(run_file: Path, capsys: pytest.CaptureFixture[str]):
    out = run_file.parent / "mistyped"
    assert pretrain.main([str(run_file), "--out", str(out), "--resume"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "no checkpoint to resume from: starting with epoch 1" in printed
    assert "epoch 3/3" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.yaml"], "no such file"),
        (["FILE", "--set", "loss.temprature=1"], "did you mean 'temperature'"),
        (["FILE", "--set", "device=gpu"], "'gpu' is not a device"),
        (["FILE", "--set", "optimizer.warmup_epochs=9"], "must be below train.epochs"),
    ],
)
def test_user_errors_are_one_line_and_exit_2(
    run_file: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    arguments = [str(run_file) if a == "FILE" else a for a in arguments]
    assert pretrain.main([*arguments, "--out", str(run_file.parent / "x")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1


def test_a_fault_of_the_program_keeps_its_traceback(run_file: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(_: object) -> None:
        raise ValueError("shapes do not match")

    monkeypatch.setattr(pretrain.Trial, "run_epoch", broken)
    with pytest.raises(ValueError, match="shapes do not match"):
        pretrain.main([str(run_file), "--out", str(run_file.parent / "x")])


def test_a_folder_that_cannot_be_written_is_the_users(run_file: Path, capsys: pytest.CaptureFixture[str]):
    (run_file.parent / "x").write_text("a file")
    assert pretrain.main([str(run_file), "--out", str(run_file.parent / "x")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_diverged_run_exits_3(run_file: Path, capsys: pytest.CaptureFixture[str]):
    changes = ["optimizer.name=sgd", "optimizer.learning_rate=1e9", "optimizer.warmup_epochs=0"]
    arguments = [part for change in changes for part in ("--set", change)]
    assert pretrain.main([str(run_file), "--out", str(run_file.parent / "x"), *arguments]) == 3
    assert "the training loss is" in capsys.readouterr().err


def interrupted_run(run_file: Path, foreign: int) -> list[str]:
    """The command that resumes a run of three epochs, the last two on disk, of which the newest so many are foreign."""
    out = run_file.parent / "out"
    arguments = [str(run_file), "--out", str(out), "--set", "train.checkpoint_every=1"]
    assert pretrain.main(arguments) == 0
    for path in checkpoint.in_folder(out / "checkpoints")[:foreign]:
        sealed(path, archive(FOREIGN["no optimiser"](checkpoint.read(path))))
    return [*arguments, "--resume"]


def test_a_foreign_checkpoint_falls_back_to_the_one_before_with_a_line(run_file: Path, capsys):
    command = interrupted_run(run_file, 1)
    before = [json.loads(line) for line in (run_file.parent / "out" / "reports.jsonl").read_text("utf-8").splitlines()]
    assert pretrain.main(command) == 0
    said = capsys.readouterr()
    assert re.fullmatch(r"skipped: .*epoch_000003\.ckpt: its content is not what .*\n", said.err)
    assert "continuing after epoch 2" in " ".join(said.out.split())
    after = [json.loads(line) for line in (run_file.parent / "out" / "reports.jsonl").read_text("utf-8").splitlines()]
    assert [line["loss"] for line in after] == [line["loss"] for line in before]


def test_foreign_checkpoints_alone_are_one_line_and_nothing_is_lost(run_file: Path, capsys):
    command = interrupted_run(run_file, 2)
    assert pretrain.main(command) == 2
    error = capsys.readouterr().err
    assert "no usable checkpoint: " in error
    assert "epoch_000003.ckpt" in error
    assert len(error.splitlines()) == 1
    assert len((run_file.parent / "out" / "reports.jsonl").read_text("utf-8").splitlines()) == 3


@pytest.mark.parametrize("line", ['{"schema": 1}', '{"schema": 1, "epoch": "2"}', "[]", "[" * 100_000])
def test_a_foreign_line_of_reports_is_named_and_put_aside(run_file: Path, capsys, line: str):
    command = interrupted_run(run_file, 0)
    path = run_file.parent / "out" / "reports.jsonl"
    before = path.read_bytes()
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    assert pretrain.main(command) == 0
    assert "reports.jsonl:4: this line is not as it was written" in capsys.readouterr().out
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["run.json", "reports.jsonl", "checkpoints"])
def test_a_folder_or_file_in_the_place_of_another_is_one_line(run_file: Path, capsys, name: str):
    out = run_file.parent / "out"
    out.mkdir()
    if name == "checkpoints":
        (out / name).write_bytes(b"")
    else:
        (out / name).mkdir()
    assert pretrain.main([str(run_file), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert name in error
    assert len(error.splitlines()) == 1


KINDS_OF_DAMAGE = {
    "emptied": lambda rows: [],
    "first dropped": lambda rows: rows[1:],
    "one dropped": lambda rows: [rows[0], *rows[2:]],
    "last dropped": lambda rows: rows[:-1],
    "doubled": lambda rows: [*rows[:2], *rows[1:]],
    "changed": lambda rows: [rows[0], rows[1].replace(b"1", b"2", 1), *rows[2:]],
    "not there": None,
}


def said_in(path: Path) -> list[dict[str, Any]]:
    return [{**timeless(line), "time": None} for _, line in read_json_lines(path)]


@pytest.mark.parametrize("kind", KINDS_OF_DAMAGE)
def test_reports_that_are_lost_are_named_and_made_again(run_file: Path, capsys: pytest.CaptureFixture[str], kind: str):
    out = run_file.parent / "out"
    arguments = [str(run_file), "--set", "train.checkpoint_every=1", "--out", str(out)]
    assert pretrain.main(arguments) == 0
    path = out / "reports.jsonl"
    whole = said_in(path)
    rows = path.read_bytes().splitlines(keepends=True)
    if kind == "not there":
        path.unlink()
    else:
        path.write_bytes(b"".join(KINDS_OF_DAMAGE[kind](rows)))
    capsys.readouterr()
    assert pretrain.main([*arguments, "--resume"]) == 0
    printed = capsys.readouterr().out
    assert f"{path}:" in printed
    assert "(out, epoch" in printed
    assert said_in(path) == whole
    assert len(list(out.glob("reports.jsonl.damaged-*"))) == (kind != "not there")
    assert pretrain.main([*arguments, "--resume"]) == 0
    assert "this line is" not in capsys.readouterr().out


def test_a_run_in_a_folder_of_another_name_goes_on(run_file: Path, capsys: pytest.CaptureFixture[str]):
    out = run_file.parent / "out"
    arguments = [str(run_file), "--set", "train.checkpoint_every=1", "--out"]
    assert pretrain.main([*arguments, str(out)]) == 0
    checkpoint.in_folder(out / "checkpoints")[0].unlink()
    out.rename(run_file.parent / "moved")
    assert pretrain.main([*arguments, str(run_file.parent / "moved"), "--resume"]) == 0
    assert "continuing after epoch 2" in capsys.readouterr().out


def test_a_support_set_that_cannot_fit_is_one_line(run_file: Path, capsys):
    changes = ["--set", "support.k=10000000", "--set", "heads.embedding_dim=65536"]
    assert pretrain.main([str(run_file), "--out", str(run_file.parent / "x"), *changes]) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(r"error: out of memory: it needs at least 5\.\d+ TB .*; lower .* the support set\n", error)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("[enforce fail] can't allocate memory: 1 TB\nmore")])
def test_memory_used_up_on_the_way_is_one_line(run_file: Path, capsys, monkeypatch: pytest.MonkeyPatch, error):
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(pretrain.Trial, "run_epoch", fail)
    assert pretrain.main([str(run_file), "--out", str(run_file.parent / "x")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1

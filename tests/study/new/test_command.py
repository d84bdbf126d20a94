"""`run_study.py --new`: from a folder of images to a file that runs as it stands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import run_study
from analysis.report.make import make_report
from study import cost
from study.new import choose, command
from study.new.look import look
from study.settings.loading import load_study
from study.tune import engine
from tests.helpers import without_ray
from tests.helpers.engine_helpers import lines
from tests.study.new.test_look import images
from trainables import linear_eval, pretrain
from trainables.settings.run_file import load_run, without_effect


def speed(epoch_s: float = 0.001, crowding: float = 1.0) -> Callable[..., choose.Speed]:
    """In place of the timing."""
    return lambda choice, device, one_run: choose.Speed(choice.train, epoch_s, 0.001, 2, crowding)


@pytest.fixture
def birds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes that differ in brightness, without a test split; one stands beside them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    generator = np.random.default_rng(0)
    for name, low in {"finch": 0, "wren": 120}.items():
        (tmp_path / "my birds" / name).mkdir(parents=True)
        for i in range(16):
            pixels = generator.integers(low, low + 120, (9, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "my birds" / name / f"{i:02}.png")
    return tmp_path / "my birds"


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine as fast as one wishes, so that nothing is timed."""
    monkeypatch.setattr(command, "measured", speed())


def commands(printed: str) -> list[list[str]]:
    """Those that the last lines give, without how Python is started."""
    lines = printed.split("Go on with:\n")[1].strip().splitlines()
    return [shlex.split(line[max(line.find("run_study.py"), line.find("trainables")) :]) for line in lines]


def test_a_new_study_runs_as_it_stands_to_a_confirmed_front(birds, timed, tmp_path, monkeypatch, capsys):
    assert run_study.main(["--new", "my study.yaml", "--data", "my birds", "--minutes", "0.5", "--device", "cpu"]) == 0
    plan, run = commands(capsys.readouterr().out)
    assert plan == ["run_study.py", "my study.yaml", "--plan"]
    assert run == ["run_study.py", "my study.yaml"]

    text = Path("my study.yaml").read_text()
    first = text.splitlines()[0]
    assert (tmp_path / first.removeprefix("# yaml-language-server: $schema=")).resolve().is_file()
    assert all(
        len(line) <= 120 or line.startswith(("data:", "question:")) or "$schema" in line for line in text.splitlines()
    )
    loaded = load_study("my study.yaml")
    assert loaded.study.name == "my-study"
    assert loaded.study.budget.wall_clock_h == pytest.approx(0.5 / 60, abs=0.001)
    assert loaded.study.space["method"] == ("none", "nnclr", "kmclr")
    assert loaded.study.data.test_share == 0.2
    assert loaded.study.device == "cpu"

    tiny = ["train.epochs=2", "search.trials=4", "confirm.seeds=[1,2]", "confirm.max_points=1", "train.batch_size=8"]
    tiny += ["encoder.width=4", "optimizer.warmup_epochs=0", "probe.few_shot_draws=1", "confirm.linear_epochs=1"]
    tiny += ["budget.wall_clock_h=null", "scheduler.grace_period=1", "tracking.wandb=disabled"]
    monkeypatch.setattr(engine, "run_stage", without_ray.run_stage)
    monkeypatch.setattr(run_study, "report", lambda folder, quiet, *_: make_report([folder], images="none"))
    monkeypatch.setattr("sys.argv", run)
    assert run_study.main([*run[1:], *(word for setting in tiny for word in ("--set", setting))]) == 0
    folder = tmp_path / "results" / "my-study"
    ends = [end for end in lines(folder / "trials.jsonl") if end["stage"] == "confirm"]
    assert {(end["params"]["method"], end["seed"]) for end in ends} == {
        (method, seed) for method in ("none", "nnclr", "kmclr") for seed in (1, 2)
    }
    assert all(end["status"] == "completed" and end["metrics"]["test_few_shot_acc1"] for end in ends)
    assert (folder / "report.html").is_file()


def test_a_new_run_trains_and_is_evaluated(birds, timed, capsys):
    assert run_study.main(["--new", "run.yaml", "--run", "--data", str(birds), "--minutes", "1"]) == 0
    printed = capsys.readouterr().out
    assert "\n  python -m trainables.pretrain run.yaml\n" in printed
    train, evaluate = commands(printed)
    assert load_run("run.yaml").method == "kmclr"
    assert without_effect("run.yaml", [], load_run("run.yaml")) == []
    assert train == ["trainables.pretrain", "run.yaml"]
    assert evaluate == ["trainables.linear_eval", "runs/run"]
    assert pretrain.main([*train[1:], "--set", "train.epochs=2", "--set", "optimizer.warmup_epochs=0"]) == 0
    assert linear_eval.main([*evaluate[1:], "--epochs", "1"]) == 0


def test_the_epoch_that_is_timed_is_of_these_images_on_this_machine(birds, capsys):
    assert run_study.main(["--new", "my.yaml", "--data", str(birds), "--minutes", "6000"]) == 0
    printed = capsys.readouterr().out
    assert re.search(
        r"Found 26 colour images of 2 classes \(the smallest has 13\), 9 pixels, and 6 test images", printed
    )
    study = load_study("my.yaml").study
    assert study.search.trials == choose.LADDER[-1].trials
    assert study.data.image_size == 9


def test_the_plan_of_a_new_study_says_the_time_that_it_was_made_for(birds, monkeypatch):
    found = cost.Cost(0.5, memory_bytes=1, checkpoint_bytes=1, idle_epoch_s=0.2, test_s=2.0)
    monkeypatch.setattr(cost, "measure", lambda *_: found)
    choice = command.fitted(look("my birds"), 10, "cpu", one_run=False)
    assert run_study.main(["--new", "my.yaml", "--data", "my birds", "--device", "cpu"]) == 0
    plan = cost.make_plan(load_study("my.yaml"))
    assert 3600 * plan.hours[0] == pytest.approx(choice.seconds, rel=0.1)
    assert all(need.total < need.limit for need in plan.needs)
    assert len(plan.needs) == 1


def test_nothing_is_overwritten_and_what_cannot_be_written_is_said_first(birds, timed, tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text("mine")
    (tmp_path / "link.yaml").symlink_to("nowhere")
    for name, said in {
        "mine.yaml": "is there already, and is not overwritten",
        "link.yaml": "is there already, and is not overwritten",
        "mine.txt": "the name of a study's file ends in .yaml",
        "no/mine.yaml": "no folder ",
    }.items():
        assert run_study.main(["--new", name, "--data", str(birds)]) == 2
        printed = capsys.readouterr()
        assert said in printed.err
        assert printed.err.count("\n") == 1
        assert printed.out == ""
    assert (tmp_path / "mine.yaml").read_text() == "mine"


def test_a_wrong_folder_or_too_little_time_is_exit_2_and_no_file(birds, tmp_path, monkeypatch, capsys):
    assert run_study.main(["--new", "my.yaml", "--data", str(tmp_path / "nowhere")]) == 2
    assert "--data: no folder" in capsys.readouterr().err
    monkeypatch.setattr(command, "measured", speed(60.0))
    assert run_study.main(["--new", "my.yaml", "--data", str(birds), "--minutes", "2"]) == 2
    least = re.search(r"takes about \d+ minutes on this machine; give --minutes (\d+)", capsys.readouterr().err)
    assert not Path("my.yaml").exists()
    assert run_study.main(["--new", "my.yaml", "--data", str(birds), "--minutes", least[1]]) == 0


def test_a_busy_machine_gets_what_fits_when_it_is_idle_and_is_told(birds, monkeypatch, capsys):
    monkeypatch.setattr(command, "measured", speed(60.0, crowding=1000.0))
    assert run_study.main(["--new", "my.yaml", "--data", str(birds), "--minutes", "3"]) == 0
    assert "if nothing else runs (1000 times as long as busy as it is now)" in capsys.readouterr().out


def test_a_damaged_test_image_is_found_before_the_file_is_written(birds, timed, tmp_path, capsys):
    for name in ("a", "b"):
        images(tmp_path / "split" / "train" / name, 9)
        images(tmp_path / "split" / "test" / name, 2)
    (tmp_path / "split" / "test" / "a" / "0.png").write_bytes(b"")
    assert run_study.main(["--new", "my.yaml", "--data", "split"]) == 2
    assert "test/a/0.png: not an image" in capsys.readouterr().err
    assert not Path("my.yaml").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--new", "x.yaml"], "--new needs --data"),
        (["--data", "x"], "belong to --new FILE"),
        (["x.yaml", "--minutes", "3"], "belong to --new FILE"),
        (["x.yaml", "--new", "y.yaml", "--data", "x", "--plan"], "leave out a study's file, --plan"),
        (["--new", "x.yaml", "--data", "x", "--set", "train.epochs=3"], "leave out --set"),
        (["--new", "x.yaml", "--data", "x", "--minutes", "nan"], "--minutes must be above 0 and at most 100,000"),
        (["--new", "x.yaml", "--data", "x", "--minutes", "0"], "--minutes must be above 0"),
        (["--new", "x.yaml", "--data", "x", "--minutes", "ten"], "invalid float value: 'ten'"),
    ],
)
def test_a_command_line_that_cannot_be_meant(given, said, capsys):
    with pytest.raises(SystemExit, match="2"):
        run_study.main(given)
    assert said in capsys.readouterr().err


def test_names_and_folders_of_any_kind_are_written_so_that_they_are_read_alike(timed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path / "cache"))
    names = ("yes", 'a"b: #c', "vögel 🐦", "-x", "null", "line\nbreak")
    for number, name in enumerate(names):
        for kind in ("a", "b"):
            images(tmp_path / name / kind, 6)
        assert run_study.main([f"--new={name}.yaml", f"--data={name}", "--minutes", "1", "--quiet"]) == 0
        assert load_study(f"{name}.yaml").study.data.root == str(tmp_path / name), number
        assert yaml.safe_load((tmp_path / f"{name}.yaml").read_text())["data"]["root"] == str(tmp_path / name)
    assert Path("-x.yaml").exists()

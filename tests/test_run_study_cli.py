"""The command line: what it decides, what it hands on, its exit codes, and that nobody sees a traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import run_study
from study import cost, plan, runner, schema
from study.record import results_folder
from study.record.lock import FolderLock
from study.schema import UserError
from study.search import scheduling
from study.tune import environment

ROOT = Path(__file__).resolve().parents[1]
K_SWEEP = str(ROOT / "configs" / "k_sweep.yaml")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """The command line on a machine without a GPU, with nothing run: what it asked for is kept."""
    found = SimpleNamespace(runs=[], plans=[], reports=[], code=0, local=[])

    def run(loaded, **options):
        found.runs.append((loaded, options))
        return found.code

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(cost, "has_gpu", lambda: False)
    made = SimpleNamespace(hours=(300.0, 2000.0), hours_range=(280.0, 300.0))
    monkeypatch.setattr(plan, "make_plan", lambda loaded, out: made)
    monkeypatch.setattr(plan, "show", lambda loaded, **_: found.plans.append(loaded.name_on_disk))
    monkeypatch.setattr(runner, "run", run)
    monkeypatch.setattr(run_study, "report", lambda folder, quiet, *_: found.reports.append((str(folder), quiet)))
    monkeypatch.setattr(environment, "set_variables", lambda local: found.local.append(local))
    return found


def _begun(folder: Path) -> None:
    """A folder with a study that can be resumed, as far as the command line looks."""
    folder.mkdir(parents=True)
    for name in ("manifest.json", "study.yaml"):
        (folder / name).write_text("")


# --- what is run ---


def test_without_a_gpu_it_says_how_long_and_rehearses(calls, capsys) -> None:
    assert run_study.main([K_SWEEP]) == 0
    (loaded, options), *_ = calls.runs
    assert (loaded.name_on_disk, loaded.rehearsal) == ("k_sweep-rehearsal", True)
    assert options == {
        "out": "results",
        "resume": False,
        "retry": None,
        "stage": None,
        "quiet": False,
        "address": None,
        "storage": None,
    }
    assert calls.plans == ["k_sweep-rehearsal"]
    assert calls.reports == [("results/k_sweep-rehearsal", False)]
    said = capsys.readouterr().out
    assert "The real study would take 1.7 weeks to 1.8 weeks on this machine" in said
    assert "--device cpu" in said


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["--rehearse"], "k_sweep-rehearsal"),
        (["--device", "cpu"], "k_sweep"),
        (["--set", "device=cpu"], "k_sweep"),
        (["--device", "cpu", "--rehearse"], "k_sweep-rehearsal"),
        (["--address", "auto"], "k_sweep"),
    ],
)
def test_what_is_asked_for_is_run_without_a_word(calls, capsys, arguments: list[str], name: str) -> None:
    assert run_study.main([K_SWEEP, *arguments]) == 0
    assert [loaded.name_on_disk for loaded, _ in calls.runs] == [name]
    assert "No GPU" not in capsys.readouterr().out


def test_with_a_gpu_the_real_study_is_run(calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "has_gpu", lambda: True)
    assert run_study.main([K_SWEEP]) == 0
    assert calls.runs[0][0].name_on_disk == "k_sweep"


def test_ray_address_of_the_environment_counts_as_given(calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert run_study.main([K_SWEEP]) == 0
    loaded, options = calls.runs[0]
    assert (loaded.rehearsal, options["address"]) == (False, "10.0.0.1:6379")
    assert calls.local == [False]


def test_rays_settings_come_before_anything_that_imports_ray(calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "show", lambda loaded, **_: calls.plans.append(list(calls.local)))
    assert run_study.main([K_SWEEP, "--rehearse"]) == 0
    assert calls.plans == [[True]]


def test_options_are_handed_on(calls) -> None:
    _begun(Path("there/k_sweep-rehearsal"))
    arguments = ["--rehearse", "--out", "there", "--resume", "--stage", "confirm", "--quiet", "--storage", "s3://b/c"]
    assert run_study.main([K_SWEEP, *arguments, "--set", "train.epochs=16", "--set", "search.trials=5"]) == 0
    loaded, options = calls.runs[0]
    assert (loaded.study.train.epochs, loaded.study.search.trials) == (16, 5)
    assert (options["out"], options["resume"], options["stage"]) == ("there", True, "confirm")
    assert (options["quiet"], options["storage"]) == (True, "s3://b/c")
    assert calls.plans == [], "quiet and resumed runs print no plan"
    assert calls.reports == [("there/k_sweep-rehearsal", True)]


def test_resume_without_a_gpu_does_not_time_the_machine_again(calls, monkeypatch: pytest.MonkeyPatch) -> None:
    _begun(Path("results/k_sweep-rehearsal"))
    monkeypatch.setattr(plan, "make_plan", lambda loaded, out: pytest.fail("timed"))
    assert run_study.main([K_SWEEP, "--resume"]) == 0
    assert calls.runs[0][0].name_on_disk == "k_sweep-rehearsal"


def test_the_plan_knows_whether_a_run_follows(calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "show", lambda loaded, run_next, **_: calls.plans.append(run_next))
    assert run_study.main([K_SWEEP, "--plan"]) == 0
    assert run_study.main([K_SWEEP, "--rehearse"]) == 0
    assert calls.plans == [False, True]


def test_plan_alone_runs_nothing(calls) -> None:
    assert run_study.main([K_SWEEP, "--plan", "--quiet"]) == 0
    assert (calls.plans, calls.runs, calls.reports) == (["k_sweep-rehearsal"], [], [])


@pytest.mark.parametrize(("there", "reported"), [("k_sweep", "k_sweep"), ("k_sweep-rehearsal", "k_sweep-rehearsal")])
def test_report_alone_takes_the_folder_that_is_there(calls, there: str, reported: str) -> None:
    Path("results", there).mkdir(parents=True)
    assert run_study.main([K_SWEEP, "--stage", "report"]) == 0
    assert (calls.plans, calls.runs, calls.reports) == ([], [], [(f"results/{reported}", False)])


def test_search_alone_makes_no_report(calls) -> None:
    assert run_study.main([K_SWEEP, "--rehearse", "--stage", "search"]) == 0
    assert len(calls.runs) == 1
    assert calls.reports == []


@pytest.mark.parametrize(("status", "reports"), [("finished", 1), ("failed", 0)])
def test_a_report_follows_where_trials_failed_but_not_where_the_study_did(calls, monkeypatch, status, reports) -> None:
    calls.code = 1
    monkeypatch.setattr(schema, "read_manifest", lambda folder: {"status": status})
    assert run_study.main([K_SWEEP, "--rehearse"]) == 1
    assert len(calls.reports) == reports


def test_retry_goes_on_with_the_folder(calls, capsys) -> None:
    _begun(Path("results/k_sweep-rehearsal"))
    assert run_study.main([K_SWEEP, "--rehearse", "--retry", "failed"]) == 0
    (_, options), *_ = calls.runs
    assert (options["resume"], options["retry"]) == (True, "failed")
    assert run_study.main([K_SWEEP, "--rehearse", "--retry", "failed", "--stage", "report"]) == 2
    assert "--retry trains, --stage report does not" in capsys.readouterr().err


@pytest.mark.parametrize("code", [1, 130, 143])
def test_exit_code_of_a_study_that_did_not_finish(calls, code: int) -> None:
    calls.code = code
    assert run_study.main([K_SWEEP, "--rehearse"]) == code
    assert calls.reports == []


# --- what is refused ---


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "space: {tempurature: [1]}\nname: s",
            "s.yaml: space.tempurature is not a known parameter; did you mean",
        ),
        (
            "space: {k: [5, 50]}\nname: s\ntrain: {epochs: many}",
            "s.yaml: train.epochs must be a whole number, got",
        ),
        ("space: {queue_size: [5]}\nname: s", "s.yaml: space.queue_size has no effect: it applies to nnclr"),
        ("", "s.yaml: the file is empty"),
        ("- a", "s.yaml: the top level must be a mapping of settings (key: value), got a list"),
        ("a: [", "s.yaml, line 1, column 5: "),
        (None, "s.yaml: no such file"),
    ],
)
def test_wrong_configs_get_one_line_and_exit_code_2(calls, capsys, content: str | None, message: str) -> None:
    if content is not None:
        Path("s.yaml").write_text(content)
    assert run_study.main(["s.yaml"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"run_study.py: {message}")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [PermissionError(13, "put this right"), ConnectionError("put this right")],
)
def test_errors_of_the_user_from_deeper_down(calls, capsys, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(runner, "run", fail)
    assert run_study.main([K_SWEEP, "--rehearse"]) == 2
    assert "put this right" in capsys.readouterr().err


def test_a_value_error_that_this_project_raises_is_shown_as_one_line(calls, capsys, monkeypatch) -> None:
    monkeypatch.setattr(runner, "run", lambda *_, **__: schema.read_manifest(Path("nowhere")))
    assert run_study.main([K_SWEEP, "--rehearse"]) == 2
    assert capsys.readouterr().err.startswith("run_study.py: nowhere/manifest.json: missing")


def _wrong_shapes(*_, **__) -> None:
    np.zeros(2) + np.zeros(3)


@pytest.mark.parametrize(
    ("fault", "kind", "match"),
    [
        (lambda *_, **__: {}["a bug"], KeyError, "a bug"),
        (lambda *_, **__: int("a bug"), ValueError, "invalid literal"),
        (_wrong_shapes, ValueError, "could not be broadcast"),
        (lambda *_, **__: schema.results_of(), AttributeError, "results_of"),
        (lambda *_, **__: scheduling.rung_epochs(0, 1, 1), ValueError, "rungs need"),
        (lambda *_, **__: results_folder._seconds_between("not a time", ""), ValueError, "Invalid isoformat"),
    ],
)
def test_a_fault_of_ours_keeps_its_traceback(calls, monkeypatch: pytest.MonkeyPatch, fault, kind, match) -> None:
    monkeypatch.setattr(runner, "run", fault)
    with pytest.raises(kind, match=match):
        run_study.main([K_SWEEP, "--rehearse"])


def test_a_user_error_is_one_line_wherever_it_was_raised(calls, capsys, monkeypatch) -> None:
    def fail(*_, **__):
        raise UserError("lower resources.cpu")

    monkeypatch.setattr(runner, "run", fail)
    assert run_study.main([K_SWEEP, "--rehearse"]) == 2
    assert capsys.readouterr().err == "run_study.py: lower resources.cpu\n"


def test_a_folder_that_will_be_refused_is_refused_before_anything_is_timed(calls, capsys, tmp_path: Path) -> None:
    (tmp_path / "results" / "k_sweep-rehearsal" / "ray").mkdir(parents=True)
    assert run_study.main([K_SWEEP]) == 2
    out, err = capsys.readouterr()
    assert (out, calls.plans, calls.runs) == ("", [], [])
    assert err.startswith("run_study.py: results/k_sweep-rehearsal: exists already; continue it with --resume")
    assert run_study.main([K_SWEEP, "--plan"]) == 0  # looking is allowed


@pytest.mark.parametrize("more", [["--plan"], ["--quiet"], ["--resume"], ["--address", "head:6379"]])
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            ["--device", "tpu"],
            "device: 'tpu' is not a device of a study; use auto, cpu or cuda; did you mean 'cpu'[?]\n",
        ),
        (["--set", "device=cuda:1"], "device: 'cuda:1' cannot be chosen in a study, .*; write device: cuda .*\n"),
    ],
)
def test_a_device_that_no_trial_can_have_is_refused_before_anything_starts(calls, capsys, asked, said, more) -> None:
    assert run_study.main([K_SWEEP, *asked, *more]) == 2
    assert (calls.plans, calls.runs) == ([], [])
    assert re.fullmatch(f"run_study.py: {K_SWEEP}: {said}", capsys.readouterr().err)


@pytest.mark.parametrize("out", ["a_file", "/proc/no/folders"])
def test_results_that_cannot_be_written_are_said_in_one_line(tmp_path: Path, out: str) -> None:
    (tmp_path / "a_file").write_text("")
    folder = tmp_path / out / "study"
    with pytest.raises(ValueError, match=r"study: cannot be made or written to \(.*\); choose another --out"):
        FolderLock(folder).__enter__()


def test_interrupted_while_planning(calls, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(plan, "show", stop)
    assert run_study.main([K_SWEEP, "--rehearse"]) == 130


@pytest.mark.parametrize("arguments", [[], [K_SWEEP, "--stage", "x"], [K_SWEEP, "--rehears"], [K_SWEEP, "--nope"]])
def test_bad_arguments_exit_with_2(calls, capsys, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run_study.main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("run_study.py: error: ")


# --- as a program ---


def program(*arguments: str, folder: Path) -> subprocess.CompletedProcess:
    env = {**os.environ, "KMCLR_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(ROOT / "run_study.py"), *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=280)


def test_help_has_examples(tmp_path: Path) -> None:
    done = program("--help", folder=tmp_path)
    assert done.returncode == 0
    assert "examples:" in done.stdout
    assert "exit codes:" in done.stdout
    for option in ("--plan", "--rehearse", "--device", "--set", "--out", "--resume", "--stage", "--quiet", "--address"):
        assert option in done.stdout


def test_plan_as_a_program_trains_nothing_and_leaves_no_folder(tmp_path: Path) -> None:
    done = program(K_SWEEP, "--rehearse", "--plan", "--out", "there", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "k_sweep-rehearsal (a rehearsal)" in done.stdout
    assert "timed now on this machine" in done.stdout
    assert not (tmp_path / "there").exists()


def test_missing_data_names_places_ways_and_the_rehearsal(tmp_path: Path) -> None:
    overrides = ["--set", "data.root=nowhere", "--set", "data.download=false"]
    done = program(K_SWEEP, "--device", "cpu", *overrides, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("run_study.py: cifar100 was not found in ")
    assert "nowhere" in done.stderr
    assert "--rehearse" in done.stderr
    assert "Traceback" not in done.stderr

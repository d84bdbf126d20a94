"""Every benchmark's core in a setting of seconds: it runs, counts right, says what it measured. No timed assertions."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import (
    common,
    epoch_overhead,
    gpu_epoch,
    gpu_session,
    packing,
    rehearsal,
    startup,
    study_throughput,
    support_kernels,
    train_step,
)
from benchmarks.machine import Peaks, measure_peaks
from trainables.settings.config import SupportConfig

CPU = torch.device("cpu")
PEAKS = Peaks(float32=1e11, bfloat16=4e11, copy=1e10)
SMALL: dict[str, Any] = {
    "encoder": {"name": "small_conv", "width": 4},
    "heads": {"projector_hidden": 8, "embedding_dim": 8, "predictor_hidden": 8},
}
TINY = train_step.Setting(device=CPU, batch=8, repeats=2, changes=SMALL)


def test_ratios_are_taken_turn_by_turn_and_scaled_times_keep_their_spread():
    slow, fast = common.Timing([2.0, 6.0, 9.0]), common.Timing([1.0, 2.0, 3.0])
    assert common.ratio(slow, fast).seconds == [2.0, 3.0, 3.0]
    assert slow.per(2).seconds == [1.0, 3.0, 4.5]
    assert common.describe(common.Timing([1.0, 2.0, 3.0]), 1) == "2.0 (1.5-2.5)"


def test_candidates_take_turns_in_both_orders():
    order: list[str] = []
    common.paired({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, repeats=2, warm_up=1)
    assert order == ["a", "b", "a", "b", "b", "a"]


def test_a_result_file_is_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(common, "RESULTS", tmp_path / "results")
    first, second = common.write_result("x", "one"), common.write_result("x", "two")
    assert (first.read_text(), second.read_text()) == ("one\n", "two\n")
    assert second.name == first.stem + "-2.md"


def test_measured_peaks_are_rates():
    peaks = measure_peaks(CPU, side=64, repeats=2)
    assert min(peaks) > 0
    assert peaks.bfloat16 == peaks.float32  # a CPU computes in float32
    assert "GB/s" in peaks.line()


def test_training_steps_of_all_arms_and_lightlys_loop_are_timed_with_full_support_sets():
    arms = {
        "none": {"method": "none"},
        "kmclr k=400": {"method": "kmclr", "support": {"k": 20}},
        "nnclr queue=98,304": {"method": "nnclr", "support": {"queue_size": 30, "queue_dtype": "float16"}},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lightly's
        timings = train_step.measure(TINY, arms)
    assert [len(timing.seconds) for timing in timings.values()] == [2] * 4
    text = train_step.report(TINY, timings)
    assert "| none |" in text
    assert "1.000 (1.000-1.000)" in text
    assert f"| {train_step.LIGHTLY} |" in text


def test_the_flop_count_of_a_step_is_that_of_the_networks():
    flops = gpu_epoch.step_flops(train_step.Setting(device=CPU, encoder="resnet18"), batch=10)
    # 3 x (forward of ResNet-18 at 32x32, 1.11 GFLOP, and of the heads, 0.047 GFLOP less what no gradient is needed for)
    assert flops == pytest.approx(10 * 2 * 3.38e9, rel=0.01)


def test_epochs_are_scaled_from_steps_and_set_against_the_floor():
    cases = [gpu_epoch.Case(8, "none", one_forward) for one_forward in (False, True)]
    timings = gpu_epoch.measure(cases, TINY)
    rows = gpu_epoch.rows_of({cases[0]: common.Timing([2.0])}, TINY, PEAKS)
    flops = gpu_epoch.step_flops(TINY, 8) * 5625  # 45,000 images in batches of 8
    assert rows[0][-2:] == [f"{flops / 4e11:.3f}", f"{100 * flops / 4e11 / 2:.1f} %"]
    text = gpu_epoch.report(timings, TINY, PEAKS)
    assert "convolution" in text  # the profile


def test_the_cases_of_an_epoch_are_eager_alone_on_a_cpu():
    assert {case.compile for case in gpu_epoch.default_cases(False, (64,), ["none", "cuda_graphs"])} == {"none"}
    on_gpu = gpu_epoch.default_cases(True, (64, 256), ["none", "compile", "cuda_graphs"])
    assert len(on_gpu) == len(set(on_gpu)) == 10


def test_support_sets_are_set_against_their_floor():
    kernels = support_kernels.kernels(quick=True)
    assert [kernel.rows for kernel in kernels] == [50, 1024, 1024, 1024]
    queue = support_kernels.Kernel("queue", "queue", SupportConfig(queue_size=1000, queue_dtype="float16"), batch=4)
    assert queue.flops == 2 * 8 * 1000 * 256
    assert queue.floor_s(PEAKS) == pytest.approx(max(2 * 8 * 1000 * 256 / 4e11, 1000 * 512 / 1e10))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lightly's
        rows = [support_kernels.measure(kernel, CPU, PEAKS, repeats=2, calls=1) for kernel in kernels[:2]]
    assert rows[0][-1] == "-"
    assert "queue, 1,024 rows, float32" in support_kernels.report(rows, CPU, PEAKS, 2, 1)


def test_starting_times_are_of_fresh_processes():
    found = startup.measure({"python -c pass": ["-c", "pass"], "run_study.py --help": ["run_study.py", "--help"]}, 1)
    assert all(wall.median > 0 and cpu.median >= 0 for wall, cpu in found.values())
    assert "below 1 s: " in startup.report(found, 1)


def test_the_start_up_benchmark_measures_modules_that_exist():
    modules = [words[1].split()[1].rstrip(";") for words in startup.COMMANDS.values() if "import" in words[-1]]
    assert len(modules) >= 5
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []


def test_a_rehearsals_phases_end_with_the_lines_that_a_study_prints(monkeypatch: pytest.MonkeyPatch):
    lines = [
        (9.0, "The real study would take 2.0 years to 3.0 years on this machine"),
        (11.0, "Stage search: 12 trials\n"),
        (20.0, "Ray dashboard: http://127.0.0.1:8265"),
        (60.0, "Stage confirm: 8 trials"),
        (100.0, "Confirmed: 4 points with 2 seeds"),
    ]
    found = rehearsal.phases(lines, total_s=101.0)
    assert list(found.values()) == [9.0, 2.0, 9.0, 40.0, 40.0, 1.0]
    assert rehearsal.phases(lines[1:], 101.0)["plan"] == 11.0  # a rehearsal that was asked for has no estimate
    text = rehearsal.report([found | {"total": 101.0}, found | {"total": 200.0}], "configs/k_sweep.yaml", cold=True)
    assert "| search | 40 (40-40) |" in text
    assert "below 300 s: met. Wished, below 180 s: missed." in text
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    with pytest.raises(RuntimeError, match=r"exit code 2:\n.*nowhere.yaml: no such file"):
        rehearsal.run_once("configs/nowhere.yaml", cold=False)


def test_the_help_imports_nothing_heavy():
    code = """
import runpy, sys
sys.argv = ["run_study.py", "--help"]
try:
    runpy.run_path("run_study.py", run_name="__main__")
except SystemExit:
    heavy = {"torch", "ray", "optuna", "pandas", "pydantic", "numpy"}
    print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    options = {"cwd": startup.ROOT, "capture_output": True, "text": True, "check": True}
    done = subprocess.run([sys.executable, "-c", code], **options)
    assert done.stderr.strip() == "[]"


@pytest.mark.slow
def test_packed_trials_are_counted_together():
    work = packing.Work("cpu", "small_conv", steps=2, warm_up=1, changes=SMALL)
    cases = [packing.Case(1, 1, 8), packing.Case(2, 1, 8)]
    found = packing.measure(cases, work, repeats=1)
    assert "| 8 | none | 2 | 1 |" in packing.report(found, work, 1)


def test_gains_of_packing_are_against_one_trial_of_the_same_batch():
    work = packing.Work("cpu", "small_conv", steps=2, warm_up=1, changes={})
    found = {packing.Case(1, 1, 8): [100.0], packing.Case(2, 1, 8): [150.0]}
    assert "1.50 (1.50-1.50)" in packing.report(found, work, 1)


def test_trials_without_ray_are_run_one_after_another():
    measured = study_throughput.without_ray(3, 1, more=("data.train_limit=200",))
    assert measured.trials == 3
    assert 0 < measured.epochs_s < measured.total_s


def test_overhead_is_the_time_outside_epochs(tmp_path: Path):
    stamp = "2026-01-01T00:00:{:06.3f}+00:00".format
    reports = [
        {"trial_id": "a", "time": stamp(12), "epoch_s": 2.0},
        {"trial_id": "a", "time": stamp(15), "epoch_s": 2.0},
        {"trial_id": "b", "time": stamp(19), "epoch_s": 3.0},
    ]
    trials = [{"ended": stamp(15.5)}, {"ended": stamp(20)}]
    for name, lines in (("reports.jsonl", reports), ("trials.jsonl", trials)):
        (tmp_path / name).write_text("".join(study_throughput.json.dumps(line) + "\n" for line in lines))
    started = study_throughput._seconds(stamp(4))
    measured = study_throughput.from_folder(tmp_path, started, total=17.0)
    assert measured.start_s == pytest.approx(6.0)
    assert measured.epochs_s == 7.0
    assert measured.gaps_s == pytest.approx([1.0])  # 12 to 13; the other trial has one epoch
    assert measured.overhead_s == pytest.approx((10 - 7) / 2)
    assert "| study |" in study_throughput.report({"study": [measured]}, epochs=1)


def test_an_epochs_overhead_is_reported_against_the_target():
    run = study_throughput.Measured(1, 30.0, 10.0, 18.0, 2.0, [0.1, 0.3, 0.2])
    arm = next(iter(epoch_overhead.ARMS))
    text = epoch_overhead.report({(arm, "auto"): [run]}, epochs=4)
    assert "| 0.200 (0.150-0.250) | 0.300 | 4.50 | 3.2 % | 12.5 % |" in text
    every = epoch_overhead.settings(epoch_overhead.ARMS[arm], "auto")
    study = study_throughput.load([*every, "search.trials=1", "train.epochs=4"]).study
    assert (study.encoder.name, study.heads.embedding_dim, study.train.checkpoint_every) == ("resnet18", 256, "auto")
    assert study.baselines == ({"method": "kmclr", "k": 400},)


@pytest.mark.slow
def test_a_study_through_ray_is_measured():
    measured = study_throughput.with_ray(3, 1, at_once=1, reuse=True, more=("data.train_limit=200",))
    assert measured.trials == 3
    assert measured.total_s > measured.start_s > 0


def test_a_gpu_session_runs_its_parts_in_time_and_says_how_they_ended(tmp_path: Path):
    todo = [
        gpu_session.Part("good", ["-c", "import os; print(os.environ['BENCHMARK_RESULTS'])"], 60),
        gpu_session.Part("bad", ["-c", "raise SystemExit(3)"], 60),
        gpu_session.Part("late", ["-c", "import time; time.sleep(60)"], 1),
    ]
    rows = gpu_session.session(todo, tmp_path)
    assert [row[:2] for row in rows] == [["good", "ok"], ["bad", "exit code 3"], ["late", "over its 1 s"]]
    assert (tmp_path / "good.log").read_text().strip() == str(tmp_path / "results")
    assert gpu_session.session(todo[:1], tmp_path, total_s=1)[0][1] == "left out: no time"
    assert "left out: no time" in (tmp_path / "summary.md").read_text()


ABSENT = (
    "ray",
    "optuna",
    "plotly",
    "kaleido",
    "wandb",
    "lightly",
    "fontTools",
    "torchmetrics",
    "pymoo",
    "pytorch_lightning",
)
"""What a Python with PyTorch and the packages that a GPU session needs does not have."""


def test_a_gpu_session_needs_neither_ray_nor_the_packages_of_search_and_report(tmp_path: Path):
    modules = {part.arguments[1] for part in gpu_session.parts(tmp_path, tmp_path, "cpu")} - {"pytest"}
    assert {"trainables.pretrain", "benchmarks.gpu_epoch", "benchmarks.packing"} <= modules
    modules |= {"trainables.linear_eval", "trainables.data.parquet"}
    files = gpu_session.gpu_tests()
    assert "tests/trainables/test_numerics.py" in files
    assert "tests/trainables/test_tune_adapter.py" not in files
    code = f"""
import importlib, pytest, sys
sys.modules.update(dict.fromkeys({ABSENT!r}))
for name in {sorted(modules)!r}:
    importlib.import_module(name)
sys.exit(pytest.main(["-m", "gpu", "--collect-only", *{files!r}]))
"""
    options = {"cwd": gpu_session.ROOT, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, "-c", code], **options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_a_step_on_a_gpu_never_waits_for_it" in done.stdout


def test_without_lightly_its_columns_are_left_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(support_kernels, "has_lightly", lambda: False)
    kernel = support_kernels.Kernel("queue", "queue", SupportConfig(queue_size=100), batch=4)
    assert support_kernels.measure(kernel, CPU, PEAKS, repeats=2, calls=1)[-1] == "-"
    timings = train_step.measure(TINY, {"none": {"method": "none"}}, lightly=False)
    assert train_step.rows_of(timings, 8)[0][-1] == "-"
    assert "no-such-package not installed" in common.environment(("torch", "no-such-package"))


def test_missing_packages_are_named_and_installed_beside_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    monkeypatch.setattr(gpu_session, "NEEDED", {"absent_one": "absent-one", "torch": "torch"})
    assert gpu_session.missing(tmp_path / "packages") == ["absent-one"]
    with pytest.raises(SystemExit, match="2"):
        gpu_session.main(["--out", str(tmp_path), "--wheels", str(tmp_path), "--only", "epoch"])
    said = " ".join(capsys.readouterr().err.split())
    assert "not installed: absent-one; bring their wheels" in said
    (tmp_path / "packages" / "absent_one").mkdir(parents=True)
    assert gpu_session.missing(tmp_path / "packages") == []
    part = gpu_session.Part("path", ["-c", "import sys; print(sys.path[1])"], 60)
    gpu_session.run_part(part, tmp_path, 60)
    assert (tmp_path / "path.log").read_text().strip() == str(tmp_path / "packages")


def test_the_gpu_sessions_run_is_a_run_that_the_settings_allow(tmp_path: Path):
    from trainables.settings.run_file import load_run

    for data in (None, tmp_path):
        part = next(part for part in gpu_session.parts(tmp_path, data, "cpu") if part.name == "cifar100")
        overrides = [after for flag, after in zip(part.arguments, part.arguments[1:], strict=False) if flag == "--set"]
        cfg = load_run(gpu_session.ROOT / part.arguments[2], overrides)
        assert (cfg.method, cfg.support.k, cfg.train.batch_size, cfg.train.epochs) == ("kmclr", 400, 256, 12)
        assert cfg.data.name == ("digits" if data is None else "parquet")

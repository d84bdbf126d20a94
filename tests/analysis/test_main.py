"""`python -m analysis`: exit codes, one clear line for user errors, and what it must not import."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.__main__ import main
from study import schema
from tests.helpers.synthetic_results import write_results


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_results(tmp_path / "k_sweep", trials=5, epochs=3, confirm_seeds=(), device="cpu")


def test_report_is_made_and_named(folder, capsys):
    assert main([str(folder), "--images", "none"]) == 0
    assert capsys.readouterr().out == f"report: {folder / schema.REPORT_HTML}\n"


def test_out_leaves_the_folder_alone(folder, tmp_path):
    before = sorted(p.name for p in folder.iterdir())
    assert main([str(folder), "--out", str(tmp_path / "there"), "--style", "paper", "--images", "none"]) == 0
    assert (tmp_path / "there" / schema.REPORT_HTML).is_file()
    assert sorted(p.name for p in folder.iterdir()) == before


def test_a_paper_has_its_front_in_one_column_or_both(folder, tmp_path):
    for columns, place in (("1", "table"), ("2", "table*")):
        out = tmp_path / columns
        given = [str(folder), "--out", str(out), "--style", "paper", "--columns", columns, "--images", "none"]
        assert main(given) == 0
        assert f"\\begin{{{place}}}" in (out / "tables" / "front.tex").read_text()


def test_health_is_told_and_nothing_is_written(folder, capsys):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    other = write_results(folder.parent / "other", trials=3, epochs=3, running=1, confirm_seeds=())
    assert main([str(folder), str(other), "--health"]) == 0
    said = capsys.readouterr().out
    assert said.count("Run next: ") == 2
    assert f"Health of {folder.name}" in said
    assert "Health of other" in said
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "error: nowhere: not a folder; give the results folder of a study"),
        (["{folder}", "--style", "poster"], "error: --style: expected one of paper, slides, web, got 'poster'"),
        (["{folder}", "--style", "paper", "--columns", "3"], "error: --columns: expected one of 1, 2, got '3'"),
        (["{folder}", "--columns", "2"], "error: --columns: goes with --style paper, got --style web"),
        (["{folder}", "--x", "price"], "error: --x: expected one of support_bytes, method_bytes, peak_memory_bytes"),
        (["{folder}", "--x", "gpu_hours"], "has no value of it (it ran on a CPU); choose another of"),
        (["{folder}", "--watch", "0"], "error: --watch: expected seconds above 0, got 0"),
        (["{folder}", "--health", "--watch", "9"], "error: --health tells how it is now: leave --watch out"),
        (["nowhere", "--health"], "error: nowhere: not a folder"),
        (["{folder}", "--images", "few"], "error: --images: expected one of main, all, none, got 'few'"),
        (["{folder}", "{folder}"], "k_sweep: given twice"),
    ],
)
def test_user_errors_are_one_line_and_exit_2(folder, capsys, arguments, message):
    assert main([a.format(folder=folder) for a in arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_fault_of_the_program_keeps_its_traceback(folder, monkeypatch, capsys):
    def broken(*_, **__):
        raise ValueError("a bug")

    monkeypatch.setattr("analysis.report.make.make_report", broken)
    with pytest.raises(ValueError, match="a bug"):
        main([str(folder)])
    monkeypatch.setattr("analysis.report.make.make_report", lambda *_, **__: os.close(-1))
    with pytest.raises(OSError, match="Bad file descriptor"):
        main([str(folder)])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "no", "a"), "a: no"),
        (OSError(errno.ENOSPC, "No space left on device"), "[Errno 28] No space left on device"),
    ],
)
def test_what_the_file_system_refuses_is_one_line(folder, monkeypatch, capsys, error, said):
    def refused(*_, **__):
        raise error

    monkeypatch.setattr("analysis.report.make.make_report", refused)
    assert main([str(folder)]) == 2
    assert capsys.readouterr().err == f"error: {said}\n"


def test_a_broken_line_is_named(folder, capsys):
    with (folder / schema.TRIALS_FILE).open("a") as file:
        file.write("not json\n")
    assert main([str(folder)]) == 2
    assert f"error: {folder / schema.TRIALS_FILE}:6: not JSON" in capsys.readouterr().err


def test_module_runs_without_ray_and_torch(folder):
    """In a fresh interpreter where importing either fails."""
    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] in ('ray', 'torch'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from analysis.__main__ import main\n"
        f"sys.exit(main([{str(folder)!r}, '--images', 'none']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    assert "python -m analysis results/k_sweep --style paper" in capsys.readouterr().out


def test_watching_redraws_until_the_study_has_ended(tmp_path, monkeypatch, capsys):
    live = write_results(tmp_path / "live", trials=3, epochs=3, confirm_seeds=(), running=1, device="cpu")
    manifest = live / schema.MANIFEST_FILE
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            manifest.write_text(manifest.read_text().replace('"status": "running"', '"status": "finished"'))

    monkeypatch.setattr("time.sleep", wait)
    assert main([str(live), "--images", "none", "--watch", "30"]) == 0
    assert waits == [30.0, 30.0]
    assert capsys.readouterr().out.count("report: ") == 3
    assert "still running" not in (live / schema.REPORT_HTML).read_text()

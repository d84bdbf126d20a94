"""The programs where the locale is not UTF-8, names of files are no text at all, and the terminal shows ASCII alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.image_files import pixels, png
from tests.helpers.synthetic_results import write_results
from tests.helpers.trial_helpers import tiny

ROOT = Path(__file__).resolve().parents[1]
LOCALES = {
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii:strict"},
    "POSIX": {"LC_ALL": "POSIX"},
    "ASCII terminal": {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "ascii:strict"},
}
ODD = os.fsdecode(b"\xff\xc3")


def run(folder: Path, locale: str, *command: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, **LOCALES[locale], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, timeout=280)


def test_images_of_any_name_are_trained_on(tmp_path: Path) -> None:
    folder = tmp_path / ODD
    for split, count in (("train", 12), ("test", 2)):
        for name in ("ä", "b", ODD):
            (folder / "Käse" / split / name).mkdir(parents=True)
            for number, image in enumerate(pixels(count, size=8)):
                (folder / "Käse" / split / name / f"{ODD}{number}.png").write_bytes(png(image))
    settings = tiny("none", train={"epochs": 1, "batch_size": 8}, optimizer={"warmup_epochs": 0})
    written = settings.model_dump(mode="json", exclude_defaults=True)
    written |= {"data": {"name": "image_folder", "root": "Käse", "validation_per_class": 2, "cache_dir": "cache"}}
    written["probe"] = {"few_shot_labels": 2, "few_shot_draws": 2, "knn_k": 3}
    (folder / "run.yaml").write_text(json.dumps(written, ensure_ascii=False), encoding="utf-8")
    done = run(folder, "C", "-m", "trainables.pretrain", "run.yaml", "--out", "ß")
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
    assert (folder / "ß" / "reports.jsonl").is_file()


@pytest.mark.parametrize("locale", ["POSIX", "ASCII terminal"])
def test_a_folder_of_any_name_is_analysed(tmp_path: Path, locale: str) -> None:
    folder = write_results(tmp_path / ODD, trials=4, epochs=2, confirm_seeds=())
    done = run(tmp_path, locale, "-m", "analysis", str(folder), "--images", "none")
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
    assert r"<h1>\xff\xc3</h1>" in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("program", [("run_study.py",), ("-m", "analysis")])
def test_a_name_that_is_not_there_is_one_line(program: tuple[str, ...]) -> None:
    done = run(ROOT, "C", *program, f"{ODD} ä →")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert rb"\udcff\udcc3" in done.stderr

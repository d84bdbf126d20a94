"""The tutorial, followed to the letter on a few tiny images: each command is run, on smaller files."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import run_study
from analysis.report.make import make_report
from study.new import command as new
from study.new.choose import Speed
from study.settings.loading import load_study
from study.tune import engine
from tests.helpers import without_ray
from trainables.settings.edge import merge

PAGE = Path(__file__).resolve().parents[1] / "docs" / "tutorial.md"
TINY = {
    "device": "cpu",
    "data": {"image_size": 8, "validation_per_class": 2},
    "encoder": {"width": 4},
    "heads": {"projector_hidden": 8, "embedding_dim": 4, "predictor_hidden": 8},
    "train": {"epochs": 2, "batch_size": 8},
    "optimizer": {"warmup_epochs": 0},
    "probe": {"few_shot_draws": 1},
}
"""By which both files are made smaller."""
TINY_STUDY = {
    "search": {"trials": 4},
    "scheduler": {"grace_period": 1},
    "confirm": {"seeds": [1, 2], "max_points": 1, "linear_epochs": 1},
    "budget": {"wall_clock_h": None},
    "tracking": {"wandb": "disabled"},
}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def commands() -> list[list[str]]:
    """Each `uv run ...` of the page, in its order."""
    lines = [line for block in blocks("bash") for line in block.strip().splitlines()]
    assert all(line.startswith("uv run ") for line in lines)
    return [shlex.split(line)[2:] for line in lines]


def write_images(folder: Path) -> None:
    """Two classes that differ in brightness, as the page lays them out."""
    generator = np.random.default_rng(0)
    for split, count in {"train": 14, "test": 4}.items():
        for name, low in {"finch": 0, "wren": 120}.items():
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = generator.integers(low, low + 120, (10, 10, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{i:04}.png")


def make_tiny(path: Path) -> None:
    """A file that `--new` wrote, smaller."""
    content = yaml.safe_load(path.read_text())
    tiny = merge(TINY, TINY_STUDY) if "space" in content else TINY
    path.write_text(yaml.safe_dump(merge(content, tiny), sort_keys=False))


def run(command: list[str]) -> int:
    """In this process: a start of PyTorch costs seconds."""
    if command[0] == "python":
        assert command[1] == "-m"
        more = ["--images", "none"] if command[2] == "analysis" else []  # pictures take a browser, and seconds each
        name = f"{command[2]}.__main__" if (PAGE.parents[1] / command[2].replace(".", "/")).is_dir() else command[2]
        return importlib.import_module(name).main([*command[3:], *more])
    assert command[0] == "run_study.py"
    return run_study.main(command[1:])


def test_the_tutorial_from_images_to_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engine, "run_stage", without_ray.run_stage)
    monkeypatch.setattr(run_study, "report", lambda folder, quiet, *_: make_report([folder], images="none"))
    monkeypatch.setattr(new, "measured", lambda choice, device, one_run: Speed(choice.train, 0.1))
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path / "cache"))
    write_images(tmp_path / "birds")
    (shown,) = blocks("yaml")
    (tmp_path / "shown.yaml").write_text(shown)

    found = commands()
    assert len(found) >= 10
    for command in found:
        monkeypatch.setattr("sys.argv", command)
        assert run(command) == 0, " ".join(command)
        if "--new" in command:
            make_tiny(Path(command[2]))

    assert set(load_study("shown.yaml").study.space) == set(load_study("birds.yaml").study.space)
    for made in ("results/birds/report.html", "birds-paper/tables/front.tex", "birds-time/report.html"):
        assert (tmp_path / made).exists(), made
    assert any((tmp_path / "birds-paper" / "figures").glob("pareto*"))
    assert any((tmp_path / "runs" / "birds-run").iterdir())

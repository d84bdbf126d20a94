"""Folders made by an earlier version (b996839, before the house was redesigned) are analysed and resumed.

`earlier/before.tar.xz` holds one study of five trials on digits three times: `finished`; `stopped` by Ctrl-C in its
fourth trial; `killed` (-9) in its third, which the storage of Optuna alone knew. Pictures and old checkpoints are left
out.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pandas as pd
import pytest

import run_study
from analysis.report.make import make_report
from analysis.results.load import load

ARCHIVE = Path(__file__).parent / "earlier" / "before.tar.xz"
EPOCHS = 12


@pytest.fixture
def out(tmp_path: Path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def lines(path: Path) -> list[dict]:
    return [json.loads(text) for text in path.read_text().splitlines()]


def test_a_finished_folder_is_analysed(out: Path) -> None:
    found = load(out / "finished")
    assert found.trials.groupby("stage")["trial_id"].count().to_dict() == {"search": 5, "confirm": 4}
    page = make_report([out / "finished"], images="none", progress=lambda text: None)
    front = pd.read_csv(page.parent / "tables" / "front.csv")
    assert front["y"].round(2).tolist() == [68.75, 69.72]
    assert "kmclr" in page.read_text()


@pytest.mark.parametrize(("name", "cut"), [("killed", "search-0002"), ("stopped", "search-0003")])
def test_an_interrupted_folder_is_resumed(out: Path, name: str, cut: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial that was cut goes on with its own values from its checkpoint; nothing is drawn or trained twice."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    folder = (out / name).rename(out / "before")
    earlier = lines(folder / "reports.jsonl")
    kept = [line for line in earlier if line["trial_id"] == cut]
    assert 0 < len(kept) < EPOCHS
    command = [str(folder / "study.yaml"), "--out", str(out), "--resume", "--stage", "search", "--quiet"]
    assert run_study.main(command) == 0
    ends = {e["trial_id"]: e for e in lines(folder / "trials.jsonl") if e["status"] != "interrupted"}
    assert {e["status"] for e in ends.values()} == {"completed"}
    assert sorted(ends) == [f"search-{number:04d}" for number in range(5)]
    reports = lines(folder / "reports.jsonl")
    assert reports[: len(earlier)] == earlier
    for trial_id in ends:
        assert [r["epoch"] for r in reports if r["trial_id"] == trial_id] == list(range(1, EPOCHS + 1))
    assert [ends[f"search-{number:04d}"]["label"] for number in (2, 3)] == ["nnclr queue=64", "nnclr queue=128"]

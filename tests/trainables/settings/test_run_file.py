"""A run's file: settings that it gives although they change nothing are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.trial_helpers import tiny
from trainables import pretrain
from trainables.settings import run_file

LEAST = "data: {name: digits}\n"


def notes(tmp_path: Path, text: str, *overrides: str) -> list[str]:
    path = tmp_path / "run.yaml"
    path.write_text(LEAST + text)
    return run_file.without_effect(path, overrides, run_file.load_run(path, overrides))


@pytest.mark.parametrize(
    ("text", "overrides", "wanted"),
    [
        ("method: nnclr\nsupport: {k: 50}", (), ["support.k has no effect in this run: it needs method=kmclr"]),
        ("method: nnclr\nsupport: {queue_size: 50}", (), []),
        ("", ("support.half_life=9",), ["support.half_life has no effect in this run: it needs method=kmclr and "
                                        "support.update=ema"]),
        ("support: {update: ema}", ("support.half_life=9",), []),
        ("support: {update: ema, forget_every: 3}", (), ["support.forget_every has no effect in this run: it needs "
                                                         "method=kmclr and support.update=count"]),
        ("positives: {top_k: 9}", (), ["positives.top_k has no effect in this run: it needs method=kmclr or nnclr and "
                                       "positives.kind=topk or soft"]),
        ("positives: {momentum: 0.9}", (), ["positives.momentum has no effect in this run: it needs method=byol or "
                                            "resa or positives.momentum_encoder=true"]),
        ("positives: {momentum: 0.9}", ("positives.momentum_encoder=true",), []),
        ("method: byol\npositives: {momentum: 0.9}", (), []),
        ("optimizer: {lars_eta: 0.1}", ("optimizer.name=sgd",), ["optimizer.lars_eta has no effect in this run: it "
                                                                "needs optimizer.name=lars"]),
        ("method: simclr\npreset: seed", (), []),  # a preset's settings are for all methods
    ],
)  # fmt: skip
def test_a_setting_that_changes_nothing_is_named(tmp_path: Path, text: str, overrides: tuple, wanted: list[str]):
    assert notes(tmp_path, text, *overrides) == wanted


def test_the_command_line_says_it_before_it_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "run.yaml"
    path.write_text(tiny("none", train={"epochs": 2}).model_dump_json(exclude_defaults=True))  # JSON is YAML
    changes = ["--set", f"data.cache_dir={tmp_path}", "--set", "support.queue_size=9"]
    assert pretrain.main([str(path), "--out", str(tmp_path / "out"), *changes]) == 0
    printed = capsys.readouterr().out.split("epoch 1/2")[0].splitlines()
    assert "note: support.queue_size has no effect in this run: it needs method=nnclr" in printed

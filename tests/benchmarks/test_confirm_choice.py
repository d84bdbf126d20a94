"""The benchmark of the confirm stage: luck is seen where there is noise, none where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import common, confirm_choice
from benchmarks.confirm_choice import Architecture, Table


def known(noise: float) -> Table:
    """200 architectures: the more convolutions, the larger and the better."""
    generator = np.random.default_rng(0)
    found = {}
    while len(found) < 200:
        name = "".join(map(str, generator.integers(0, 5, 6)))
        weight = sum(int(digit) in (2, 3) for digit in name)
        accuracies = 40 + 5 * weight + noise * generator.standard_normal(3)
        found[name] = Architecture(accuracies, 1000.0 * 2**weight)
    return found


def test_without_noise_confirming_moves_nothing_and_the_front_is_found() -> None:
    found = confirm_choice.measured(known(0.0), trials=150, points=8, seed=0)
    assert found["observed"][:2] == (pytest.approx(1.0), pytest.approx(0.0))
    assert found["model"][1] == pytest.approx(0.0)


def test_confirming_takes_luck_off_where_seeds_differ() -> None:
    rows = [confirm_choice.measured(known(3.0), trials=60, points=8, seed=seed) for seed in range(4)]
    moved = {choice: np.mean([row[choice][1] for row in rows]) for choice in confirm_choice.CHOICES}
    assert moved["observed"] > 1.0
    assert 0 < moved["model"] <= moved["observed"] + 1e-9


def test_the_command_writes_both_choices_and_their_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(common, "RESULTS", tmp_path)
    monkeypatch.setattr(confirm_choice, "load", lambda dataset: known(1.0))
    confirm_choice.main(["--searches", "2", "--trials", "30", "--first-seed", "5"])
    assert "n = 2 searches from seed 5, 30 trials each" in capsys.readouterr().out
    (written,) = tmp_path.iterdir()
    text = written.read_text()
    assert all(f"| {name} |" in text for name in (*confirm_choice.CHOICES, "model minus observed"))


def test_the_table_is_the_packages_or_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirm_choice.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="install it with: uv sync --group search-bench"):
        confirm_choice.load("cifar100")

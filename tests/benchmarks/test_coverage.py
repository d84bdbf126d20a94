"""The benchmark of coverage: what it makes up, and that each table can be made. Its numbers stand in its result."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from benchmarks import common, coverage


def test_made_up_studies_have_the_spread_and_the_shared_part_that_they_state():
    rng = np.random.default_rng(0)
    made = coverage.Made(np.full(4, 55.0), 20_000, "one noisy", 0.9)
    values = coverage.draw(made, rng)
    spread = coverage.spread_of("one noisy", 4)
    assert (spread[3] / spread[0], (spread**2).mean()) == pytest.approx((3.0, coverage.DEVIATION**2))
    variance = 0.1 * spread**2 + 0.9 * coverage.DEVIATION**2
    assert values.var(axis=1) == pytest.approx(variance, rel=0.05)
    assert np.cov(values)[0, 1] == pytest.approx(0.9 * coverage.DEVIATION**2, rel=0.05)
    coarse = coverage.draw(made._replace(step=0.5), rng)
    assert np.allclose(coarse * 2, np.round(coarse * 2))


def test_a_set_that_ends_outside_the_sizes_holds_all_that_is_there():
    sizes = (50.0, 600.0)
    assert coverage.holds(200, 700, 1e6, sizes)
    assert not coverage.holds(200, 500, 1e6, sizes)
    assert coverage.holds(10, 100, 1.0, sizes)
    assert not coverage.holds(np.nan, np.nan, 100.0, sizes)


@pytest.mark.parametrize("name", coverage.TABLES)
def test_each_table_can_be_made(name, monkeypatch):
    monkeypatch.setattr(coverage, "CURVES", coverage.CURVES[:1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of means of nothing: two studies fill no cell
        lines = coverage.TABLES[name][1](2, np.random.default_rng(0)).splitlines()
    assert len(lines) > 3
    assert len({line.count("|") for line in lines}) == 1


def test_the_command_writes_a_result(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(common, "RESULTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["coverage", "--studies", "2", "--seed", "7", "--only", "ranks,costs"])
    coverage.main()
    (path,) = tmp_path.iterdir()
    assert "2 studies per cell, seed 7" in path.read_text()
    assert "1 of 2: Rank agreement" in capsys.readouterr().out

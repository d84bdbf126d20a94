"""LCBench as a world, on a stand-in for its network and on the folder's own file names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import optuna
import pytest

from benchmarks import lcbench
from benchmarks.search_replay import Score, rank_correlations
from trainables.vocabulary.errors import UserError

BOUNDS = {
    "batch_size": {"type": "uniform_int", "lower": 16, "upper": 512, "log": True},
    "learning_rate": {"type": "uniform_float", "lower": 1e-4, "upper": 1e-1, "log": True},
    "momentum": {"type": "uniform_float", "lower": 0.1, "upper": 0.99, "log": False},
    "weight_decay": {"type": "uniform_float", "lower": 1e-5, "upper": 0.1, "log": False},
    "num_layers": {"type": "uniform_int", "lower": 1, "upper": 5, "log": False},
    "max_units": {"type": "uniform_int", "lower": 64, "upper": 1024, "log": True},
    "max_dropout": {"type": "uniform_float", "lower": 0.0, "upper": 1.0, "log": False},
}


def stand_in(codes: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """Accuracy grows with epoch and units, and with the task's code."""
    outputs = np.zeros((len(inputs), 6), dtype=np.float32)
    outputs[:, 1] = codes[:, 0] + inputs[:, 0] + inputs[:, 6] * inputs[:, 5] / 200
    return outputs


@pytest.fixture
def world() -> lcbench.LCBench:
    return lcbench.LCBench("3945", 34, BOUNDS, stand_in)


def test_truth_is_the_end_of_the_curve_and_the_size_of_the_network(world) -> None:
    points = world.random(50)
    truths = world.truths(points)
    assert [world.curve(p)[-1] for p in points] == pytest.approx(truths[:, 0])
    assert [world.cost(p) for p in points] == pytest.approx(truths[:, 1])
    assert truths[:, 0].max() <= 100
    assert truths[:, 1] == pytest.approx([p[4] * p[5] for p in points])
    assert len(world.curve(points[0])) == lcbench.EPOCHS


def test_points_stay_in_their_ranges_and_the_grid_has_the_ends(world) -> None:
    for points in (world.random(2000), world.grid()):
        columns = np.array(points).T
        for name, column in zip(lcbench.INPUTS, columns, strict=True):
            assert BOUNDS[name]["lower"] <= column.min()
            assert column.max() <= BOUNDS[name]["upper"]
            if BOUNDS[name]["type"] == "uniform_int":
                assert (column == column.round()).all()
    assert len(set(world.grid())) == 3 * 3 * 3 * 2 * 2
    assert {p[5] for p in world.grid()} == {64, 256, 1024}
    shares = [np.mean([p[4] == layers for p in world.random(5000)]) for layers in (1, 5)]
    assert shares == pytest.approx([0.2, 0.2], abs=0.03)


def test_a_sampler_draws_points_of_the_space(world) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0))
    point = world.draw(study.ask())
    assert 64 <= point[lcbench.INPUTS.index("max_units")] <= 1024
    assert 0 < Score(world, world.random(300))([(point, float(world.curve(point)[-1]))]) <= 1
    assert rank_correlations(world, world.random(20), [lcbench.EPOCHS]) == pytest.approx([1.0])


def test_a_missing_file_is_one_line_that_says_where_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "config_space.json").write_text(json.dumps({"hyperparameters": []}))
    with pytest.raises(UserError, match=r"has no model\.onnx; get the folder lcbench of slds-lmu/yahpo_data"):
        lcbench.load(tmp_path)

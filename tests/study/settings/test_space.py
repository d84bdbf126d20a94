"""The search space: which parameters apply, what is drawn, what becomes of a point, and what is refused."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
import pytest

from study import schema
from study.settings import space
from tests.helpers.space_helpers import RANGE, SWEEP, study
from trainables.settings.config import RunConfig
from trainables.settings.edge import ConfigError


def drawn(spec: Mapping[str, Any], count: int = 60, **more: Any) -> list[dict[str, Any]]:
    """Points of Optuna's random sampler."""
    found = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    define = space.define(study(spec, **more))
    return [define(found.ask()) for _ in range(count)]


# --- the registry ---


@pytest.mark.parametrize("name", space.PARAMETERS)
def test_every_parameter_is_a_setting_of_a_run(name: str) -> None:
    parameter = space.PARAMETERS[name]
    assert parameter.name == name
    value = space.base_value(study({"k": RANGE}), name)
    kinds = {"int": int, "float": int | float, "choice": str | bool}
    assert isinstance(value, kinds[parameter.kind])
    assert set(parameter.methods) <= set(schema.METHODS)
    order = list(space.PARAMETERS)
    assert all(order.index(other) < order.index(name) for other in parameter.requires), "deciders come first"


# --- drawing ---


def test_only_parameters_that_apply_are_drawn() -> None:
    keys = {
        "kmclr": {"method", "temperature", "k", "forget_every"},
        "nnclr": {"method", "temperature", "queue_size"},
        "none": {"method", "temperature"},
    }
    points = drawn(SWEEP)
    assert {p["method"] for p in points} == set(keys)
    assert all(set(p) == keys[p["method"]] for p in points)
    assert all(isinstance(p["k"], int) and 25 <= p["k"] <= 2000 for p in points if "k" in p)
    assert all(0.05 <= p["temperature"] <= 0.5 for p in points)


def test_byol_has_no_temperature() -> None:
    points = drawn({"method": ["byol", "simclr"], "temperature": {"low": 0.1, "high": 0.2}})
    assert all(("temperature" in p) == (p["method"] == "simclr") for p in points)


def test_conditions_on_other_choices() -> None:
    spec = {
        "prototype_update": ["count", "ema"],
        "forget_every": [1, 3],
        "half_life": {"low": 10, "high": 100},
        "positives": ["nearest", "topk", "soft"],
        "top_k": [2, 5],
        "soft_temperature": {"low": 0.05, "high": 0.2},
    }
    for point in drawn(spec, method="kmclr"):
        assert ("forget_every" in point) == (point["prototype_update"] == "count")
        assert ("half_life" in point) == (point["prototype_update"] == "ema")
        assert ("top_k" in point) == (point["positives"] != "nearest")
        assert ("soft_temperature" in point) == (point["positives"] == "soft")


def test_condition_on_a_setting_outside_the_space() -> None:
    half_life = {"half_life": {"low": 10, "high": 100}}
    assert "half_life" in drawn(half_life, 1, method="kmclr", support={"update": "ema"})[0]
    assert "half_life" not in drawn(half_life, 1, method="kmclr")[0]


def test_momentum_needs_the_momentum_encoder_or_byol() -> None:
    spec = {"method": ["byol", "nnclr"], "momentum_encoder": [True, False], "momentum": {"low": 0.9, "high": 1}}
    for point in drawn(spec):
        assert ("momentum" in point) == (point["method"] == "byol" or point["momentum_encoder"])


def test_method_is_part_of_a_point_even_if_it_is_fixed() -> None:
    assert drawn({"queue_size": RANGE}, 1, method="nnclr")[0]["method"] == "nnclr"


def test_define_is_picklable_and_equal_seeds_draw_equal_points() -> None:
    define = pickle.loads(pickle.dumps(space.define(study(SWEEP))))
    found = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    assert [define(found.ask()) for _ in range(5)] == drawn(SWEEP, 5)


def test_steps_and_whole_numbers() -> None:
    spec = {"k": {"low": 10, "high": 50, "step": 20}, "temperature": {"low": 0.1, "high": 0.3, "step": 0.1}}
    points = drawn(spec, method="kmclr")
    assert {p["k"] for p in points} == {10, 30, 50}
    assert {round(p["temperature"], 6) for p in points} == {0.1, 0.2, 0.3}


def test_random_point_covers_log_ranges_evenly_and_repeats_with_its_seed() -> None:
    config = study(SWEEP)
    generator = np.random.default_rng(3)
    points = [space.random_point(config, generator) for _ in range(600)]
    ks = [p["k"] for p in points if "k" in p]
    below = sum(k < (25 * 2000) ** 0.5 for k in ks) / len(ks)
    assert 0.4 < below < 0.6
    assert min(ks) >= 25
    assert max(ks) <= 2000
    again = np.random.default_rng(3)
    assert [space.random_point(config, again) for _ in range(600)] == points
    for point in points[:20]:
        space.to_run(config, point, seed=0)


# --- grid ---


def test_grid_counts_only_what_applies() -> None:
    points = space.grid_points(study(SWEEP))
    assert len(points) == 4 * 4 * 3 + 4 * 4 + 4
    assert len({repr(sorted(p.items())) for p in points}) == len(points)
    ks = sorted({p["k"] for p in points if "k" in p})
    assert ks == [25, 108, 464, 2000]


def test_grid_of_few_integers_has_no_repeats() -> None:
    assert [p["k"] for p in space.grid_points(study({"k": {"low": 1, "high": 3, "grid": 9}}))] == [1, 2, 3]


def test_grid_keeps_to_steps() -> None:
    spec = {"temperature": {"low": 0.1, "high": 0.5, "step": 0.2, "grid": 8}}
    values = [p["temperature"] for p in space.grid_points(study(spec))]
    assert values == pytest.approx([0.1, 0.3, 0.5])


def test_a_grid_beyond_measure_is_refused_at_once() -> None:
    floats = [name for name, parameter in space.PARAMETERS.items() if parameter.kind == "float"]
    spec = {name: {"low": 0.1, "high": 0.5, "grid": 100} for name in floats}
    with pytest.raises(ConfigError, match=r"the grid of s has [0-9,]+ combinations; at most 100,000"):
        space.grid_points(study(spec))


# --- points ---


def test_complete_point_takes_the_rest_from_the_study() -> None:
    config = study(SWEEP, loss={"temperature": 0.3}, support={"forget_every": 10})
    point = space.complete_point(config, {"method": "kmclr", "k": 50})
    assert point == {"method": "kmclr", "k": 50, "forget_every": 10, "temperature": 0.3}
    assert space.complete_point(config, {"method": "none"}) == {"method": "none", "temperature": 0.3}


def test_baselines_in_their_order_without_repeats() -> None:
    config = study(SWEEP, baselines=[{"method": "none"}, {"method": "kmclr", "k": 50}, {"method": "none"}])
    assert [p["method"] for p in space.baseline_points(config)] == ["none", "kmclr"]


def test_baselines_survive_optuna_unchanged() -> None:
    baselines = [{"method": "kmclr", "k": 400}, {"method": "nnclr", "queue_size": 98304}, {"method": "none"}]
    config = study(SWEEP, baselines=baselines)
    found = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for point in space.baseline_points(config):
        found.enqueue_trial(point)
    assert [space.define(config)(found.ask()) for _ in baselines] == space.baseline_points(config)


def test_to_run_sets_the_point_the_seed_and_the_budget() -> None:
    config = study(SWEEP, train={"epochs": 100}, optimizer={"name": "adamw"})
    point = {"method": "kmclr", "k": 7, "temperature": 0.3, "forget_every": 10}
    run = space.to_run(config, point, seed=5, epochs=40)
    assert isinstance(run, RunConfig)
    assert (run.method, run.support.k, run.loss.temperature, run.support.forget_every) == ("kmclr", 7, 0.3, 10)
    assert (run.seed, run.train.epochs, run.optimizer.name, run.optimizer.warmup_epochs) == (5, 40, "adamw", 10)
    assert space.to_run(config, point, seed=5).train.epochs == 100


def test_to_run_shortens_a_warm_up_that_does_not_fit() -> None:
    run = space.to_run(study(SWEEP), {"method": "none"}, seed=0, epochs=5)
    assert run.optimizer.warmup_epochs < 5
    assert space.to_run(study(SWEEP), {"method": "none"}, seed=0, epochs=1).optimizer.warmup_epochs == 0


def test_to_run_refuses_a_bad_value_naming_the_point() -> None:
    with pytest.raises(ConfigError, match=r"s, kmclr k=0: support\.k must be greater than or equal to 1, got 0"):
        space.to_run(study(SWEEP), {"method": "kmclr", "k": 0}, seed=0)


def test_label() -> None:
    point = {"method": "kmclr", "k": 400, "temperature": 0.20001, "forget_every": 3, "prototype_update": "ema"}
    assert space.label(point) == "kmclr k=400 t=0.2 f=3 prototype_update=ema"
    assert space.label({"method": "nnclr", "queue_size": 98304}) == "nnclr queue=98304"

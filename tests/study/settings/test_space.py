"""The search space: which parameters apply, what is drawn, what becomes of a point, and what is refused."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
import pytest

from study import schema
from study.settings import checks, space
from study.settings.config import StudyConfig
from trainables.settings.config import RunConfig
from trainables.settings.edge import ConfigError

RANGE = {"low": 25, "high": 2000, "log": True}
SWEEP = {
    "method": ["kmclr", "nnclr", "none"],
    "temperature": {"low": 0.05, "high": 0.5, "log": True},
    "k": RANGE,
    "forget_every": [1, 3, 10],
    "queue_size": {"low": 256, "high": 98304, "log": True},
}


def study(spec: Mapping[str, Any], **more: Any) -> StudyConfig:
    return StudyConfig(name="s", space=dict(spec), **more)


def refused(spec: Mapping[str, Any], **more: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        checks.check(study(spec, **more), "s.yaml")
    return str(caught.value)


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


# --- what is refused ---


def test_a_good_space_passes() -> None:
    baselines = [{"method": "kmclr", "k": 50}, {"method": "none"}]
    checks.check(study(SWEEP, baselines=baselines), "s.yaml")


def test_unknown_parameter_in_the_style_of_the_house() -> None:
    start = "s.yaml: space.tempurature is not a known parameter; did you mean 'temperature'? Known: balance, batch"
    assert refused({"tempurature": [0.1]}).startswith(start)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "space is empty: name at least one parameter"),
        ({"k": []}, "space.k has no choices"),
        ({"k": [5, 5]}, "space.k gives a choice twice: [5, 5]"),
        ({"k": [[5]]}, "space.k: a choice must be a single value, got [5]"),
        ({"k": [None]}, "space.k: a choice must be a single value, got None"),
        ({"method": {"low": 1, "high": 2}}, "space.method is not a number: give a list of choices"),
        ({"queue_dtype": {"low": 1, "high": 2}}, "space.queue_dtype is not a number"),
        ({"k": {"low": 1.5, "high": 2}}, "space.k is a whole number: low (1.5), high (2) and step must be too"),
        (
            {"k": {"low": 1, "high": 10, "step": 4}},
            "space.k: high (10) is not low plus whole steps; the last",
        ),
        (
            {"queue_size": RANGE},
            "space.queue_size has no effect: it applies to nnclr, and the study's methods are",
        ),
        ({"method": ["nnclr", "none"], "k": RANGE}, "it applies to kmclr, and the study's methods are nnclr, none"),
        ({"half_life": {"low": 1, "high": 2}}, "space.half_life has no effect: it needs prototype_update ema"),
        ({"top_k": [2, 3]}, "space.top_k has no effect: it needs positives topk or soft"),
        ({"k": {"low": 0, "high": 5}}, "support.k must be greater than or equal to 1, got 0"),
        ({"k": [1.5]}, "support.k must be a whole number, got 1.5"),
        ({"k": ["a"]}, "support.k must be a whole number, got 'a' (text)"),
        ({"k": [True]}, "support.k must be a whole number, got true"),
        ({"temperature": {"low": 0.1, "high": 20}}, "loss.temperature must be less than or equal to 10, got 20"),
        ({"method": ["kmclr", "kmlcr"]}, "method is 'kmlcr'; allowed: 'kmclr', 'nnclr', 'none', 'simclr' or 'byol'"),
        ({"balance": ["sinkhorm"]}, "support.balance is 'sinkhorm'; allowed: 'none' or 'sinkhorn'"),
        (
            {"positives": ["nearest", "topk"], "top_k": {"low": 2, "high": 20}, "k": {"low": 10, "high": 50}},
            "positives.top_k (20) exceeds the support set's size (10) of method kmclr",
        ),
    ],
)
def test_bad_space(spec: dict[str, Any], message: str) -> None:
    assert message in refused(spec)


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ({"method": "kmclr", "kk": 50}, "baselines[0].kk is not a known parameter; did you mean 'k'?"),
        ({"k": 50}, "baselines[0] must name its method, one of kmclr, nnclr, none"),
        ({"method": "nnclr", "k": 50}, "baselines[0].k does not apply to nnclr k=50"),
        ({"method": "simclr"}, "baselines[0].method is 'simclr'; space allows kmclr, nnclr, none"),
        ({"method": "kmclr", "learning_rate": 0.1}, "baselines[0].learning_rate is not in space"),
        ({"method": "kmclr", "forget_every": 4}, "baselines[0].forget_every is 4; space allows 1, 3, 10"),
        ({"method": "kmclr", "k": "many"}, "support.k must be a whole number, got 'many' (text)"),
        ({"method": "kmclr", "k": -1}, "support.k must be greater than or equal to 1, got -1"),
    ],
)
def test_bad_baseline(baseline: dict[str, Any], message: str) -> None:
    assert message in refused(SWEEP, baselines=[baseline])


def test_baseline_left_open_where_the_study_has_no_allowed_value() -> None:
    message = refused({"k": RANGE, "forget_every": [1, 10]}, baselines=[{"k": 50}])
    assert "baselines[0].forget_every is not given, and the study's own value is 3; space allows 1, 10" in message


def test_every_problem_of_a_kind_gets_a_line() -> None:
    lines = refused({"kk": [1], "k": [], "q": [2]}).splitlines()
    assert [line.split()[1] for line in lines] == ["space.kk", "space.q", "space.k"]
    assert all(line.startswith("s.yaml: ") for line in lines)


def test_a_huge_space_is_checked_in_reasonable_time() -> None:
    names = [n for n, p in space.PARAMETERS.items() if p.kind != "choice" and n not in ("top_k", "half_life")]
    spec = {n: {"low": 0.1, "high": 0.5} for n in names if space.PARAMETERS[n].kind == "float"}
    spec |= {n: {"low": 2, "high": 8} for n in names if space.PARAMETERS[n].kind == "int"}
    spec |= {"method": ["kmclr", "nnclr"], "positives": ["soft"], "top_k": [2], "momentum_encoder": [True]}
    corners = list(checks._corners(study(spec)))
    assert 100 < len(corners) <= 2 * checks.MAX_CORNERS
    checks.check(study(spec), "s.yaml")

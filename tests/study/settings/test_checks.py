"""What a study must satisfy: each refusal says what is wrong and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from study.settings import checks, space
from tests.helpers.space_helpers import RANGE, SWEEP, study
from trainables.settings.edge import ConfigError


def refused(spec: Mapping[str, Any], **more: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        checks.check(study(spec, **more), "s.yaml")
    return str(caught.value)


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
        (
            {"method": ["kmclr", "kmlcr"]},
            "space.method is 'kmlcr'; allowed: 'kmclr', 'nnclr', 'none', 'simclr', 'byol' or 'resa'; did you mean",
        ),
        (
            {"balance": ["sinkhorm"]},
            "space.balance is 'sinkhorm'; allowed: 'none' or 'sinkhorn'; did you mean 'sinkhorn'?",
        ),
        ({"queue_dtype": ["Float-16"]}, "allowed: 'float32', 'float16' or 'int8'; did you mean 'float16'?"),
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
        ({"method": "kmclr", "method_": 1}, "baselines[0].method_ is not a known parameter; did you mean 'method'?"),
        (
            {"method": "nnlcr"},
            "s.yaml: baselines[0].method is 'nnlcr'; allowed: 'kmclr', 'nnclr', 'none', 'simclr', 'byol' or 'resa'",
        ),
        ({"method": "kmclr", "learning_rate": 0.1}, "baselines[0].learning_rate is not in space"),
        ({"method": "kmclr", "forget_every": 4}, "baselines[0].forget_every is 4; space allows 1, 3, 10"),
        ({"method": "kmclr", "k": "many"}, "support.k must be a whole number, got 'many' (text)"),
        ({"method": "kmclr", "k": -1}, "support.k must be greater than or equal to 1, got -1"),
    ],
)
def test_bad_baseline(baseline: dict[str, Any], message: str) -> None:
    assert message in refused(SWEEP, baselines=[baseline])


def test_a_mistyped_choice_is_told_before_the_baselines_that_it_would_forbid() -> None:
    spec = {**SWEEP, "method": ["kmlcr", "nnclr", "none"]}
    lines = refused(spec, baselines=[{"method": "kmclr", "k": 50}, {"method": "none"}]).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("s.yaml: space.method is 'kmlcr'; ")
    assert lines[0].endswith("; did you mean 'kmclr'?")


@pytest.mark.parametrize(
    ("objectives", "message"),
    [
        ({"acuracy": "max"}, "objectives.acuracy is no objective; did you mean 'accuracy'? Known: accuracy, epoch_s, "),
        (
            {"accuracy": "max", "support-byte": "min"},
            "objectives.support-byte is no objective; did you mean 'support_bytes'?",
        ),
    ],
)
def test_a_mistyped_objective_is_told_in_one_line(objectives: dict[str, str], message: str) -> None:
    assert refused(SWEEP, objectives=objectives).startswith(f"s.yaml: {message}")
    assert "\n" not in refused(SWEEP, objectives=objectives)


@pytest.mark.parametrize(("device", "meant"), [("gpu", "cuda"), ("GPU", "cuda"), ("cupu", "cpu"), ("atuo", "auto")])
def test_a_mistyped_device(device: str, meant: str) -> None:
    assert refused(SWEEP, device=device).endswith(f"use auto, cpu or cuda; did you mean '{meant}'?")


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


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"suport_bytes": {"max": 1}}, "wanted.suport_bytes is no objective of this study; did you mean 'support_byt"),
        ({"epoch_s": {"max": 1}}, "wanted.epoch_s is no objective of this study. Known: accuracy, support_bytes"),
        (
            {"support_bytes": {"min": "1MB"}},
            "wanted.support_bytes.min would leave out better points: less of it is bet",
        ),
        (
            {"accuracy": {"max": 60}},
            "wanted.accuracy.max would leave out better points: more of it is better; write min",
        ),
        ({"accuracy": {}}, "wanted.accuracy has no bound: give it min"),
        ({"accuracy": {"min": 101}}, "wanted.accuracy.min is 101, more than 100 %"),
    ],
)
def test_a_wanted_region_is_made_of_the_studys_objectives(wanted, message) -> None:
    assert message in refused(SWEEP, wanted=wanted)


@pytest.mark.parametrize(
    ("given", "limit"), [("1MB", 1e6), ("512 KiB", 512 * 1024), ("1.5kb", 1500.0), (2048, 2048.0), ("3e5", 3e5)]
)
def test_bounds_may_carry_their_unit(given, limit) -> None:
    made = study(SWEEP, wanted={"support_bytes": {"max": given}, "accuracy": {"min": "55 %"}})
    checks.check(made, "s.yaml")
    assert made.wanted_limits == {"support_bytes": limit, "accuracy": 55.0}
    assert study(SWEEP, wanted=made.model_dump()["wanted"]) == made


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"support_bytes": {"max": "5s"}}, "'5s' has another unit; use B, kB, MB, GB, KiB, MiB, GiB"),
        ({"accuracy": {"min": "55MB"}}, "'55MB' has another unit; use %"),
    ],
)
def test_a_bound_in_another_objectives_unit_is_refused(wanted, message) -> None:
    with pytest.raises(ValueError, match=message):
        study(SWEEP, wanted=wanted)

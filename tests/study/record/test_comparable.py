"""Which trials of an earlier study count, of which point, and why the others do not."""

from __future__ import annotations

import pytest

from study import schema
from study.record.comparable import Comparison, Incomparable, reason_in_words
from tests.helpers.engine_helpers import LOG_SIZES, SPACE, make_study
from tests.helpers.learning_inputs import POINTS, earlier_study, end_of


def why_not(study, end=None, fingerprint="1", **earlier) -> str:
    with pytest.raises(Incomparable) as caught:
        Comparison(study, earlier_study([], **earlier), fingerprint).point_of(end or end_of(0, POINTS[0]))
    return reason_in_words([caught.value])


def point_of(here, end, **earlier):
    return Comparison(here, earlier_study([], **earlier), "1").point_of(end)


@pytest.mark.parametrize("params", POINTS)
def test_the_same_study_is_comparable_in_each_point(params) -> None:
    assert point_of(make_study(), end_of(0, params)) == params


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"encoder": {"name": "small_conv"}}, "encoder.name resnet18, here small_conv"),
        ({"train": {"epochs": 5}}, "train.epochs 9, here 5"),
        ({"data": {"split_seed": 1}}, "data.split_seed 42, here 1"),
        ({"data": {"train_limit": 100}}, "data.train_limit null, here 100"),
        ({"probe": {"score": "knn_acc1"}}, "probe.score probe_acc1, here knn_acc1"),
        ({"support": {"prototype_dtype": "float16"}}, "support.prototype_dtype float32, here float16"),
        ({"loss": {"symmetric": False}}, "loss.symmetric true, here false"),
        ({"encoder": {"name": "small_conv", "width": 8}, "heads": {"embedding_dim": 64}},
         "encoder.name resnet18, here small_conv; encoder.width null, here 8; and 1 more setting"),
    ],
)  # fmt: skip
def test_a_setting_that_acts_and_differs_is_named(changes, said) -> None:
    base = {"train": {"epochs": 9, "checkpoint_every": 1}}
    assert why_not(make_study(**{**base, **changes})) == said


@pytest.mark.parametrize(
    "changes",
    [
        {"support": {"queue_dtype": "float16"}},  # of queues alone
        {"data": {"root": "elsewhere", "download": False}},
        {"probe": {"projection_every": 3}},
        {"seed": 9, "device": "cpu", "resources": {"cpu": 2}, "budget": {"epochs": 3}, "name": "other"},
        {"search": {"trials": 99, "sampler": "random"}, "scheduler": {"name": "none"}, "question": "Another?"},
        {"optimizer": {"warmup_epochs": 0, "lars_eta": 0.02}},
    ],
)
def test_what_does_not_act_in_the_trial_may_differ(changes) -> None:
    assert point_of(make_study(**changes), end_of(0, POINTS[0])) == POINTS[0]


def test_what_is_searched_here_and_was_fixed_there_becomes_a_parameter() -> None:
    there = make_study(space={"method": ("kmclr",), "k": LOG_SIZES["k"]}, loss={"temperature": 0.3}, baselines=())
    end = end_of(0, {"method": "kmclr", "k": 70})
    assert point_of(make_study(), end, study=there) == {"method": "kmclr", "temperature": 0.3, "k": 70}


def test_what_was_searched_there_and_is_fixed_here_must_be_equal() -> None:
    here = make_study(space={"method": ("kmclr",), "k": LOG_SIZES["k"]}, baselines=())
    assert point_of(here, end_of(0, {"method": "kmclr", "temperature": 0.2, "k": 70})) == {"method": "kmclr", "k": 70}
    end = end_of(0, {"method": "kmclr", "temperature": 0.25, "k": 70})
    assert why_not(here, end) == "loss.temperature 0.25, here 0.2"
    one = make_study(space={"k": LOG_SIZES["k"]}, baselines=())
    assert why_not(one, end_of(0, POINTS[2])).startswith("method none, here kmclr")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"low": 60, "high": 100}, "k 50, outside 60 to 100, the space here"),
        ({"low": 20, "high": 100, "step": 40}, "k 50, between the steps of the space here"),
        ((40, 60), "k 50, not in the space here (40, 60)"),
    ],
)
def test_a_value_that_the_space_has_not_is_named(spec, said) -> None:
    assert why_not(make_study(space={**SPACE, "k": spec}, baselines=())) == said


def test_a_declared_baseline_may_lie_outside_its_range() -> None:
    space = {**SPACE, "k": {"low": 60, "high": 100}}
    baselines = ({"method": "kmclr", "k": 50},)
    assert point_of(make_study(space=space, baselines=baselines), end_of(0, POINTS[0])) == POINTS[0]


def test_a_method_that_is_no_arm_here() -> None:
    space = {"method": ("kmclr", "nnclr"), "temperature": SPACE["temperature"], **LOG_SIZES}
    assert why_not(make_study(space=space), end_of(0, POINTS[2])) == "method none, not in the space here (kmclr, nnclr)"


def test_other_data_and_other_objectives() -> None:
    assert why_not(make_study(), fingerprint="2") == "other data (fingerprint 1, here 2)"
    assert Comparison(make_study(), earlier_study([]), None).point_of(end_of(0, POINTS[0])) == POINTS[0]
    study = make_study(objectives={"accuracy": "max", "epoch_s": "min"})
    assert why_not(study) == "objectives accuracy max, support_bytes min, here accuracy max, epoch_s min"


def test_what_was_measured_on_another_machine() -> None:
    objectives = {"accuracy": "max", "epoch_s": "min"}
    study = make_study(objectives=objectives, device="cpu")
    assert "epoch_s was measured on another machine (an old one, here " in why_not(study, objectives=objectives)


@pytest.mark.parametrize(
    ("status", "said"),
    [(schema.FAILED, "ended failed"), (schema.OUT_OF_MEMORY, "ended out of memory"),
     (schema.TIMED_OUT, "ended timed out"), (schema.INTERRUPTED, "has not ended")],
)  # fmt: skip
def test_how_a_trial_ended(status, said) -> None:
    assert why_not(make_study(), end_of(0, POINTS[0], status)) == said
    assert point_of(make_study(), end_of(0, POINTS[0], schema.DIVERGED)) == POINTS[0]


def test_a_seed_with_which_points_are_confirmed() -> None:
    study = make_study(confirm={"seeds": [1, 2]})
    assert why_not(study, end_of(0, POINTS[0], seed=2)) == "seed 2, with which points are confirmed here"
    assert point_of(study, end_of(0, POINTS[0], seed=3)) == POINTS[0]


def test_a_parameter_that_nobody_knows() -> None:
    assert why_not(make_study(), end_of(0, {**POINTS[0], "wings": 2})) == "wings is no parameter here"


def test_one_reason_of_several_trials_gives_their_values() -> None:
    reasons = [Incomparable(("k", value, ", outside 5 to 40")) for value in (60, 90, 52)]
    assert len({one.kind for one in reasons}) == 1
    assert reason_in_words(reasons) == "k 52 to 90, outside 5 to 40"
    assert reason_in_words(reasons[:2]) == "k 60, 90, outside 5 to 40"
    assert reason_in_words(reasons[:1] * 3) == "k 60, outside 5 to 40"

"""The words of the house agree with each other and with the settings that name them."""

from __future__ import annotations

import math
from typing import get_args

import pytest

from trainables.settings import config
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.methods_and_support_sets import METHODS
from trainables.vocabulary.metrics_and_objectives import METRICS, OBJECTIVES, REPORT_METRICS, SCORES, TEST_METRICS
from trainables.vocabulary.stages_and_statuses import STAGES, STATUSES


def test_methods_are_those_of_the_settings() -> None:
    (named,) = config.RunConfig.model_fields["method"].metadata
    assert named.registry is METHODS
    assert named.house == tuple(METHODS)


def test_only_methods_with_a_predictor_have_a_moving_average() -> None:
    for name, method in METHODS.items():
        assert method.predictor or method.momentum == "never", name
        assert method.support == "none" or method.loss == "neighbours", name


def test_statuses_and_stages_are_different_words() -> None:
    words = (*STATUSES, *STAGES)
    assert len(set(words)) == len(words)


def test_every_metric_says_what_it_is() -> None:
    assert not REPORT_METRICS.keys() & TEST_METRICS.keys()
    for name, metric in METRICS.items():
        assert metric.meaning, name
        assert metric.title, name
        assert (metric.unit == "%") == ("acc" in name), name
        assert (metric.unit == "B") == name.endswith("_bytes"), name


def test_objectives_are_reported_metrics_with_a_sense_and_accuracy_comes_first() -> None:
    assert list(OBJECTIVES) == ["accuracy", "support_bytes", "method_bytes", "peak_memory_bytes", "epoch_s"]
    assert {name: metric.sense for name, metric in OBJECTIVES.items()} == {
        "accuracy": "max",
        "support_bytes": "min",
        "method_bytes": "min",
        "peak_memory_bytes": "min",
        "epoch_s": "min",
    }
    assert all(metric.sense is None for metric in TEST_METRICS.values())


def test_scores_name_metrics_on_validation_and_on_test() -> None:
    assert SCORES.keys() <= REPORT_METRICS.keys()
    assert set(SCORES.values()) <= TEST_METRICS.keys()
    assert set(SCORES) == set(get_args(config.ProbeConfig.model_fields["score"].annotation))


def test_bytes_count_in_decades_and_the_rest_as_they_are() -> None:
    assert OBJECTIVES["support_bytes"].scaled(0) == 0.0
    assert OBJECTIVES["support_bytes"].scaled(999) == pytest.approx(3.0)
    assert OBJECTIVES["epoch_s"].scaled(999) == 999.0
    assert math.isnan(OBJECTIVES["support_bytes"].scaled(math.nan))


def test_the_user_s_errors_are_value_errors() -> None:
    assert issubclass(UserError, ValueError)

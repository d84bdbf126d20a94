"""Numbers in words: units, roundings at their borders, and what there is no number for."""

from __future__ import annotations

import math

import pytest

from trainables import wording
from trainables.vocabulary.metrics_and_objectives import METRICS, Metric
from trainables.wording import bytes_in_words, number_in_words, seconds_in_words, value_in_words


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (12, "12 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (2048, "2.05 kB"),
        (51_200, "51.2 kB"),
        (409_600, "410 kB"),
        (999_400, "999 kB"),
        (999_900, "1 MB"),
        (100_663_296, "101 MB"),
        (3 * 2**30, "3.22 GB"),
        (2.5e12, "2.5 TB"),
        (1.5e15, "1500 TB"),
        (math.nan, "?"),
        (math.inf, "?"),
    ],
)
def test_bytes_are_in_powers_of_1000(count: float, text: str) -> None:
    assert bytes_in_words(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (3.4, "3 s"),
        (89, "89 s"),
        (90, "2 min"),
        (600, "10 min"),
        (0.5 * 3600, "30 min"),
        (9000, "2.5 h"),
        (3.3 * 3600, "3.3 h"),
        (50 * 3600, "2.1 days"),
        (400 * 3600, "2.4 weeks"),
        (20_000 * 3600, "2.3 years"),
    ],
)
def test_durations_as_people_say_them(seconds: float, text: str) -> None:
    assert seconds_in_words(seconds) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("accuracy", 57.6, "57.60 %"),
        ("support_bytes", 409_600, "410 kB"),
        ("support_bytes", 0, "0 B"),
        ("epoch_s", 0.814, "0.814 s"),
        ("epoch_s", 12.34, "12.3 s"),
        ("epoch_s", 99.96, "100 s"),
        ("epoch_s", 11_234.5, "11,234 s"),
        ("images_per_s", 12_345.6, "12,346 images/s"),
        ("loss", 5.0, "5"),
    ],
)
def test_values_carry_the_unit_of_their_metric(name: str, value: float, text: str) -> None:
    assert value_in_words(value, METRICS[name]) == text


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_there_is_no_value(value: float | None) -> None:
    assert value_in_words(value, METRICS["accuracy"]) == "-"
    assert value_in_words(value, METRICS["support_bytes"]) == "-"


def test_a_value_below_a_heading_with_its_unit_does_not_repeat_it() -> None:
    assert number_in_words(57.6, METRICS["accuracy"]) == "57.60"
    assert number_in_words(1.6, METRICS["epoch_s"]) == "1.6"
    assert number_in_words(5000, METRICS["peak_memory_bytes"]) == "5 kB"
    assert number_in_words(-250.0, Metric("a plain number")) == "-250"


@pytest.mark.parametrize(
    ("got", "known", "meant"),
    [
        ("kmlcr", ("kmclr", "nnclr", "byol"), "; did you mean 'kmclr'?"),
        ("KMCLR", ("kmclr", "nnclr"), "; did you mean 'kmclr'?"),
        ("support-byte", ("support_bytes",), "; did you mean 'support_bytes'?"),
        ("gpu", ("auto", "cpu", "cuda"), "; did you mean 'cuda'?"),
        ("gpu", ("cpu", "auto"), "; did you mean 'cpu'?"),
        (3, ("three",), ""),
        ("x" * 10**6, ("cpu",), ""),
    ],
)
def test_close_to(got: object, known: tuple[str, ...], meant: str) -> None:
    assert wording.close_to(got, known) == meant


def test_one_of() -> None:
    assert wording.one_of("papre", ("paper", "web")) == "expected one of paper, web, got 'papre'; did you mean 'paper'?"

"""Numbers in words."""

from __future__ import annotations

import math

import pytest

from trainables.vocabulary import REPORT_METRICS
from trainables.wording import bytes_in_words, value_in_words


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (409_600, "410 kB"), (999_900, "1 MB"), (100_663_296, "101 MB"),
     (math.nan, "?")],
)  # fmt: skip
def test_bytes_in_words(value, text):
    assert bytes_in_words(value) == text


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [("accuracy", 57.6, "57.60 %"), ("support_bytes", 409_600, "410 kB"), ("epoch_s", 1.612, "1.61 s"),
     ("support_vectors", 400.0, "400"), ("images_per_s", 3438.6, "3,439 images/s"),
     ("loss", math.nan, "-"), ("loss", None, "-")],
)  # fmt: skip
def test_value_in_words(metric, value, text):
    assert value_in_words(value, REPORT_METRICS[metric]) == text

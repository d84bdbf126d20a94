"""Tables of the search benchmark: intervals, pairing by task, ranks and the price in epochs, on numbers by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import search_tables

HALF, FULL = np.array([[0.0, 0.5], [0.1, 0.5]]), np.array([[0.4, 0.9], [0.5, 1.0]])


def test_an_interval_is_students() -> None:
    assert search_tables.interval(np.array([0.1, 0.2, 0.3])) == "20.0 ± 24.8"  # t = 4.303, SD 0.1, n = 3
    assert search_tables.interval(np.array([0.5])) == "50.0"


def test_the_file_holds_every_seed_by_strategy_task_and_budget(tmp_path: Path) -> None:
    path = tmp_path / "new" / "shares.json"
    search_tables.write_json(path, {"t1": {"a": HALF}, "t2": {"a": FULL}}, 1, [1, 2])
    assert json.loads(path.read_text()) == {
        "a": {"t1": {"1": [0.0, 0.1], "2": [0.5, 0.5]}, "t2": {"1": [0.4, 0.5], "2": [0.9, 1.0]}}
    }


def test_tasks_are_paired_and_ranked_and_the_worst_is_named() -> None:
    shares = {"t1": {"a": FULL, "b": HALF}, "t2": {"a": HALF, "b": FULL}, "t3": {"a": FULL, "b": HALF}}
    text = search_tables.many_tasks(shares, "a", 1, [2])
    assert "| b | 15.0 ± 129.1 (t2: -45.0) |" in text  # differences 45, -45 and 45
    assert "| a | 1.33 |" in text
    assert "| b | 1.67 |" in text
    assert "| t2 | 50.0 ± 0.0 | 95.0 ± 63.5 |" in text


def test_the_price_is_the_median_search_or_beyond_the_budget() -> None:
    text = search_tables.many_tasks({"t1": {"a": FULL, "b": HALF}, "t2": {"a": FULL, "b": HALF}}, "a", 1, [2])
    assert "| a | 2 |" in text
    assert "| b | > 2 |" in text


def test_prices_are_taken_as_a_share_of_tpes_by_task() -> None:
    late = np.array([[0.0, 0.1, 0.2, 0.95]])
    soon, never = np.array([[0.1, 0.95, 0.95, 0.95]]), np.array([[0.1, 0.1, 0.1, 0.1]])
    shares = {"t1": {"tpe, no stopping": late, "a": soon}, "t2": {"tpe, no stopping": never, "a": never}}
    assert "| a | > 4 | 0.50 (1 tasks) |" in search_tables.many_tasks(shares, "a", 1, [4])
    shares["t2"]["a"] = soon
    shares["t3"] = {"tpe, no stopping": soon, "a": never}
    assert "| a | 2 | 0.50 (3 tasks) |" in search_tables.many_tasks(shares, "a", 1, [4])


@pytest.mark.parametrize("ours", ["a", "absent"])
def test_one_world_is_compared_only_with_what_was_run(ours: str) -> None:
    text = search_tables.one_world({"a": FULL, "b": HALF}, ours, 1, [2])
    assert ("| a minus |" in text) == (ours == "a")

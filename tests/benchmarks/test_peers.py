"""The benchmarks against peers check, in the run that is timed, that all candidates find the same; here in seconds."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from benchmarks import kmeans_step, method_table, queue_lookup, two_views
from tests.helpers.trial_helpers import tiny
from trainables.maths.kmeans import minibatch_update
from trainables.settings.config import ViewConfig


def columns(rows: list[list[str]], name: int, wanted: int) -> dict[str, str]:
    return {row[name]: row[wanted] for row in rows}


def test_the_kmeans_step_compares_centres_and_neighbours_with_scikit_learn():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's
        rows = kmeans_step.measure(k=5, batch=8, repeats=1, clock="cpu")
    apart, same = columns(rows, 2, -2), columns(rows, 2, -1)
    assert float(apart[kmeans_step.EUCLIDEAN]) < kmeans_step.TOLERANCE
    assert same[kmeans_step.EUCLIDEAN] == "100.0%"
    assert same[kmeans_step.COSINE] == "-"


def test_a_kmeans_step_that_differs_ends_the_benchmark(monkeypatch: pytest.MonkeyPatch):
    def too_far(centres_KD, counts_K, x_BD, index_B, *, decay=1.0):
        minibatch_update(centres_KD, counts_K, x_BD, index_B, decay=decay)
        centres_KD += 0.01

    monkeypatch.setattr("trainables.maths.kmeans.minibatch_update", too_far)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(SystemExit, match="centres differ by"):
            kmeans_step.measure(k=5, batch=8, repeats=1, clock="cpu")


def test_the_queue_draws_lightlys_rows():
    rows = queue_lookup.measure(size=256, batch=8, repeats=1, clock="cpu")
    same = columns(rows, 2, -1)
    assert {same[name] for name in (queue_lookup.LIGHTLY, queue_lookup.RENORMALISING, "ours, float32")} == {"100.00%"}


def test_views_have_the_distribution_of_torchvisions_and_pillows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(two_views, "CHECKED", 300)
    smallest = two_views.equal_distributions(two_views.RECIPES["seed"])
    assert smallest.keys() == {"torchvision", "Pillow"}
    assert min(smallest.values()) > 1e-3


def test_views_that_differ_end_the_benchmark(monkeypatch: pytest.MonkeyPatch):
    per_image = two_views.per_image
    monkeypatch.setattr(two_views, "CHECKED", 300)
    monkeypatch.setattr(two_views, "per_image", lambda view, pillow: per_image(ViewConfig(grey=1.0), pillow=pillow))
    with pytest.raises(SystemExit, match="our views differ from torchvision's"):
        two_views.equal_distributions(two_views.RECIPES["seed"])


def test_an_arm_of_the_method_table_is_trained_and_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path))
    found = method_table.measure(tiny("kmclr", train={"epochs": 2}), train=True)
    assert found["support_bytes"] == 10 * (2 * 8 * 4 + 4)
    assert found["embedding_std"] > 0
    row = method_table.row("kmclr", [found, found])
    assert row[:2] == ["kmclr", f"{found['test_knn_acc1']:.1f} ± 0.0"]
    untrained = method_table.measure(tiny("none", train={"epochs": 2}), train=False)
    assert untrained["support_bytes"] == 0
    assert method_table.row("random", [untrained])[-2:] == ["-", "-"]
    better = {**found, method_table.SCORE: found[method_table.SCORE] + 2}
    assert method_table.row("kmclr", [better, better], [found, found])[4] == "2.0 ± 0.0"

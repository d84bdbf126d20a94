"""Two studies against each other: who stands against whom at which size, and the difference over shared seeds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.figure_data.versus_info import versus_info
from analysis.results.load import Results, load
from analysis.results.points import confirmed
from study.schema import UserError
from tests.helpers.synthetic_results import write_results


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Results]:
    """Four seeds each, three of them shared."""
    folder = tmp_path_factory.mktemp("pair")
    a = write_results(folder / "a", trials=12, epochs=4, confirm_seeds=(1, 2, 3, 4))
    b = write_results(folder / "b", trials=12, epochs=4, confirm_seeds=(2, 3, 4, 5), seed=9)
    return load(a), load(b)


def test_at_each_size_the_best_that_costs_no_more(pair) -> None:
    info = versus_info(*pair)
    a, b = (confirmed(one, "test_acc1") for one in pair)
    assert list(info.steps["x"]) == sorted(info.steps["x"])
    assert info.steps["x"].iloc[0] == 0.0
    for row in info.steps.itertuples():
        for points, label in ((a, row.label_a), (b, row.label_b)):
            within = points[points["support_bytes"] <= row.x]
            assert label == within.loc[within["y"].idxmax(), "label"]
    sizes = sorted({*a["support_bytes"], *b["support_bytes"]})
    before = None
    for x in sizes:  # nothing is left out between the steps
        best = tuple(p[p["support_bytes"] <= x].sort_values("y")["label"].iloc[-1] for p in (a, b))
        assert (best != before) == (x in set(info.steps["x"]))
        before = best
    assert list(info.steps["until_drawn"])[:-1] == list(info.steps["x_drawn"])[1:]


def test_the_difference_is_paired_and_corrected(pair) -> None:
    """By hand: t of the seed-by-seed differences, at 1 - 0.05 / comparisons, never below the pooled one."""
    info = versus_info(*pair)
    a, b = (confirmed(one, "test_acc1").set_index("label")["values"] for one in pair)
    labels = {(r.label_a, r.label_b) for r in info.steps.itertuples()} | {
        (r.label, r.label) for r in info.same.itertuples()
    }
    assert info.comparisons == len(labels)
    differences = {(one, two): np.array([b[two][s] - a[one][s] for s in (2, 3, 4)]) for one, two in labels}
    pooled = np.sqrt(np.mean([d.var(ddof=1) for d in differences.values()]))
    level = 1 - 0.025 / len(labels)
    for row in info.steps.itertuples():
        values = differences[row.label_a, row.label_b]
        own = stats.t.ppf(level, 2) * values.std(ddof=1)
        half = max(own, stats.t.ppf(level, 2 * len(labels)) * pooled) / np.sqrt(3)
        assert (row.difference, row.low, row.high, row.n) == pytest.approx(
            (values.mean(), values.mean() - half, values.mean() + half, 3)
        )
    baselines = {"kmclr t=0.2 k=50 f=3", "kmclr t=0.2 k=400 f=3", "nnclr t=0.2 queue=98304", "none t=0.2"}
    assert set(info.same["label"]) == baselines
    assert info.why_not == ""


def test_swapping_the_studies_turns_the_sign(pair) -> None:
    there, back = versus_info(*pair), versus_info(*reversed(pair))
    np.testing.assert_allclose(there.steps["difference"], -back.steps["difference"])
    np.testing.assert_allclose(there.steps["low"], -back.steps["high"])


def changed(results: Results, **manifest) -> Results:
    return dataclasses.replace(results, manifest={**results.manifest, **manifest})


def test_where_a_difference_says_nothing_there_is_none(pair, tmp_path: Path) -> None:
    a, b = pair
    other = load(write_results(tmp_path / "c", trials=6, epochs=3, confirm_seeds=(7, 8)))
    live = load(write_results(tmp_path / "live", trials=5, epochs=3, confirm_seeds=(), running=1))
    data = {**b.manifest["data"], "fingerprint": "another"}
    for second, why in (
        (other, r"they share no confirm seed (1, 2, 3, 4 and 7, 8)"),
        (live, "live has confirmed nothing yet"),
        (changed(b, data=data), "their data differ (fingerprints abc123 and another)"),
        (changed(b, score="knn_acc1"), "a is scored by Test acc@1, offline linear (%), b by Test acc@1, kNN (%)"),
    ):
        info = versus_info(a, second)
        assert info.why_not == why
        assert info.steps.empty
        assert info.same.empty
        assert not info.fronts.points[info.fronts.points["study"] == "a"]["hollow"].any()
        assert set(info.fronts.steps["study"]) == {a.name, second.name}  # both fronts are there


def test_studies_over_other_costs_need_one_named(pair, tmp_path: Path) -> None:
    a, _ = pair
    memory = dataclasses.replace(a, name="m", objectives={"accuracy": "max", "peak_memory_bytes": "min"})
    with pytest.raises(
        UserError, match="a is over support_bytes, m over peak_memory_bytes: name a cost of both with --x"
    ):
        versus_info(a, memory)
    info = versus_info(a, memory, "epoch_s")
    assert info.cost == "epoch_s"
    assert (info.steps["difference"] == 0).all()
    nothing = load(write_results(tmp_path / "none", trials=0, epochs=2, confirm_seeds=()))
    with pytest.raises(UserError, match="no trial has finished, so there is nothing to compare yet"):
        versus_info(a, nothing)

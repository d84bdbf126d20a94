"""Numbers behind the figures: against hand-computed values, closed forms and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.figure_data import prototypes_info as prototypes
from analysis.figure_data import search_info as search
from analysis.figure_data import training_info as training
from analysis.figure_data.common import NotEnough
from analysis.figure_data.offline_info import offline_bars
from analysis.results.load import load
from study import schema
from study.schema import files
from tests.helpers.figure_inputs import tables, trial_row, write_pictures
from tests.helpers.synthetic_results import write_results

# --- curves ---


def test_curves_are_means_over_completed_trials_with_t_intervals() -> None:
    trials, reports = tables(
        (trial_row("a"), [10.0, 20.0]),
        (trial_row("b"), [14.0, 26.0]),
        (trial_row("c", status="stopped"), [90.0]),
        (trial_row("d", method="none"), [5.0, 6.0]),
    )
    found = training.curves(trials, reports, "accuracy")
    assert found.complete
    assert found.stage == "search"
    kmclr, none = found.curves
    assert (kmclr.group, none.group) == ("kmclr", "none")
    np.testing.assert_allclose(kmclr.mean, [12, 23])
    half = stats.t.ppf(0.975, 1) * np.array([2.0, 3.0])  # standard error of two values: half their difference
    np.testing.assert_allclose(kmclr.high - kmclr.mean, half)
    np.testing.assert_array_equal(kmclr.n, [2, 2])
    assert [label for label, _ in kmclr.members] == ["a", "b"]
    assert np.isnan(none.low).all()


def test_curves_prefer_confirm_and_average_the_seeds_of_a_point() -> None:
    trials, reports = tables(
        (trial_row("s"), [1.0, 2.0]),
        (trial_row("c1", stage="confirm", label="p"), [10.0, 20.0]),
        (trial_row("c2", stage="confirm", label="p"), [12.0, 24.0]),
    )
    (curve,) = training.curves(trials, reports, "accuracy").curves
    assert len(curve.members) == 1
    np.testing.assert_allclose(curve.members[0][1], [11, 22])


def test_interval_is_over_points_not_over_their_seeds() -> None:
    """Many seeds of two points say little about a third point: the band must not shrink with the number of seeds."""
    seeds = [
        (trial_row(f"{p}{s}", stage="confirm", label=p), [at]) for p, at in (("p", 10.0), ("q", 14.0)) for s in "ab"
    ]
    (curve,) = training.curves(*tables(*seeds), "accuracy").curves
    np.testing.assert_allclose([curve.mean[0], curve.n[0]], [12, 4])
    np.testing.assert_allclose(curve.high - curve.mean, stats.t.ppf(0.975, 1) * 2.0)
    one_point = tables(*((trial_row(s, stage="confirm", label="p"), [at]) for s, at in (("a", 10.0), ("b", 14.0))))
    (curve,) = training.curves(*one_point, "accuracy").curves
    np.testing.assert_allclose(curve.high - curve.mean, stats.t.ppf(0.975, 1) * 2.0)


def test_forgetting_interval_is_over_points() -> None:
    rows = [(f"{p}{s}", p, f, at) for p, f, at in (("p", 3, 10.0), ("q", 3, 14.0), ("r", 10, 9.0)) for s in "ab"]
    pairs = [(trial_row(i, label=p, p_forget_every=float(f), accuracy=at), [at]) for i, p, f, at in rows]
    found = training.forgetting(*tables(*pairs))
    assert [i.n for i in found.last] == [2, 2]
    assert [len(d) for d in found.dots] == [4, 2]
    assert found.last[0].high - found.last[0].mean == pytest.approx(stats.t.ppf(0.975, 1) * 2.0)


def test_curves_of_a_study_without_completed_trials_say_so() -> None:
    trials, reports = tables(
        (trial_row("a", status="stopped"), [10.0]), (trial_row("b", status="failed"), [12.0, 13.0])
    )
    found = training.curves(trials, reports, "accuracy")
    assert not found.complete
    np.testing.assert_array_equal(found.curves[0].n, [2, 1])


def test_curves_need_the_metric() -> None:
    trials, reports = tables((trial_row("a"), [10.0]))
    with pytest.raises(NotEnough, match="no report holds neighbour_purity"):
        training.curves(trials, reports, "neighbour_purity")
    with pytest.raises(NotEnough, match="no trial reported accuracy"):
        training.curves(trials, reports.assign(accuracy=np.nan), "accuracy")


def test_forgetting_groups_by_interval() -> None:
    trials, reports = tables(
        (trial_row("a", p_forget_every=3.0, accuracy=20.0), [10.0, 20.0]),
        (trial_row("b", p_forget_every=3.0, accuracy=26.0), [14.0, 26.0]),
        (trial_row("c", p_forget_every=10.0, accuracy=18.0), [9.0, 18.0]),
    )
    found = training.forgetting(trials, reports)
    assert found.values == (3, 10)
    assert [i.mean for i in found.last] == [23.0, 18.0]
    assert [i.n for i in found.last] == [2, 1]
    assert [c.group for c in found.curves.curves] == ["3", "10"]
    with pytest.raises(NotEnough, match="fewer than two forgetting intervals"):
        training.forgetting(trials.iloc[:2], reports)
    with pytest.raises(NotEnough, match="no trial varies forget_every"):
        training.forgetting(trials.drop(columns="p_forget_every"), reports)


def test_bars_average_seeds_and_come_by_method_then_bytes() -> None:
    confirm = {"stage": "confirm"}
    trials = pd.DataFrame(
        [
            trial_row("1", **confirm, point="big", support_bytes=9e6, test_acc1=50.0, test_acc5=80.0),
            trial_row("2", **confirm, point="big", support_bytes=9e6, test_acc1=52.0, test_acc5=84.0),
            trial_row("3", **confirm, point="none", method="none", support_bytes=0, test_acc1=40.0, test_acc5=70.0),
            trial_row("4", **confirm, point="small", support_bytes=1e3, test_acc1=45.0, test_acc5=75.0),
        ]
    )
    bars = offline_bars(trials, ["support_bytes"])
    assert [bar.point for bar in bars] == ["small", "big", "none"]
    assert bars[1].acc5.mean == pytest.approx(82)
    assert 82 - bars[1].acc5.low == pytest.approx(stats.t.ppf(0.975, 1) * 2)
    assert bars[1].acc5.high == 100  # the t interval reaches 107
    assert math.isnan(bars[0].acc1.low)
    with pytest.raises(NotEnough, match="test split"):
        offline_bars(trials.assign(test_acc1=np.nan, test_acc5=np.nan), ["support_bytes"])


# --- search ---


def test_rungs_count_survivors_and_epochs() -> None:
    trials, reports = tables(
        (trial_row("a", max_epochs=6, epochs=6), [1.0] * 6),
        (trial_row("b", max_epochs=6, epochs=2, status="stopped"), [1.0] * 2),
        (trial_row("c", max_epochs=6, epochs=1, status="diverged"), [1.0]),
        (trial_row("d", max_epochs=6, method="none"), [1.0] * 6),
    )
    found = search.rung_flow(trials, reports, [2, 4])
    assert found.ends == (2, 4, 6)
    assert found.trials == {"kmclr": 3, "none": 1}
    assert found.reached == {"kmclr": (2, 1, 1), "none": (1, 1, 1)}
    assert found.spent == {"kmclr": (5, 2, 2), "none": (2, 2, 2)}
    assert sum(map(sum, found.spent.values())) == len(reports)
    with pytest.raises(NotEnough, match="no rungs"):
        search.rung_flow(trials, reports, [])


def test_hypervolume_counts_epochs_of_all_trials_and_completed_points_only() -> None:
    early, late = "2025-01-01T00:00:10.000+00:00", "2025-01-01T01:00:00.000+00:00"
    trials, reports = tables(
        (trial_row("late", accuracy=60.0, ended=late, began="2025-01-01T00:30:00Z"), [1.0, 2.0]),
        (trial_row("early", ended=early), [1.0, 2.0]),
        (trial_row("stopped", status="stopped", ended=early), [9.0]),
    )
    objectives, corner = {"accuracy": "max", "epoch_s": "min"}, np.array([0.0, 10.0])
    trials["epoch_s"] = [4.0, 2.0, 1.0]
    found = search.hypervolume_over_time(trials, reports, objectives, corner)
    np.testing.assert_array_equal(found.epochs_spent, [3, 5])
    np.testing.assert_array_equal(found.hypervolume, [50 * 8, 50 * 8 + 10 * 6])
    np.testing.assert_array_equal(found.front, [1, 2])
    assert found.labels == ("early", "late")
    with pytest.raises(NotEnough, match="fewer than two completed"):
        search.hypervolume_over_time(trials.iloc[:1], reports, objectives, corner)


def test_agreement_matches_scipy_and_its_edges() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=30), rng.normal(size=30)
    found = search.agreement(x, y)
    assert found.tau == pytest.approx(stats.kendalltau(x, y).statistic)
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    half = stats.norm.ppf(0.975) * math.sqrt(0.437 / 26)
    assert math.atanh(found.tau_high) - math.atanh(found.tau) == pytest.approx(half)
    same = search.agreement(x, 3 * x)
    assert same.tau == pytest.approx(1)
    assert 0.9 < same.tau_low < same.tau_high == 1
    assert search.agreement(x[:6], x[:6]).tau_low < 0.8  # perfect in six trials proves little
    assert math.isnan(search.agreement(x[:4], y[:4]).tau)
    assert math.isnan(search.agreement(np.ones(9), y[:9]).tau)
    assert search.agreement([*x[:6], np.nan], [*y[:6], 1.0]).n == 6


def test_rank_agreement_compares_each_epoch_with_the_last() -> None:
    pairs = [(trial_row(f"t{i}", accuracy=float(i), max_epochs=3), [-float(i), float(i), float(i)]) for i in range(6)]
    pairs.append((trial_row("x", status="stopped"), [99.0]))
    found = search.rank_agreement(*tables(*pairs), rungs=[2])
    assert (found.stage, found.n, found.epochs, found.rungs) == ("search", 6, (1, 2), (2,))
    assert [a.tau for a in found.overall] == pytest.approx([-1, 1])
    assert set(found.by_method) == {"kmclr"}
    with pytest.raises(NotEnough, match="4 completed trials"):
        search.rank_agreement(*tables(*pairs[:4]), rungs=[2])


def test_confirmed_points_are_ranked_within_each_seed() -> None:
    """Over all trials the seeds' own levels would hide that each seed keeps the points' order."""
    pairs = [
        (trial_row(f"{s}-{i}", stage="confirm", seed=s, label=f"p{i}", accuracy=i + 50.0 * s, max_epochs=2),
         [i - 50.0 * s, i + 50.0 * s])
        for s in (0, 1) for i in range(6)
    ]  # fmt: skip
    found = search.rank_agreement(*tables(*pairs), rungs=[1])
    assert (found.stage, found.n, found.seeds) == ("confirm", 6, 2)
    assert found.overall[0].tau == pytest.approx(1)
    one = search.agreement(range(6), range(6))
    assert (found.overall[0].tau_low, found.overall[0].n) == (pytest.approx(one.tau_low), 6)


# --- prototypes ---


def test_movement_reads_the_pictures_of_the_best_trial(tmp_path) -> None:
    folder = write_results(tmp_path / "study", trials=12)
    results = load(folder)
    with pytest.raises(NotEnough, match="no pictures on record"):
        prototypes.movement(folder, results.trials)
    done = results.trials[(results.trials["method"] == "kmclr") & (results.trials["status"] == schema.COMPLETED)]
    for trial_id in done["trial_id"]:
        write_pictures(folder, trial_id, epochs=4, k=7)
    found = prototypes.movement(folder, results.trials)
    assert found.trial_id == done.sort_values("accuracy")["trial_id"].iloc[-1]
    assert [p.epoch for p in found.pictures] == [1, 2, 3, 4]
    step = np.linalg.norm(found.pictures[1].vectors - found.pictures[0].vectors, axis=1).mean()
    assert found.travelled[1] == pytest.approx(step)
    assert math.isnan(found.travelled[0])
    low, high = prototypes.limits(found.pictures)
    assert all((np.abs(p.vectors) < high).all() and low == -high for p in found.pictures)
    assert [p.epoch for p in prototypes.shown(found.pictures, 3)] == [1, 3, 4]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"schema": 1, "epoch": 1, "vectors": [[0, 1]], "sample": [[0, 1]]}', "2: field 'labels' is missing"),
        ('{"schema": 1, "epoch": 1, "vectors": [[0]], "sample": [], "labels": []}', "2: vectors and sample must be"),
        ('{"schema": 1, "epoch": 1, "vectors": [], "sample": [[0, 1]], "labels": []}', "2: 1 rows of sample need"),
        ("{", "2: not JSON"),
    ],
)
def test_a_bad_picture_names_file_and_line(tmp_path, line: str, message: str) -> None:
    path = tmp_path / "trial.jsonl"
    good = '{"schema": 1, "epoch": 1, "vectors": [], "sample": [[0, 1]], "labels": [3]}'
    path.write_text(f"{good}\n{line}\n")
    with pytest.raises(files.DamagedFile, match=rf"trial.jsonl:{message}"):
        prototypes.read_pictures(path)

"""Numbers behind the figures: against hand-computed values, closed forms and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.figure_data import training_info as training
from analysis.figure_data.common import NotEnough
from tests.helpers.figure_inputs import tables, trial_row


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


def test_a_running_trial_whose_method_is_not_on_record_has_a_curve_of_its_own() -> None:
    trials, reports = tables((trial_row("a", status="stopped"), [10.0]), (trial_row("b", method=None), [12.0, 13.0]))
    found = training.curves(trials.iloc[:1], reports, "accuracy")
    assert [c.group for c in found.curves] == ["kmclr", training.NOT_ON_RECORD]
    np.testing.assert_allclose(found.curves[1].mean, [12, 13])


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

"""Rungs and decisions of successive halving, alone and behind Ray Tune's interface."""

import numpy as np
import pytest

from study.search.scheduling import make_rungs, rung_epochs
from study.settings.config import SchedulerConfig
from tests.helpers.record_helpers import BOTH
from tests.helpers.search_helpers import point, rungs


@pytest.mark.parametrize(
    ("grace", "epochs", "eta", "expected"),
    [
        (1, 243, 3, (1, 3, 9, 27, 81)),
        (1, 1000, 10, (1, 10, 100)),
        (1, 125, 5, (1, 5, 25)),
        (10, 200, 3, (10, 30, 90)),
        (5, 5, 2, ()),
        (7, 3, 2, ()),
    ],
)
def test_rungs_are_exact_integers(grace, epochs, eta, expected) -> None:
    assert rung_epochs(grace, epochs, eta) == expected


def test_rungs_refuse_nonsense() -> None:
    with pytest.raises(ValueError, match="grace_period >= 1 and reduction_factor >= 2, got 0 and 3"):
        rung_epochs(0, 10, 3)


def test_one_objective_keeps_the_best_third() -> None:
    ladder = rungs({"accuracy": "max"})
    verdicts = [ladder.decide(f"t{i}", i, 1, {"accuracy": a}) for i, a in enumerate([50, 40, 60, 45, 55, 70])]
    # kept of n = 1, 1, 1, 2, 2, 2: best one, then best two
    assert verdicts == [True, False, True, False, True, True]


def test_between_rungs_nobody_stops_and_nothing_is_counted() -> None:
    ladder = rungs({"accuracy": "max"})
    ladder.decide("a", 0, 3, {"accuracy": 90})
    assert ladder.decide("b", 1, 2, {"accuracy": 1})
    assert ladder.decide("b", 1, 4, {"accuracy": 1})
    assert list(ladder.members) == ["0:3"]


def test_cheap_trial_is_not_killed_for_being_less_accurate() -> None:
    ladder, single = rungs(), rungs({"accuracy": "max"})
    for number, values in enumerate([point(80, 1e8), point(79, 9e7), point(78, 8e7)]):
        ladder.decide(f"t{number}", number, 1, values)
        single.decide(f"t{number}", number, 1, values)
    assert ladder.decide("cheap", 3, 1, point(40, 0))
    assert not single.decide("cheap", 3, 1, point(40, 0))


def test_whole_first_front_goes_on_and_nobody_else_beyond_a_third() -> None:
    ladder = rungs()
    front = [point(80 - i, 100.0 - 10 * i) for i in range(8)]
    assert all(ladder.decide(f"f{i}", i, 1, values) for i, values in enumerate(front))
    dominated = [ladder.decide(f"d{i}", 10 + i, 1, point(70 - i, 100.0)) for i in range(4)]
    assert dominated == [False] * 4
    assert ladder.decide("new", 20, 1, point(76.5, 65.0))


def test_dominated_points_fill_up_to_a_third() -> None:
    ladder = rungs()
    verdicts = [ladder.decide(f"t{i}", i, 1, point(a, 10.0)) for i, a in enumerate([90, 10, 20, 80, 15, 12, 70])]
    assert verdicts == [True, False, False, True, False, False, True]  # the best 1, 1, 1, 2, 2, 2, 3 of n


def test_equal_accuracies_do_not_widen_a_rung_of_one_objective() -> None:
    ladder = rungs({"accuracy": "max"})
    assert [ladder.decide(f"t{i}", i, 1, {"accuracy": 50}) for i in range(4)] == [True, False, False, False]


def test_dominated_trial_stops() -> None:
    ladder = rungs()
    ladder.decide("a", 0, 1, point(80, 100))
    assert not ladder.decide("b", 1, 1, point(70, 200))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
def test_nan_is_refused_and_leaves_no_trace(bad) -> None:
    ladder = rungs()
    assert not ladder.decide("a", 0, 1, point(bad, 1))
    assert not ladder.decide("a", 0, 2, {"accuracy": 1.0})
    assert ladder.members == {}


def test_a_repeated_report_gets_its_first_verdict() -> None:
    ladder = rungs({"accuracy": "max"})
    ladder.decide("a", 0, 1, {"accuracy": 50})
    assert not ladder.decide("b", 1, 1, {"accuracy": 40})
    assert not ladder.decide("b", 1, 1, {"accuracy": 99})
    assert len(ladder.members["0:1"]) == 2


def test_replaying_the_reports_repeats_every_decision() -> None:
    stream = [
        (f"t{i}", i, epoch, point(50 + (7 * i) % 11 + epoch, (13 * i) % 17)) for i in range(12) for epoch in (1, 3)
    ]
    first, replayed = rungs(), rungs()
    verdicts = [first.decide(*event) for event in stream]
    assert [replayed.decide(*event) for event in stream] == verdicts
    assert (replayed.members, replayed.verdicts) == (first.members, first.verdicts)
    assert "0:1: " in first.summary()


def test_hyperband_brackets_start_later() -> None:
    ladder = make_rungs(SchedulerConfig(name="hyperband", grace_period=1, reduction_factor=3), BOTH, 27)
    assert ladder.brackets == 3
    assert ladder.objectives == {"accuracy": "max"}
    for number in range(6):
        ladder.decide(f"t{number}", number, 1, point(50 - number))
    assert set(ladder.members) == {"0:1"}
    assert set(ladder.members["0:1"]) == {"t0", "t3"}


@pytest.mark.parametrize(("name", "count"), [("pareto_asha", 2), ("asha", 1), ("none", None)])
def test_make_rungs(name, count) -> None:
    ladder = make_rungs(SchedulerConfig(name=name, grace_period=2), BOTH, 20)
    assert (None if ladder is None else len(ladder.objectives)) == count
    assert ladder is None or ladder.epochs == (2, 6, 18)


def test_without_keep_front_exactly_a_third_goes_on() -> None:
    costs_NM = np.array([[i - 80.0, 100.0 - 10 * i] for i in range(9)])  # nobody dominates anybody
    assert len(rungs(keep_front=False)._kept(costs_NM)) == 3
    assert len(rungs()._kept(costs_NM)) == 9


@pytest.mark.parametrize("keep", [True, False])
def test_keep_front_comes_from_the_study(keep: bool) -> None:
    assert make_rungs(SchedulerConfig(name="pareto_asha", keep_front=keep), BOTH, 50).keep_front is keep


def test_learned_trials_are_ranked_beside_and_not_decided_about() -> None:
    first, second = rungs(), rungs()
    for name, accuracy in (("learned-0000", 80), ("learned-0001", 70), ("learned-0002", float("nan"))):
        for epoch in (1, 2):
            second.learn(name, 0, epoch, point(accuracy))
            second.learn(name, 0, epoch, point(accuracy))
    assert first.decide("t0", 0, 1, point(60))
    assert not second.decide("t0", 0, 1, point(60))
    assert second.decide("t1", 1, 1, point(90))
    assert {name: list(there) for name, there in second.members.items()} == {
        "0:1": ["learned-0000", "learned-0001", "t0", "t1"]
    }
    assert "0:1: 1/2" in second.summary()

"""The plain rule of the search benchmark: everybody pauses at one rung, and half of the epochs finish fronts."""

from __future__ import annotations

from benchmarks.search_schedulers import GO, PAUSE, STOP, FrontByFront, Promoting, Stopping
from study.search.promotion import Rule
from study.search.scheduling import Rungs

OBJECTIVES = {"accuracy": "max", "support_bytes": "min"}


def at_rung(rule: FrontByFront, number: int, accuracy: float, size: float) -> str:
    values = {"accuracy": accuracy, "support_bytes": size}
    return [rule.report(number, epoch, values) for epoch in range(1, rule.rung + 1)][-1]


def test_fronts_are_finished_in_order_once_as_much_was_spent_on_new_trials() -> None:
    rule = FrontByFront(OBJECTIVES, rung=2, epochs=6)
    assert at_rung(rule, 0, 50, 100) == PAUSE
    assert rule.promoted() is None  # 2 epochs of new trials do not pay for the 4 that finish one
    assert at_rung(rule, 1, 60, 100) == PAUSE
    assert rule.promoted() == 1  # it dominates the other
    assert rule.report(1, 3, {"accuracy": 61, "support_bytes": 100}) == GO
    assert rule.promoted() is None
    assert rule.promoted(exhausted=True) == 0
    assert rule.promoted(exhausted=True) is None


def test_rungs_stop_and_never_pause() -> None:
    rule = Stopping(Rungs({"accuracy": "max"}, 1, 3, 9))
    assert rule.report(0, 1, {"accuracy": 5.0}) == GO
    assert rule.report(1, 1, {"accuracy": 4.0}) == STOP
    assert rule.promoted(exhausted=True) is None
    assert Stopping(None).report(0, 1, {"accuracy": float("nan")}) == GO


def test_the_studys_rule_pauses_and_goes_on() -> None:
    rule = Promoting(Rule(OBJECTIVES, epochs=6, first_rung=2))
    for number in range(2):
        assert rule.promoted() is None
        rule.begun(number, {})
        verdicts = [rule.report(number, e, {"accuracy": 50.0 + number, "support_bytes": 100.0}) for e in (1, 2)]
        assert verdicts == [GO, PAUSE]
    assert rule.promoted() == 1
    assert [rule.report(1, e, {"accuracy": 60.0, "support_bytes": 100.0}) for e in (3, 4, 5, 6)] == [GO, GO, GO, PAUSE]
    assert rule.promoted(exhausted=True) == 0
    assert rule.promoted(exhausted=True) is None
    assert [trial.state for trial in rule.trials.values()] == ["running", "ended"]

"""Who goes on, and how much goes to new trials."""

import random
from collections.abc import Callable

import numpy as np
import pytest

from study.search.promotion import Draw, GoOn, Rule, Seen, gains, next_action, rungs, screening

RULE = Rule({"accuracy": "max", "support_bytes": "min"}, epochs=54, first_rung=6)


def _seen(number: int, values: list[float], cost: float, state: str = "paused", until: int = 0) -> Seen:
    reports = {e + 1: {"accuracy": v, "support_bytes": cost} for e, v in enumerate(values)}
    return Seen(number, {}, {"support_bytes": cost}, reports, state, until)


def _search(curve: Callable[[int], list[float]], budget: int, rule: Rule = RULE, limit: int = 10_000) -> list[Seen]:
    """One trial at a time until the budget is spent."""
    trials: list[Seen] = []
    while budget > 0:
        action = next_action(trials, rule, can_draw=len(trials) < limit)
        if action is None:
            break
        number = len(trials) if isinstance(action, Draw) else action.number
        if isinstance(action, Draw):
            trials.append(_seen(number, [], 10.0 ** (3 + number % 4)))
        before = max(trials[number].reports, default=0)
        assert before < action.until <= rule.epochs
        budget -= action.until - before
        state = "ended" if action.until == rule.epochs else "paused"
        cost = trials[number].known["support_bytes"]
        trials[number] = _seen(number, curve(number)[: action.until], cost, state)
    return trials


def _told(number: int) -> list[float]:
    """Curves of which early values tell the end."""
    end = 50 + 10 * random.Random(number).random()
    return [end * (1 - 0.5 ** (e + 1)) for e in range(54)]


def _untold(number: int) -> list[float]:
    """Curves of which early values tell nothing."""
    generator = random.Random(number)
    end = 50 + 10 * generator.random()
    return [end if e > 50 else 40 + 10 * random.Random(number + 1000).random() for e in range(54)]


def _finished(trials: list[Seen]) -> int:
    return sum(54 in trial.reports for trial in trials)


def test_a_search_begins_with_new_trials_and_goes_on_with_some() -> None:
    assert rungs(RULE) == [6, 18]
    assert isinstance(next_action([], RULE), Draw)
    trials = _search(_told, 8 * 54)
    assert len(trials) > 16
    assert _finished(trials) >= 2


def test_where_early_values_tell_the_end_more_goes_to_new_trials() -> None:
    told, untold = _search(_told, 24 * 54), _search(_untold, 24 * 54)
    assert screening(told, RULE)[1] > 0.6
    assert screening(untold, RULE)[1] < 0.3 or screening(untold, RULE)[0] == 54
    assert len(told) > 2 * len(untold)
    assert _finished(untold) > _finished(told)


def test_of_two_the_one_of_larger_expected_gain_goes_on() -> None:
    done = _seen(0, _told(0), 1e4, "ended")
    better, worse = _seen(1, [35.0] * 6, 1e4), _seen(2, [20.0] * 6, 1e4)
    assert next_action([done, worse, better], RULE, can_draw=False) == GoOn(1, 18)
    cheap = _seen(3, [35.0] * 6, 1e3)  # as good, and smaller
    assert next_action([done, worse, better, cheap], RULE, can_draw=False) == GoOn(3, 18)


def test_a_trial_on_its_way_to_the_end_counts_as_if_it_had_come() -> None:
    trials = [_seen(0, [20.0] * 6, 1e5), _seen(1, [40.0] * 6, 1e4), _seen(2, [39.9] * 6, 1e4)]
    alone = gains(trials, trials[2:], RULE)[0]
    trials[1] = trials[1]._replace(state="running", until=54)
    assert gains(trials, trials[2:], RULE)[0] < alone


def test_nothing_to_do_is_none() -> None:
    assert next_action([], RULE, can_draw=False) is None
    running = _seen(0, [1.0], 1e3, "running", 6)
    assert next_action([running], RULE, can_draw=False) is None


def test_trials_without_finite_values_gain_nothing_and_break_nothing() -> None:
    bad = _seen(0, [np.nan] * 6, 1e3)
    failed = Seen(1, {}, {"support_bytes": 1e3}, {}, "ended")
    good = _seen(2, [30.0] * 6, 1e4)
    assert gains([bad, failed, good], [bad, good], RULE)[0] == 0
    assert next_action([bad, failed, good], RULE, can_draw=False) == GoOn(2, 18)
    assert next_action([bad], RULE, can_draw=False) == GoOn(0, 18)


def test_every_trial_ends_when_no_new_one_may_come() -> None:
    trials = _search(_told, 10**6, limit=7)
    assert len(trials) == 7
    assert all(trial.state == "ended" for trial in trials)


def test_the_same_trials_give_the_same_action() -> None:
    trials = _search(_told, 500)
    assert next_action(trials, RULE) == next_action(list(trials), RULE)


@pytest.mark.parametrize("epochs", [1, 2, 6, 7])
def test_short_budgets_have_few_rungs_or_none(epochs: int) -> None:
    rule = RULE._replace(epochs=epochs)
    assert _search(lambda n: _told(n)[:epochs], 20 * epochs, rule)
    if epochs <= 6:
        assert next_action([], rule) == Draw(epochs)


def test_one_objective_and_two_uncertain_ones() -> None:
    one = Rule({"accuracy": "max"}, 54, 6)
    assert _finished(_search(_told, 600, one)) > 0
    both = Rule({"accuracy": "max", "epoch_s": "min"}, 54, 6)
    trials = [Seen(n, {}, {}, {6: {"accuracy": 10.0 + n, "epoch_s": 1.0 + n % 2}}, "paused") for n in range(4)]
    assert isinstance(next_action(trials, both, can_draw=False), GoOn)

"""Who goes on, and which new trials there are, by the model and by the plain rule."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from study.search.front.candidates import random_candidates
from study.search.front.propose import SCREENED
from study.search.promotion import OPENING, Draw, GoOn, Rule, Seen, next_action, rungs
from tests.helpers.front_helpers import BOTH, EPOCHS, bytes_of, curve, suggest
from trainables import dominance
from trainables.dominance import hypervolume

PLAIN = Rule(BOTH, EPOCHS, 3)
MODEL = PLAIN._replace(space=suggest, known=bytes_of)
POOL = random_candidates(suggest, np.random.default_rng(3), 200)


def _seen(number: int, params: Mapping[str, Any], values: list[float], state: str = "paused", until: int = 0) -> Seen:
    known = bytes_of(params)
    return Seen(number, params, known, {e + 1: {"accuracy": v} | known for e, v in enumerate(values)}, state, until)


def _search(rule: Rule, budget: int, limit: int = 200, curve_of: Callable[..., list[float]] = curve) -> list[Seen]:
    """One trial at a time until the budget in epochs is spent; new points at random."""
    trials: list[Seen] = []
    while budget > 0 and (action := next_action(trials, rule, can_draw=len(trials) < limit)) is not None:
        number = len(trials) if isinstance(action, Draw) else action.number
        if isinstance(action, Draw):
            trials.append(_seen(number, POOL[number].params, []))
        assert trials[number].state == "paused"
        before = max(trials[number].reports, default=0)
        assert before < action.until <= rule.epochs
        budget -= action.until - before
        values = curve_of(POOL[number].params)[: action.until]
        trials[number] = _seen(number, POOL[number].params, values, "ended" if action.until == EPOCHS else "paused")
    return trials


def _finished(trials: list[Seen]) -> list[Seen]:
    return [trial for trial in trials if EPOCHS in trial.reports]


@pytest.mark.parametrize("rule", [PLAIN, MODEL])
def test_many_begin_and_some_go_on(rule: Rule) -> None:
    assert rungs(rule) == [3, 9]
    assert next_action([], rule) == Draw(3)
    trials = _search(rule, 8 * EPOCHS)
    assert len(trials) > 10
    assert 2 <= len(_finished(trials)) < len(trials) / 2


@pytest.mark.parametrize("rule", [PLAIN, MODEL])
def test_the_front_is_better_than_of_as_many_epochs_without_pauses(rule: Rule) -> None:
    def volume(params: list[Mapping[str, Any]]) -> float:
        costs = [(-curve(p)[-1], np.log10(1 + bytes_of(p)["support_bytes"])) for p in params]
        return hypervolume(np.array(costs), (-40.0, 6.1))

    whole = [volume([c.params for c in POOL[i : i + 8]]) for i in range(0, 80, 8)]
    assert volume([t.params for t in _finished(_search(rule, 8 * EPOCHS))]) > np.mean(whole)


@pytest.mark.parametrize("rule", [PLAIN, MODEL])
def test_every_trial_ends_when_no_new_one_may_come(rule: Rule) -> None:
    trials = _search(rule, 10**6, limit=9)
    assert len(trials) == 9
    assert all(trial.state == "ended" for trial in trials)


def test_of_two_the_better_and_smaller_goes_on() -> None:
    begun = [_seen(i, c.params, curve(c.params), "ended") for i, c in enumerate(POOL[:8])]
    good, bad = {"kind": "with", "x": 0.75, "k": 30}, {"kind": "with", "x": 0.1, "k": 30}
    paused = [_seen(8, bad, curve(bad)[:3]), _seen(9, good, curve(good)[:3])]
    for rule in (PLAIN, MODEL):
        action = next_action([*begun, *paused], rule, can_draw=False)
        assert isinstance(action, GoOn)
        assert action.number == 9


@pytest.mark.parametrize("rule", [PLAIN, MODEL])
def test_nothing_to_do_is_none(rule: Rule) -> None:
    assert next_action([], rule, can_draw=False) is None
    running = _seen(0, POOL[0].params, [1.0], "running", 3)
    assert next_action([running], rule, can_draw=False) is None


@pytest.mark.parametrize("rule", [PLAIN, MODEL])
def test_trials_without_finite_values_break_nothing(rule: Rule) -> None:
    bad = _seen(0, POOL[0].params, [np.nan] * 3)
    failed = Seen(1, POOL[1].params, bytes_of(POOL[1].params), {}, "ended", failed=True)
    others = [_seen(i, POOL[i].params, curve(POOL[i].params)[:3]) for i in range(2, 10)]
    action = next_action([bad, failed, *others], rule, can_draw=False)
    assert isinstance(action, GoOn)
    assert action.number != 0
    assert next_action([bad, failed], rule, can_draw=False) == GoOn(0, EPOCHS)


def test_the_same_trials_give_the_same_action() -> None:
    trials = _search(MODEL, 6 * EPOCHS)
    assert next_action(trials, MODEL) == next_action(list(trials), MODEL)


@pytest.mark.parametrize("epochs", [1, 2, 3, 4])
def test_short_budgets_have_few_rungs_or_none(epochs: int) -> None:
    rule = PLAIN._replace(epochs=epochs)
    assert next_action([], rule) == Draw(min(3, epochs))
    assert rungs(rule) == ([3] if epochs > 3 else [])


def test_one_objective() -> None:
    rule = Rule({"accuracy": "max"}, EPOCHS, 3, space=suggest)
    assert _finished(_search(rule, 6 * EPOCHS))


def test_the_first_that_go_on_lie_on_the_fronts_at_the_rung_and_are_not_of_one_size() -> None:
    first = rungs(MODEL)[0]
    trials = [_seen(i, POOL[i].params, curve(POOL[i].params)[:first]) for i in range(SCREENED)]
    chosen = []
    for _ in range(OPENING):
        action = next_action(trials, MODEL)
        assert isinstance(action, GoOn)
        assert action.until == EPOCHS
        chosen.append(action.number)
        trials[action.number] = trials[action.number]._replace(state="running", until=action.until)
    costs = np.array([[-t.reports[first]["accuracy"], t.known["support_bytes"]] for t in trials])
    rank_N = dominance.ranks(costs)
    assert all(rank_N[i] <= min(rank_N[j] for j in range(SCREENED) if j not in chosen) for i in chosen)
    sizes = costs[chosen, 1]  # one smaller and one larger than most
    assert min(sizes) < np.median(costs[:, 1]) < max(sizes)


def test_by_the_plain_rule_too_those_that_are_wanted_go_on_first() -> None:
    large = [_seen(i, {"kind": "with", "x": 0.8, "k": 900 - i}, [50.0 + i] * 3) for i in range(6)]
    small = [_seen(6 + i, {"kind": "with", "x": 0.1, "k": 8}, [20.0 + i] * 3) for i in range(2)]
    rule = PLAIN._replace(wanted={"support_bytes": 2e4, "accuracy": 55.0})
    assert next_action([*large, *small], PLAIN, can_draw=False) == GoOn(5, EPOCHS)
    assert next_action([*large, *small], rule, can_draw=False) == GoOn(7, EPOCHS)


def test_learned_trials_open_the_model_and_no_epoch_of_theirs_is_counted() -> None:
    """With them the first trial of a search is the model's choice already, and the plain rule does not see them."""
    learned = [_seen(-1 - i, POOL[i].params, curve(POOL[i].params), "ended") for i in range(SCREENED)]
    one = [_seen(0, POOL[40].params, curve(POOL[40].params)[:3])]
    assert next_action(one, MODEL) == Draw(3), "as long as too few have reported"
    told = next_action(one, MODEL, can_draw=False, learned=learned)
    assert isinstance(told, GoOn)
    assert told.number == 0
    assert next_action([], MODEL, can_draw=False, learned=learned) is None
    assert next_action(one, PLAIN, learned=learned) == next_action(one, PLAIN)


def test_of_several_arms_the_one_goes_on_of_which_fewest_have() -> None:
    rule = MODEL._replace(arm_of=lambda point: point["kind"])
    trials = [_seen(i, POOL[i].params, curve(POOL[i].params)[: rungs(rule)[0]]) for i in range(SCREENED)]
    kinds = []
    for _ in range(OPENING):
        action = next_action(trials, rule)
        assert isinstance(action, GoOn)
        kinds.append(trials[action.number].params["kind"])
        trials[action.number] = trials[action.number]._replace(state="running", until=action.until)
    assert sorted(kinds) == ["with", "without"]

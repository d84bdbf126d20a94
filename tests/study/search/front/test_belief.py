"""What trials say of points, and what training them would be worth."""

import numpy as np
import pytest

from study.search.front.belief import FAILED, FINISHED, RUNNING, UNFINISHED, Belief, Question, Seen
from study.search.front.candidates import random_candidates
from tests.helpers.front_helpers import BOTH, EPOCHS, bytes_of, curve, seen_at, suggest

QUESTION = Question(suggest, bytes_of, BOTH, EPOCHS)
GENERATOR = np.random.default_rng(0)
POOL = random_candidates(suggest, GENERATOR, 60)


def _belief(*seen: Seen, question: Question = QUESTION) -> Belief:
    return Belief(question, seen, POOL)


def _finished(count: int) -> list[Seen]:
    return [seen_at(c.params, FINISHED) for c in POOL[:count]]


def test_bytes_are_exact_and_accuracy_is_learned() -> None:
    belief = _belief(*_finished(20))
    believed = belief.of(POOL[20:])
    exact = [np.log10(1 + bytes_of(c.point)["support_bytes"]) for c in POOL[20:]]
    np.testing.assert_allclose(believed.mean_CM[:, 1], exact)
    assert (believed.deviation_CM[:, 1] == 0).all()
    truths = [curve(c.params)[-1] for c in POOL[20:]]
    accuracies = -belief.bounded.cost(believed.mean_CM[:, 0])
    assert np.corrcoef(truths, accuracies)[0, 1] > 0.9


def test_a_stopped_trial_is_a_less_certain_observation_than_a_finished_one() -> None:
    others, own = _finished(12), POOL[30]
    finished = _belief(*others, seen_at(own.params, FINISHED)).of([own])
    stopped = _belief(*others, seen_at(own.params, UNFINISHED, 3)).of([own])
    unseen = _belief(*others).of([own])
    assert finished.deviation_CM[0, 0] < stopped.deviation_CM[0, 0] <= unseen.deviation_CM[0, 0]


def test_where_trials_fail_less_is_expected() -> None:
    failed = [Seen(c.params, FAILED) for c in POOL[20:60] if c.params["x"] > 0.7]
    believed = _belief(*_finished(20), *failed).of(POOL)
    x_C = np.array([c.params["x"] for c in POOL])
    assert believed.chance_C[x_C > 0.75].mean() < 0.5 < believed.chance_C[x_C < 0.5].mean()
    assert (_belief(*_finished(20)).of(POOL).chance_C == 1).all()


def test_a_trial_in_flight_makes_its_like_worth_less() -> None:
    seen = _finished(15)
    before = _belief(*seen)
    best = POOL[int(np.argmax(before.gains(before.of(POOL))))]
    after = _belief(*seen, Seen(best.params, RUNNING))
    assert after.gains(after.of([best]))[0] < 0.5 * before.gains(before.of([best]))[0]


def test_the_unfinished_have_a_rate_and_an_epoch_to_go_to() -> None:
    belief = _belief(*_finished(10), *(seen_at(c.params, UNFINISHED, 3) for c in POOL[10:20]))
    rate_C, until_C = belief.rates(belief.of(POOL[10:20]), 3, [3, 9])
    assert (rate_C >= 0).all()
    assert set(until_C) <= {9, EPOCHS}
    gain_C = belief.gains(belief.of(POOL[10:20]))
    assert (rate_C >= gain_C / (EPOCHS - 3) - 1e-12).all()


def test_two_uncertain_objectives() -> None:
    objectives = {"accuracy": "max", "epoch_s": "min"}
    question = Question(suggest, lambda point: {}, objectives, EPOCHS)
    seen = [s._replace(values={"epoch_s": 1.0 + s.params["x"]}) for s in _finished(15)]
    belief = _belief(*seen, question=question)
    believed = belief.of(POOL)
    assert (believed.deviation_CM > 0).all()
    gains = belief.gains(believed)
    assert (gains >= 0).all()
    assert gains.max() > 0


def test_too_few_reports_are_refused_and_nan_is_no_report() -> None:
    with pytest.raises(ValueError, match="1 trials have reported"):
        _belief(*_finished(1), Seen(POOL[5].params, UNFINISHED, [np.nan]))


WANTED = {"support_bytes": 1e5, "accuracy": 55.0}
BYTES = np.array([bytes_of(c.point)["support_bytes"] for c in POOL])


def test_only_what_lies_in_the_wanted_region_is_worth_anything() -> None:
    """Gains behind the limit of a known cost are none, and the front there does not count."""
    belief = _belief(*_finished(20), question=QUESTION._replace(wanted=WANTED))
    gain_C = belief.gains(belief.of(POOL))
    assert (gain_C[WANTED["support_bytes"] < BYTES] == 0).all()
    assert gain_C.max() > 0
    assert (belief.boxes[""].front_NM[:, 1] <= np.log10(1 + WANTED["support_bytes"]) + 1e-9).all()
    rate_C, _ = belief.rates(belief.of(POOL), 0, [3, 9])
    assert (rate_C[WANTED["support_bytes"] < BYTES] == 0).all()
    free = _belief(*_finished(20))
    assert free.gains(free.of(POOL))[WANTED["support_bytes"] < BYTES].max() > 0


def test_accuracy_counts_from_the_least_that_is_wanted_on() -> None:
    """What a point would add below it is left out: less gain than without, and none of a point surely below."""
    free, wanted = (_belief(*_finished(20), question=QUESTION._replace(wanted=w)) for w in ({}, {"accuracy": 62.0}))
    assert wanted.boxes[""].reference_M[0] == -62.0
    gain_C = wanted.gains(wanted.of(POOL))
    assert (gain_C <= free.gains(free.of(POOL)) + 1e-9).all()
    truths = np.array([curve(c.params)[-1] for c in POOL])
    assert gain_C[truths < 50].max() < 0.02 * gain_C.max()


def test_a_point_at_the_very_limit_is_worth_something() -> None:
    k = 10
    at = next(c for c in POOL if c.params["kind"] == "with")
    point = at._replace(params={**at.params, "k": k}, point={**at.point, "k": k})
    belief = _belief(*_finished(12), question=QUESTION._replace(wanted={"support_bytes": 1000.0 * k}))
    assert belief.gains(belief.of([point]))[0] > 0


def test_an_accuracy_out_of_reach_leaves_the_best_within_the_other_limits() -> None:
    question = QUESTION._replace(wanted={"support_bytes": 1e5, "accuracy": 99.9999})
    belief = _belief(*_finished(20), question=question)
    gain_C = belief.gains(belief.of(POOL))
    assert gain_C.max() > 0
    assert (gain_C[BYTES > 1e5] == 0).all()


def test_an_arm_that_another_beats_everywhere_has_a_front_of_its_own_to_gain_on() -> None:
    """Points without k cost nothing here and are better, so that on one front nothing with k gains."""
    bonus = {"with": 0.0, "without": 30.0}
    seen = [one._replace(curve=[v + bonus[one.params["kind"]] for v in one.curve]) for one in _finished(16)]
    held = np.array([c.params["kind"] == "with" for c in POOL])
    together, apart = _belief(*seen), _belief(*seen, question=QUESTION._replace(arm_of=lambda point: point["kind"]))
    gain_C, own_C = together.gains(together.of(POOL)), apart.gains(apart.of(POOL))
    assert gain_C[held].max() < 0.01 * gain_C[~held].max()
    assert own_C[held].max() > own_C[~held].max()
    assert (own_C[~held] > 0).any()
    assert set(apart.boxes) == {"with", "without"}
    assert all((box.front_NM[:, 1] > 0).all() == (arm == "with") for arm, box in apart.boxes.items())

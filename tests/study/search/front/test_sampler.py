"""The sampler as Optuna sees it."""

import warnings

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from study.search.front.belief import FAILED, RUNNING, UNFINISHED, Question
from study.search.front.sampler import FrontSampler
from tests.helpers.front_helpers import BOTH, EPOCHS, bytes_of, curve, suggest
from trainables.dominance import hypervolume

QUESTION = Question(suggest, bytes_of, BOTH, EPOCHS)


def _search(count: int, seed: int = 0, question: Question = QUESTION, ends=lambda number: EPOCHS):
    """One trial at a time; trials with fewer epochs than all are stopped, with none they fail."""
    study, reports = optuna.create_study(directions=["maximize", "minimize"]), {}
    for number in range(count):
        study.sampler = FrontSampler(question, seed=1000 * seed + number, reports=dict(reports), startup_trials=5)
        trial = study.ask()
        point = question.space(trial)
        values = curve(point)[: ends(number)]
        reports[trial.number] = [{"accuracy": v} | bytes_of(point) for v in values]
        if len(values) == EPOCHS:
            study.tell(trial, [values[-1], bytes_of(point)["support_bytes"]])
        else:
            study.tell(trial, state=TrialState.PRUNED if values else TrialState.FAIL)
    return study


def test_the_same_history_gives_the_same_draws_and_other_seeds_others() -> None:
    first, again, other = _search(9), _search(9), _search(9, seed=1)
    assert [t.params for t in first.trials] == [t.params for t in again.trials]
    assert [t.params for t in first.trials[5:]] != [t.params for t in other.trials[5:]]


def _volume(study: optuna.Study) -> float:
    costs = [(-t.values[0], np.log10(1 + t.values[1])) for t in study.trials if t.values]
    return hypervolume(np.array(costs), (-40.0, 6.1))


def test_it_finds_more_than_random_draws() -> None:
    random = optuna.create_study(directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        trial = random.ask()
        point = suggest(trial)
        random.tell(trial, [curve(point)[-1], bytes_of(point)["support_bytes"]])
    assert _volume(_search(20)) > _volume(random)


def test_stopped_and_failed_trials_are_no_obstacle() -> None:
    study = _search(14, ends=lambda number: {0: EPOCHS, 1: 3, 2: EPOCHS, 3: 0}[number % 4])
    assert len({repr(t.params) for t in study.trials}) == 14
    assert all(("k" in t.params) == (t.params["kind"] == "with") for t in study.trials)


def test_where_no_model_can_be_fitted_the_fallback_draws_with_one_line() -> None:
    def flat(trial):
        return {"x": trial.suggest_float("x", 0, 1)}

    study = optuna.create_study(directions=["maximize", "minimize"])
    reports = {}
    for number in range(4):
        trial = study.ask()
        flat(trial)
        study.tell(trial, [50.0, 0.0])
        reports[number] = [{"accuracy": 50.0}] * EPOCHS
    tpe = optuna.samplers.TPESampler(seed=0)
    question = Question(flat, lambda point: {"support_bytes": 0.0}, BOTH, EPOCHS)
    study.sampler = FrontSampler(question, seed=0, reports=reports, startup_trials=2, fallback=tpe)
    trial = study.ask()
    with pytest.warns(UserWarning, match="^search.sampler: front has no model, so TPE draws: ") as caught:
        point = flat(trial)
    assert 0 <= point["x"] <= 1
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)


def test_before_trials_have_reported_the_draw_is_random() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(_search(3).trials) == 3


def test_a_trial_at_a_rung_is_paused_and_does_not_count_as_one_that_will_be_there() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    trial = study.ask()
    point = suggest(trial)
    for epochs, state in ((3, UNFINISHED), (4, RUNNING), (9, UNFINISHED)):
        reports = {0: [{"accuracy": value} for value in curve(point)[:epochs]]}
        sampler = FrontSampler(QUESTION, seed=0, reports=reports, rungs=[3, 9])
        assert sampler._seen(study.trials[0]).state == state
    study.tell(trial, state=TrialState.FAIL)
    assert sampler._seen(study.trials[0]).state == FAILED

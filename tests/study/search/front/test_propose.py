"""Which point is next, and whether a paused trial is worth more."""

import numpy as np
import pytest

from study.search.front.belief import FINISHED, UNFINISHED, Question
from study.search.front.candidates import random_candidates
from study.search.front.propose import decide, propose
from tests.helpers.front_helpers import BOTH, EPOCHS, bytes_of, seen_at, suggest

QUESTION = Question(suggest, bytes_of, BOTH, EPOCHS)
POOL = random_candidates(suggest, np.random.default_rng(0), 40)
SEEN = [seen_at(c.params, FINISHED) for c in POOL[:12]]


def test_a_proposal_is_new_and_the_same_for_the_same_seed() -> None:
    first, second = (propose(QUESTION, SEEN, 0)[0].candidate for _ in range(2))
    assert first == second
    assert first.params not in [c.params for c in POOL[:12]]


def test_proposals_are_better_than_chance() -> None:
    _, belief = propose(QUESTION, SEEN, 0)
    drawn = [propose(QUESTION, SEEN, seed)[0].candidate for seed in range(4)]
    assert min(belief.gains(belief.of(drawn))) > np.quantile(belief.gains(belief.of(POOL)), 0.95)


def test_a_space_of_points_that_were_all_tried_has_no_proposal() -> None:
    def small(trial):
        return {"x": trial.suggest_categorical("x", [0.0, 0.3, 0.9])}

    tried = [seen_at({"x": x}, FINISHED) for x in (0.0, 0.3, 0.9)]
    with pytest.raises(ValueError, match="no point is expected to gain anything"):
        propose(Question(small, bytes_of, BOTH, EPOCHS), tried, 0)


def test_of_two_paused_trials_the_better_and_smaller_one_goes_on() -> None:
    paused = [seen_at({"kind": "with", "x": x, "k": 30}, UNFINISHED, 3) for x in (0.1, 0.75)]
    action = decide(QUESTION, [*SEEN, *paused], [12, 13], 0, [3, 9], room=False)
    assert action.paused == 13
    assert action.until in (9, EPOCHS)


def test_without_pauses_and_rungs_a_new_trial_runs_to_the_end() -> None:
    assert decide(QUESTION, SEEN, [], 0, []) == (None, EPOCHS)


def test_too_few_reports_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        decide(QUESTION, SEEN[:3], [], 0, [3])


def test_proposals_lie_in_the_wanted_region_and_are_not_those_of_another_one() -> None:
    wanted = QUESTION._replace(wanted={"support_bytes": 2e4, "accuracy": 50.0})
    drawn = [propose(wanted, SEEN, seed)[0].candidate for seed in range(3)]
    assert all(bytes_of(c.point)["support_bytes"] <= 2e4 for c in drawn)
    other = QUESTION._replace(wanted={"support_bytes": 5e5, "accuracy": 60.0})
    assert propose(other, SEEN, 0)[0].candidate != drawn[0]


def test_a_paused_trial_outside_of_the_wanted_region_waits() -> None:
    paused = [seen_at({"kind": "with", "x": 0.75, "k": k}, UNFINISHED, 3) for k in (900, 8)]
    wanted = QUESTION._replace(wanted={"support_bytes": 2e4})
    assert decide(wanted, [*SEEN, *paused], [12, 13], 0, [3, 9], room=False).paused == 13

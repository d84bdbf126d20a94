"""What the confirm stage runs."""

from __future__ import annotations

import numpy as np
import pytest

from study.record.learned import as_end
from study.search import stages
from tests.helpers.engine_helpers import BASELINES, KINDS_OF_OBJECTIVES, make_study
from tests.helpers.learning_inputs import POINTS, end_of, learned_lines
from trainables import dominance

OBJECTIVES = KINDS_OF_OBJECTIVES["support"]


def test_confirm_takes_the_front_and_the_baselines() -> None:
    def end(number, accuracy, size, status="completed", baseline=False):
        metrics = {"accuracy": accuracy, "support_bytes": size}
        base = {
            "stage": "search",
            "trial_id": f"s{number}",
            "number": number,
            "params": dict(BASELINES[0]),
            "label": f"p{number}",
            "method": "kmclr",
        }
        return base | {"metrics": metrics, "status": status, "baseline": baseline}

    ends = [end(0, 50, 10, baseline=True), end(1, 60, 10), end(2, 70, 20), end(3, 99, 1, "stopped")]
    ends += [end(4, 65, 15), end(5, 5, 90, "stopped", baseline=True)]
    assert [e["trial_id"] for e in stages.confirm_points(ends, OBJECTIVES, 8)] == ["s2", "s4", "s1", "s0", "s5"]
    assert [e["trial_id"] for e in stages.confirm_points(ends, OBJECTIVES, 2)] == ["s2", "s1", "s0", "s5"]
    assert stages.confirm_points([], OBJECTIVES, 2) == []
    expected = {"s0": (-50.0, 10.0), "s1": (-66.0, 10.0), "s2": (-65.0, 20.0)}  # s4 is not in the space
    assert [e["trial_id"] for e in stages.confirm_points(ends, OBJECTIVES, 8, (), expected)] == ["s1", "s0", "s5"]
    assert [e["trial_id"] for e in stages.confirm_points(ends, OBJECTIVES, 8, ["s4"], {})] == ["s0", "s5", "s4"]
    study = make_study(confirm={"seeds": (7, 8), "epochs": 20})
    tasks = stages.confirm_tasks(study, ends[1:3])
    assert [(t.trial_id, t.point, t.seed, t.max_epochs) for t in tasks] == [
        ("confirm-0001-7", "s1", 7, 20),
        ("confirm-0002-7", "s2", 7, 20),
        ("confirm-0001-8", "s1", 8, 20),
        ("confirm-0002-8", "s2", 8, 20),
    ]
    assert tasks[0].run["seed"] == 7


METHOD_ENDS = [
    ("none", 90, 0, False),  # beats everything: the one front is this point
    ("none", 80, 0, True),
    ("kmclr", 70, 10, False),
    ("kmclr", 75, 20, True),
    ("kmclr", 78, 30, False),
    ("kmclr", 77, 40, False),
    ("kmclr", 79, 50, False),
    ("nnclr", 76, 100, False),
    ("nnclr", 74, 200, False),
]


def method_ends(rows=METHOD_ENDS) -> list[dict]:
    return [
        {"stage": "search", "trial_id": f"s{n}", "number": n, "params": {}, "label": f"p{n}", "method": method,
         "metrics": {"accuracy": accuracy, "support_bytes": size}, "status": "completed", "baseline": baseline}
        for n, (method, accuracy, size, baseline) in enumerate(rows)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("most", "chosen"),
    [
        (1, ["s0"]),
        (2, ["s0", "s6"]),
        (3, ["s0", "s6", "s7"]),
        (4, ["s0", "s6", "s7", "s2"]),
        (8, ["s0", "s6", "s4", "s7", "s2"]),  # s5 is worse than s4 at more bytes, s8 than s7
    ],
)
def test_each_method_confirms_its_own_front_in_turns(most: int, chosen: list[str]) -> None:
    """Baselines (s1, and s3 on its method's front) take no place; the number is for all methods together."""
    found = stages.confirm_points(method_ends(), OBJECTIVES, most, per_method=True)
    assert [e["trial_id"] for e in found] == [*chosen, "s1", "s3"]
    one = stages.confirm_points(method_ends(), OBJECTIVES, most)
    assert [e["trial_id"] for e in one] == ["s0", "s1", "s3"]


def test_methods_take_no_more_places_than_there_are_each_with_its_best_on_its_own_front() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        names = rng.choice(["none", "kmclr", "nnclr"], 12).tolist()
        rows = [(name, *rng.integers(50, 60, 2).tolist(), False) for name in names]
        ends, most = method_ends(rows), int(rng.integers(3, 8))
        found = stages.confirm_points(ends, OBJECTIVES, most, per_method=True)
        assert len({e["trial_id"] for e in found}) == len(found) <= most
        for method in set(names):
            own = [e for e in ends if e["method"] == method]
            mine = [e for e in found if e["method"] == method]
            assert max(e["metrics"]["accuracy"] for e in own) in [e["metrics"]["accuracy"] for e in mine]
            assert all(e in dominance.front(own, OBJECTIVES) for e in mine)


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ({"support_bytes": 30.0}, ["s0", "s4", "s2"]),
        ({"support_bytes": 30.0, "accuracy": 75.0}, ["s0", "s4"]),
        ({"support_bytes": 50.0, "accuracy": 78.0}, ["s0", "s6", "s4"]),
        ({"accuracy": 99.0}, ["s0", "s6", "s4", "s7", "s2"]),  # none is that good, so all count
        ({}, ["s0", "s6", "s4", "s7", "s2"]),
    ],
)
def test_where_the_search_has_found_what_is_wanted_that_alone_is_confirmed(wanted, chosen) -> None:
    found = stages.confirm_points(method_ends(), OBJECTIVES, 8, per_method=True, wanted=wanted)
    assert [e["trial_id"] for e in found] == [*chosen, "s1", "s3"]


def test_learned_trials_are_chosen_from_unless_the_search_has_trained_their_point(monkeypatch) -> None:
    study = make_study(baselines=(POINTS[0], POINTS[4]))
    learned = [as_end(line) for line in learned_lines(monkeypatch, study)]
    own = [end_of(0, POINTS[1]), end_of(1, POINTS[4], baseline=True)]
    found = stages.to_choose_from(study, own, learned)
    assert [(end["trial_id"], end["baseline"]) for end in found] == [
        ("search-0000", False),
        ("search-0001", True),
        ("learned-0000", True),
        ("learned-0002", False),
        ("learned-0003", False),
    ]
    stopped = stages.to_choose_from(study, own[:1], learned)
    assert "learned-0004" not in [end["trial_id"] for end in stopped], "a baseline runs to its end"
    (task,) = stages.confirm_tasks(make_study(confirm={"seeds": [7]}), found[2:3])
    assert (task.trial_id, task.point) == ("confirm-learned-0000-7", "learned-0000")
    assert stages.point_of(task.trial_id) == "learned-0000"
    assert stages.point_of("confirm-0012-7") == "search-0012"

"""Steps from one point to another: one parameter at a time, what comes and goes with a switch, what cannot be run."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from study.search import path as paths
from study.search.path import Change, changes, moves, switched, walk
from study.settings import space
from tests.helpers.engine_helpers import LOG_SIZES, make_study
from trainables.settings.edge import ConfigError

SPACE = {
    "method": ("kmclr", "nnclr", "none"),
    "temperature": {"low": 0.05, "high": 0.5, "log": True},
    **LOG_SIZES,
    "prototype_update": ("count", "ema"),
    "forget_every": (1, 3, 10),
    "half_life": {"low": 1.0, "high": 100.0, "log": True},
}
STUDY = make_study(space=SPACE)
NONE = {"method": "none", "temperature": 0.2}
KMCLR = {"method": "kmclr", "k": 98, "prototype_update": "ema", "half_life": 7.0, "temperature": 0.11}


def first(points: Sequence[Any]) -> int:
    return 0


def test_what_applies_to_the_target_s_method_comes_with_it_at_its_default() -> None:
    path = walk(STUDY, NONE, KMCLR, first)
    assert path[0] == paths.Step(NONE, ())
    usual = {name: space.base_value(STUDY, name) for name in ("k", "prototype_update", "forget_every")}
    assert path[1].params == {**NONE, "method": "kmclr", **usual}
    assert path[1].changes[0] == Change("method", "none", "kmclr")
    assert set(path[1].changes[1:]) == {Change(name, None, value) for name, value in usual.items()}
    assert path[-1].params == KMCLR
    switch = next(step for step in path if step.changes and step.changes[0].name == "prototype_update")
    assert Change("forget_every", usual["forget_every"], None) in switch.changes
    assert Change("half_life", None, space.base_value(STUDY, "half_life")) in switch.changes


def test_a_support_set_goes_with_its_method() -> None:
    nnclr = {"method": "nnclr", "queue_size": 512, "temperature": 0.2}
    (step,) = walk(STUDY, nnclr, NONE, first)[1:]
    assert step.changes == (Change("method", "nnclr", "none"), Change("queue_size", 512, None))


def test_nothing_that_the_target_lacks_is_moved_and_each_step_is_a_whole_point() -> None:
    generator = np.random.default_rng(3)
    ends = [space.random_point(STUDY, generator) for _ in range(12)]
    for start, target in itertools.permutations(ends, 2):
        path = walk(STUDY, start, target, lambda points: int(generator.integers(len(points))))
        assert (path[0].params, path[-1].params) == (start, target)
        for before, after in itertools.pairwise(path):
            assert after.params == space.fill(STUDY, after.params.__getitem__)
            assert after.changes == changes(before.params, after.params, after.changes[0].name)
            assert sum(one.before is not None and one.after is not None for one in after.changes) == 1
        keys = [tuple(sorted(map(str, step.params.items()))) for step in path]
        assert len(set(keys)) == len(keys)


def test_the_best_of_the_next_points_is_taken() -> None:
    start, target = {**NONE, "method": "kmclr", "k": 50, "prototype_update": "count", "forget_every": 1}, dict(KMCLR)
    offered = []

    def hottest_last(points: Sequence[Any]) -> int:
        offered.append([set(point.items()) - set(start.items()) for point in points])
        return max(range(len(points)), key=lambda i: points[i]["temperature"] == 0.2)

    path = walk(STUDY, start, target, hottest_last)
    assert path[-1].changes == (Change("temperature", 0.2, 0.11),)
    assert len(offered[0]) == 3
    assert [len(points) for points in offered] == [3, 2, 2, 1]


def test_points_that_cannot_be_run_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    start = {**NONE, "method": "kmclr", "k": 50, "prototype_update": "count", "forget_every": 1}
    target = {**start, "k": 98, "temperature": 0.11}

    def refuse(barred):
        def to_run(study, point, **more):
            if barred(point):
                raise ConfigError("excluded")

        monkeypatch.setattr(paths.space, "to_run", to_run)

    refuse(lambda point: point["k"] == 98 and point["temperature"] == 0.2)
    assert [step.changes[0].name for step in walk(STUDY, start, target, first)[1:]] == ["temperature", "k"]
    refuse(lambda point: point != target)
    (step,) = walk(STUDY, start, target, first)[1:]
    assert step.changes == (Change("temperature", 0.2, 0.11), Change("k", 50, 98))


def test_moves_of_equal_points_are_none() -> None:
    assert moves(STUDY, KMCLR, KMCLR) == []
    assert len(walk(STUDY, KMCLR, dict(KMCLR), first)) == 1
    assert switched(STUDY, NONE, "temperature", 0.3) == {"method": "none", "temperature": 0.3}

"""Whose fault the loss of a process is, and how often a trial is forgiven."""

from __future__ import annotations

import inspect
import pickle

import pytest
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import ActorDiedError, NodeDiedError, OutOfMemoryError, RayTaskError

from study import schema
from study.tune import lives
from study.tune.lives import Lives, Verdict
from study.tune.ray_internals import ProcessLost, losses_reach_the_trial, node_of

DIED = ActorDiedError()
SAID = "Memory on the node (IP: 127.0.0.1) was {used}GB used / 23.54GB limit (0.95)\npid=1, actual memory used={held}GB"


def by_monitor(used: float, held: float) -> ProcessLost:
    return ProcessLost(
        OutOfMemoryError(
            "1 worker(s) were killed due to the node running low on memory. " + SAID.format(used=used, held=held)
        )
    )


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def make(clock):
    def made(max_failures: int = 2, dead=(), judge_s: float = 0.0) -> Lives:
        return Lives(max_failures, lambda: dead, judge_s, clock=lambda: clock[0])

    return made


def test_losses_of_its_own_are_forgiven_as_often_as_the_study_says(make) -> None:
    of_all = make(max_failures=2)
    verdicts = [of_all.lost("a", DIED, "node", alone=True) for _ in range(3)]
    assert verdicts == [Verdict.GO_ON, Verdict.GO_ON, Verdict.GIVE_UP]
    assert of_all.end_of("a") == (schema.FAILED, f"the trial's process died: ActorDiedError: {DIED}")
    assert of_all.lost("b", DIED, "node", alone=True) is Verdict.GO_ON
    assert of_all.end_of("b") is None
    assert of_all.end_of("c") is None


def test_what_happened_on_a_node_that_is_dead_is_forgotten(make, clock) -> None:
    """A node is dead for its trials before Ray says so: nobody is given up in between."""
    dead: list[str] = []
    of_all = make(max_failures=1, dead=dead, judge_s=60)
    assert of_all.lost("a", DIED, "lost", alone=False) is Verdict.GO_ON
    assert of_all.lost("a", DIED, "lost", alone=False) is Verdict.WAIT
    clock[0] = 59
    assert of_all.verdict("a") is Verdict.WAIT
    dead.append("lost")
    assert of_all.verdict("a") is Verdict.GO_ON
    assert of_all.lost("a", DIED, "other", alone=False) is Verdict.GO_ON
    assert of_all.lost("a", DIED, "other", alone=False) is Verdict.WAIT
    clock[0] = 120
    assert of_all.verdict("a") is Verdict.GIVE_UP


def test_losses_where_nobody_knows_count(make) -> None:
    of_all = make(max_failures=0, dead=["lost"])
    assert of_all.lost("a", DIED, None, alone=True) is Verdict.GIVE_UP


def test_a_neighbour_s_memory_uses_up_no_life(make, clock) -> None:
    of_all = make(max_failures=0)
    waited = []
    for _ in range(40):
        assert of_all.lost("a", by_monitor(used=20, held=0.5), None, alone=False) is Verdict.WAIT
        begun = clock[0]
        while of_all.verdict("a") is Verdict.WAIT:
            clock[0] += 1
        assert of_all.verdict("a") is Verdict.GO_ON
        waited.append(clock[0] - begun)
    assert waited[:4] == [5, 10, 20, 40]
    assert max(waited) == lives.LONGEST_WAIT_S
    assert of_all.end_of("a") is None
    assert of_all.lost("a", DIED, None, alone=False) is Verdict.GIVE_UP  # that is another matter


@pytest.mark.parametrize(
    ("held", "alone", "times"), [(15.0, False, lives.OWN_KILLS), (15.0, True, 3), (0.5, True, lives.ALONE_KILLS)]
)
def test_a_trial_that_needs_too_much_itself_is_out_of_memory(make, held, alone, times) -> None:
    of_all = make(max_failures=100)
    error = by_monitor(used=20, held=held)
    assert [of_all.lost("a", error, None, alone=alone) for _ in range(times)] == [
        *[Verdict.WAIT] * (times - 1),
        Verdict.GIVE_UP,
    ]
    status, text = of_all.end_of("a")
    assert status == schema.OUT_OF_MEMORY
    assert text.startswith("out of memory: shrink train.batch_size")
    assert f"ended its process {times} times without an epoch in between" in text


def test_a_new_epoch_in_between_makes_up_for_it(make) -> None:
    of_all = make()
    for _ in range(20):
        assert of_all.lost("a", by_monitor(used=20, held=19), None, alone=True) is Verdict.WAIT
        assert of_all.lost("a", by_monitor(used=20, held=19), None, alone=True) is Verdict.WAIT
        of_all.went_on("a")
    of_all.went_on("never lost")


def test_memory_is_known_by_kind_and_by_words() -> None:
    assert lives.by_memory(by_monitor(20, 1))
    assert lives.by_memory(RuntimeError("Worker exit type: NODE_OUT_OF_MEMORY Worker exit detail: ..."))
    assert not lives.by_memory(DIED)
    assert not lives.by_memory(None)
    assert lives.share_of_memory(by_monitor(20, 5)) == 0.25
    assert lives.share_of_memory(RuntimeError("low on memory")) == 0.0


def test_a_study_that_stops_judges_nobody(make) -> None:
    of_all = make(max_failures=0)
    of_all.close()
    assert of_all.lost("a", DIED, None, alone=True) is Verdict.GO_ON
    assert of_all.end_of("a") is None


@pytest.mark.parametrize(
    ("method", "whose"), [("_actor_task_failed", "tracked_actor_task"), ("_actor_start_failed", "tracked_actor")]
)
@pytest.mark.parametrize("error", [OutOfMemoryError("low on memory"), NodeDiedError("gone"), RuntimeError("strange")])
def test_tune_takes_every_error_of_a_process_for_its_trial_s(monkeypatch, method, whose, error) -> None:
    """Left alone, Tune ends the whole run for those that it does not know."""
    told = []
    assert list(inspect.signature(getattr(RayActorManager, method)).parameters) == ["self", whose, "exception"]
    monkeypatch.setattr(RayActorManager, method, lambda self, exception, **whose: told.append((exception, whose)))
    with losses_reach_the_trial():
        for one in (error, DIED, RayTaskError("f", "traceback", ValueError("x"))):
            getattr(RayActorManager, method)(None, exception=one, **{whose: "actor"})
    getattr(RayActorManager, method)(None, exception=error)
    assert [type(one) for one, _ in told] == [ProcessLost, ActorDiedError, RayTaskError, type(error)]
    assert told[0][0].cause is error
    assert told[0][1] == {whose: "actor"}
    again = pickle.loads(pickle.dumps(told[0][0]))
    assert (type(again.cause), str(again)) == (type(error), str(error))


def test_an_error_without_an_actor_has_no_node() -> None:
    assert node_of(ValueError("x")) is None
    assert node_of(None) is None

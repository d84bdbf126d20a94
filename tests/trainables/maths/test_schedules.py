"""Learning-rate and momentum schedules: their ends, their joints, and no rise after the end."""

import itertools
import math

import pytest

from trainables.maths.schedules import cosine_momentum, warmup_cosine


def rates(total: int, warmup: int, base: float = 0.4) -> list[float]:
    return [warmup_cosine(step, warmup_steps=warmup, total_steps=total, base=base) for step in range(total + 1)]


def test_warmup_is_linear_and_reaches_the_base():
    curve = rates(100, 10)
    assert curve[:10] == pytest.approx([0.04 * (step + 1) for step in range(10)])
    assert curve[10] == pytest.approx(0.4)


def test_cosine_falls_monotonically_to_exactly_zero():
    curve = rates(100, 10)
    assert all(a > b for a, b in itertools.pairwise(curve[10:]))
    assert curve[55] == pytest.approx(0.2)  # half-way
    assert curve[-1] == 0.0
    assert curve[-2] == pytest.approx(0.2 * (1 + math.cos(math.pi * 89 / 90)))


def test_without_warmup_starts_at_the_base():
    assert rates(10, 0)[0] == 0.4


@pytest.mark.parametrize("total", [1, 5])
def test_warmup_longer_than_the_run_does_not_divide_by_zero(total):
    curve = rates(total, 5)
    assert curve[:-1] == pytest.approx([0.08 * (step + 1) for step in range(total)])
    assert curve[-1] == 0.0


@pytest.mark.parametrize("step", [-1, 11])
def test_a_step_outside_the_schedule_is_refused(step):
    # The original study ran 510 epochs on a schedule for 500, and its rate rose again.
    with pytest.raises(ValueError, match=f"step must be in 0..10.*got {step}"):
        warmup_cosine(step, warmup_steps=2, total_steps=10, base=0.1)
    with pytest.raises(ValueError, match=f"step must be in 0..10.*got {step}"):
        cosine_momentum(step, 10, 0.99)


def test_momentum_rises_from_start_to_one():
    curve = [cosine_momentum(step, 20, 0.99) for step in range(21)]
    assert curve[0] == pytest.approx(0.99)
    assert curve[10] == pytest.approx(0.995)
    assert curve[20] == 1.0
    assert all(a < b for a, b in itertools.pairwise(curve))

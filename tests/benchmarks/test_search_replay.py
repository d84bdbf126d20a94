"""The replay behind the search benchmark: what it spends, what it counts, and two of the worlds it runs in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.search_replay import Asker, Recorded, Score, rank_correlations, replay
from benchmarks.search_schedulers import FrontByFront, Stopping
from benchmarks.synthetic_curves import Synthetic, final_accuracy
from study.search.scheduling import Rungs

HEAD = "method,size,temperature,forget_every,seed,epoch,accuracy,support_bytes\n"
ROWS = [("none", 0, 40, 0), ("kmclr", 5, 60, 100), ("kmclr", 50, 70, 1000), ("kmclr", 500, 50, 10000)]


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """Four points of four epochs; the last is dominated."""
    rows = [f"{m},{s},0.2,1,0,{e},{a + e},{b}" for m, s, a, b in ROWS for e in (1, 2, 3, 4)]
    (tmp_path / "curves.csv").write_text(HEAD + "\n".join(rows) + "\n")
    return Recorded(tmp_path / "curves.csv")


def finished(world, rungs, budget=100) -> tuple[list, int]:
    return ended(world, Stopping(rungs), budget)


def ended(world, scheduler, budget=100, workers=2) -> tuple[list, int]:
    events = list(replay(world, Asker(world, None, seed=0), scheduler, budget, workers))
    return [event for event in events if event is not None], len(events)


def test_a_table_is_walked_once_and_every_epoch_is_paid(recorded) -> None:
    found, spent = finished(recorded, None)
    assert (len(found), len({p for p, _ in found})) == (4, 4)
    assert spent == 16
    assert len(finished(recorded, None, budget=8)[0]) == 2


def test_stopped_points_do_not_count(recorded) -> None:
    rungs = Rungs({"accuracy": "max", "support_bytes": "min"}, 1, 3, 4)
    found, _ = finished(recorded, rungs)
    assert {("kmclr", 5, 0.2, 1), ("none", 0, 0.2, 1)} <= {p for p, _ in found}


def test_share_is_one_for_the_front_and_nought_for_nothing(recorded) -> None:
    score = Score(recorded, recorded.grid())
    assert score([]) == 0
    assert score(
        [(p, a) for p, a in zip(recorded.grid(), recorded.truths(recorded.grid())[:, 0], strict=True)]
    ) == pytest.approx(1)
    assert 0 < score([(("kmclr", 5, 0.2, 1), 64.0)]) < 1


def test_a_front_chosen_by_luck_is_scored_by_the_truth(recorded) -> None:
    score = Score(recorded, recorded.grid())
    good, bad = ("kmclr", 5, 0.2, 1), ("none", 0, 0.2, 1)
    assert score([(good, 64.0), (bad, 99.0)]) == score([(bad, 44.0)])


def test_bad_tables_are_refused(tmp_path: Path, recorded) -> None:
    with pytest.raises(ValueError, match=r"curves\.csv: no point of byol"):
        Recorded(tmp_path / "curves.csv", ["byol"])
    (tmp_path / "uneven.csv").write_text(HEAD + "none,0,0.2,0,0,1,5,0\nnone,0,0.2,0,0,2,6,0\nkmclr,5,0.2,1,0,1,5,9\n")
    with pytest.raises(ValueError, match=r"different lengths, \[1, 2\] epochs"):
        Recorded(tmp_path / "uneven.csv")


def test_synthetic_world_repeats_and_meets_its_anchors() -> None:
    world = Synthetic(0, epochs=27, early=2.0)
    point = world.random(1)[0]
    np.testing.assert_array_equal(world.curve(point), Synthetic(0, epochs=27, early=2.0).curve(point))
    base = {"method": "kmclr", "prototype_update": "count", "forget_every": 3}
    at_best = [final_accuracy({**base, "k": k, "temperature": 0.1 * (400 / k) ** 0.15}) for k in (50, 200, 400)]
    assert at_best == pytest.approx([54.7, 56.1, 56.9], abs=0.4)


def test_less_early_deviation_makes_rungs_foretell_better() -> None:
    calm, wild = (Synthetic(0, epochs=27, early=early) for early in (0.0, 40.0))
    points = calm.random(80)
    assert rank_correlations(calm, points, [3])[0] > rank_correlations(wild, points, [3])[0] + 0.2
    assert rank_correlations(calm, points, [27]) == pytest.approx([1.0])


def test_paused_points_go_on_from_where_they_were(recorded) -> None:
    objectives = {"accuracy": "max", "support_bytes": "min"}
    found, spent = ended(recorded, FrontByFront(objectives, rung=1, epochs=4), workers=1)
    assert (len(found), spent) == (4, 16)
    found, _ = ended(recorded, FrontByFront(objectives, rung=1, epochs=4), budget=12, workers=1)
    assert ("kmclr", 500, 0.2, 1) not in {p for p, _ in found}  # the dominated one is finished last


def test_the_number_of_workers_changes_the_order_and_not_the_price(recorded) -> None:
    for workers in (1, 2, 3):
        found, spent = ended(recorded, Stopping(None), workers=workers)
        assert (len(found), spent) == (4, 16)

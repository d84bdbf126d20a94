"""What Ray Tune runs next."""

from __future__ import annotations

import pickle

from study.record.task import from_config
from study.search.turns import Later
from study.tune.feed import Feed
from tests.helpers.record_helpers import task


def test_waiting_tasks_come_first_then_what_is_drawn() -> None:
    drawn = [task(1), None]
    feed = Feed([task(0)], lambda: drawn.pop(0))
    assert from_config(feed.suggest("x")) == task(0)
    assert not feed.empty  # draws, and keeps what it drew
    assert from_config(feed.suggest("y")) == task(1)
    assert feed.suggest("z") == "FINISHED"


def test_a_list_of_tasks_ends() -> None:
    feed = Feed([task(0)])
    assert not feed.empty
    assert from_config(feed.suggest("x")) == task(0)
    assert feed.empty
    assert feed.suggest("y") == "FINISHED"


def test_tune_s_snapshots_hold_nothing_of_it(tmp_path) -> None:
    feed = Feed([task(0)], lambda: None)
    assert len(pickle.dumps(feed)) < 200
    feed.save(str(tmp_path / "searcher"))
    assert (tmp_path / "searcher").read_bytes() == b""


def test_nothing_begins_while_it_is_paused() -> None:
    feed = Feed([task(0)])
    feed.paused = lambda: True
    assert feed.suggest("x") is None  # Tune asks again
    assert not feed.empty
    feed.paused = lambda: False
    assert from_config(feed.suggest("x")) == task(0)


def test_no_more_than_at_once_are_out_where_the_next_depends_on_them() -> None:
    asked: list[int] = []

    def draw():
        asked.append(len(asked))
        if len(asked) == 3:
            raise Later
        return task(len(asked))

    feed = Feed([], draw, at_once=2)
    assert from_config(feed.suggest("x")) == task(1)
    assert from_config(feed.suggest("y")) == task(2)
    assert feed.suggest("z") is None
    assert asked == [0, 1]  # it was not asked
    feed.on_trial_complete("x")
    assert feed.suggest("z") is None  # asked, and told to wait
    assert from_config(feed.suggest("z")) == task(4)

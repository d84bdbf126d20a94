"""The Optuna database of a folder, and the seeds of draws."""

from __future__ import annotations

import sqlite3

import optuna

from study import schema
from study.search.optuna_mirror import Mirror
from study.search.optuna_storage import draw_seed, healthy, open_storage
from tests.helpers.engine_helpers import make_study


def test_draw_seeds_differ() -> None:
    seeds = {draw_seed(s, n, a) for s in range(3) for n in range(20) for a in range(3)}
    assert len(seeds) == 180


def test_storage_is_healthy_and_two_studies_do_not_merge(tmp_path) -> None:
    storage = open_storage(tmp_path)
    assert healthy(tmp_path / schema.OPTUNA_FILE)
    assert not healthy(tmp_path / "nothing.db")
    for name in ("a", "b"):
        Mirror(make_study(name=name), lambda trial: {}, tmp_path).close()
    assert sorted(optuna.get_all_study_names(storage)) == ["a", "b"]
    storage.engine.dispose()
    with sqlite3.connect(tmp_path / schema.OPTUNA_FILE) as connection:
        assert connection.execute("select count(*) from studies").fetchone() == (2,)
    connection.close()

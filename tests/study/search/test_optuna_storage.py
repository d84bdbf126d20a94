"""The Optuna database of a folder, and the seeds of draws."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import optuna
import pytest

from study import schema
from study.search.front.propose import draw_seed
from study.search.optuna_mirror import Mirror
from study.search.optuna_storage import healthy, open_storage
from tests.helpers.engine_helpers import make_study
from tests.helpers.record_helpers import AWKWARD_NAMES


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


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_the_database_lies_in_its_folder_whatever_the_folder_is_called(tmp_path, monkeypatch, name, relative) -> None:
    monkeypatch.chdir(tmp_path)
    folder = (Path(name) if relative else tmp_path / name) / "study"
    folder.mkdir(parents=True)
    Mirror(make_study(name="a"), lambda trial: {}, folder).close()
    assert healthy(folder / schema.OPTUNA_FILE)
    made = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert made == [Path(name) / "study" / schema.OPTUNA_FILE]


def test_folders_that_differ_in_what_a_url_cuts_off_do_not_share_a_database(tmp_path) -> None:
    for name in ("q?1", "q?2"):
        (tmp_path / name).mkdir()
        Mirror(make_study(name="a"), lambda trial: {}, tmp_path / name).close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["q?1", "q?2"]

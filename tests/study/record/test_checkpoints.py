"""Where checkpoints lie, over sessions and storages."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.record.checkpoints import Checkpoints, own_storage, storage_of, storage_uri
from tests.helpers.record_helpers import AWKWARD_NAMES, checkpoint, task


def test_checkpoints_are_found_over_sessions_and_tidied(tmp_path) -> None:
    checkpoints = Checkpoints(tmp_path, None)
    assert checkpoints.of(task()) == []
    made = [
        checkpoint(tmp_path, "search-2", "search-0000", 1, {}),
        checkpoint(tmp_path, "search-2", "search-0000", 0, {}),
        checkpoint(tmp_path, "search-1", "search-0000", 9, {}),
    ]
    other = [
        checkpoint(tmp_path, "search-10", "search-0001", 0, {}),
        checkpoint(tmp_path, "confirm-3", "search-0000", 0, {}),
    ]
    assert checkpoints.of(task()) == [str(p) for p in made]
    assert checkpoints.tidy(task(), keep=1) == "ray/search-2/search-0000/checkpoint_000001"
    assert checkpoints.of(task()) == [str(made[0])]
    assert checkpoints.tidy(task(), keep=0) is None
    assert [p.exists() for p in [*made, *other]] == [False, False, False, True, True]


def test_checkpoints_below_a_uri(tmp_path) -> None:
    (tmp_path / "results").mkdir()
    checkpoint(tmp_path, "search-1", "search-0000", 0, {})
    checkpoints = Checkpoints(tmp_path / "results", f"file://{tmp_path}/ray/")
    assert checkpoints.of(task()) == [f"file://{tmp_path}/ray/search-1/search-0000/checkpoint_000000"]


def test_studies_share_a_storage_without_sharing_folders(tmp_path) -> None:
    """One study's tidying must not remove another's checkpoints; a study finds its own again wherever it lies."""
    started = "2026-11-25T12:00:18.970+00:00"
    own = own_storage(f"file://{tmp_path}/ray/", "pareto", started)
    assert own == f"file://{tmp_path}/ray/pareto-20261125120018970"
    assert own_storage(None, "pareto", started) is None
    mine = checkpoint(tmp_path, "pareto-20261125120018970/search-1", "search-0000", 0, {})
    other = checkpoint(tmp_path, "k_sweep-20261125120018970/search-1", "search-0000", 0, {})
    checkpoints = Checkpoints(tmp_path / "results", own)
    assert checkpoints.of(task()) == [f"file://{mine}"]
    assert checkpoints.tidy(task(), keep=0) is None
    assert (mine.exists(), other.exists()) == (False, True)


def test_storage_may_be_relative_and_must_be_known(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage_uri("shared/") == str(tmp_path / "shared")
    with pytest.raises(ValueError, match=r"--storage nosuch://bucket: .*give a folder that every node reaches"):
        storage_uri("nosuch://bucket")


def test_storage_is_remembered_from_the_last_session_that_named_one() -> None:
    record = {"sessions": [{"storage": "/a"}, {"storage": "/b"}, {}]}
    assert storage_of(record, None) == "/b"
    assert storage_of(record, "/c") == "/c"
    assert storage_of({"sessions": [{}]}, None) is None


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_a_storage_may_have_any_name(tmp_path, name) -> None:
    shared, started = str(tmp_path / "ray" / name), "2026-11-25T12:00:18.970+00:00"
    assert storage_uri(shared) == shared
    mine = checkpoint(tmp_path, f"{name}/pareto-20261125120018970/search-1", "search-0000", 0, {})
    checkpoints = Checkpoints(tmp_path / "results", own_storage(shared, "pareto", started))
    assert checkpoints.of(task()) == [str(mine)]
    assert checkpoints.tidy(task(), keep=1) == str(mine)


def test_checkpoints_of_turns_are_found_whatever_turns_are_on_record(tmp_path: Path) -> None:
    """The last line of turns.jsonl may be lost, and with it the number of the turn's folder."""
    checkpoints = Checkpoints(tmp_path, None)
    one, other = task(0), task(1)
    for name, index in ((one.trial_id, 1), (f"{one.trial_id}.1", 0), (f"{one.trial_id}.2", 4), (other.trial_id, 9)):
        checkpoint(tmp_path, "search-1", name, index, {})
    checkpoint(tmp_path, "search-1", f"{one.trial_id}.x", 5, {})
    found = ["/".join(Path(path).parts[-2:]) for path in checkpoints.of(one)]
    assert found == [
        f"{one.trial_id}{turn}" for turn in (".2/checkpoint_000004", ".1/checkpoint_000000", "/checkpoint_000001")
    ]
    assert [Path(path).parent.name for path in checkpoints.of(other)] == [other.trial_id]
    assert checkpoints.tidy(one, keep=0) is None
    assert checkpoints.of(one) == []

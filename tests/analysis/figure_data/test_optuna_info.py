"""Reading Optuna's storage."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from analysis.results.load import Results
from study import schema


def test_reading_the_storage_leaves_it_alone(full: Results) -> None:
    from analysis.figure_data.optuna_info import done, read_study

    path = full.folder / schema.OPTUNA_FILE
    before = path.read_bytes(), sorted(p.name for p in full.folder.iterdir())
    study = read_study(full.folder, list(full.manifest["objectives"]))
    completed = full.trials[(full.trials["stage"] == "search") & (full.trials["status"] == schema.COMPLETED)]
    assert len(done(study)) == len(completed)
    assert (path.read_bytes(), sorted(p.name for p in full.folder.iterdir())) == before


@pytest.mark.parametrize("name", ["q?1", "a%20b", "{x}", "a#b"])
def test_folders_may_have_any_name(full: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The results folder's, and that of the temporary files where the storage is copied to."""
    from analysis.figure_data.optuna_info import done, read_study

    folder = tmp_path / name
    folder.mkdir()
    shutil.copy(full.folder / schema.OPTUNA_FILE, folder)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    objectives = list(full.manifest["objectives"])
    assert len(done(read_study(folder, objectives))) == len(done(read_study(full.folder, objectives)))
    assert [path.name for path in tmp_path.rglob("*")] == [name, schema.OPTUNA_FILE]

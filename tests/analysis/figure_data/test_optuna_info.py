"""Reading Optuna's storage."""

from __future__ import annotations

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

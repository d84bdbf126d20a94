"""Pictures of prototypes as they are read."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.figure_data import prototypes_info as prototypes
from analysis.figure_data.common import NotEnough
from analysis.results.load import load
from study import schema
from study.schema import files
from tests.helpers.figure_inputs import write_pictures
from tests.helpers.synthetic_results import write_results


def test_movement_reads_the_pictures_of_the_best_trial(tmp_path) -> None:
    folder = write_results(tmp_path / "study", trials=12)
    results = load(folder)
    with pytest.raises(NotEnough, match="no pictures on record"):
        prototypes.movement(folder, results.trials)
    done = results.trials[(results.trials["method"] == "kmclr") & (results.trials["status"] == schema.COMPLETED)]
    for trial_id in done["trial_id"]:
        write_pictures(folder, trial_id, epochs=4, k=7)
    found = prototypes.movement(folder, results.trials)
    assert found.trial_id == done.sort_values("accuracy")["trial_id"].iloc[-1]
    assert [p.epoch for p in found.pictures] == [1, 2, 3, 4]
    step = np.linalg.norm(found.pictures[1].vectors - found.pictures[0].vectors, axis=1).mean()
    assert found.travelled[1] == pytest.approx(step)
    assert math.isnan(found.travelled[0])
    low, high = prototypes.limits(found.pictures)
    assert all((np.abs(p.vectors) < high).all() and low == -high for p in found.pictures)
    assert [p.epoch for p in prototypes.shown(found.pictures, 3)] == [1, 3, 4]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"schema": 1, "epoch": 1, "vectors": [[0, 1]], "sample": [[0, 1]]}', "2: field 'labels' is missing"),
        ('{"schema": 1, "epoch": 1, "vectors": [[0]], "sample": [], "labels": []}', "2: vectors and sample must be"),
        ('{"schema": 1, "epoch": 1, "vectors": [], "sample": [[0, 1]], "labels": []}', "2: 1 rows of sample need"),
        ("{", "2: not JSON"),
    ],
)
def test_a_bad_picture_names_file_and_line(tmp_path, line: str, message: str) -> None:
    path = tmp_path / "trial.jsonl"
    good = '{"schema": 1, "epoch": 1, "vectors": [], "sample": [[0, 1]], "labels": [3]}'
    path.write_text(f"{good}\n{line}\n")
    with pytest.raises(files.DamagedFile, match=rf"trial.jsonl:{message}"):
        prototypes.read_pictures(path)

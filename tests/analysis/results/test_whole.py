"""An analysis of a folder that lost lines names them and draws nothing."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.results.load import load
from study import schema
from study.schema import files
from tests.helpers.synthetic_results import write_results
from trainables.lines import COUNTS_FILE, LineFiles

NAMES = (schema.REPORTS_FILE, schema.TRIALS_FILE)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose lines carry numbers and checks."""
    folder = write_results(tmp_path_factory.mktemp("numbered") / "fake", trials=6, epochs=4, confirm_seeds=(1, 2))
    written = LineFiles(folder)
    for name in NAMES:
        written.replace(name, [line for _, line in written.open(name).rows])
    written.close()
    return folder


@pytest.fixture
def folder(numbered: Path, tmp_path: Path) -> Path:
    shutil.copytree(numbered, tmp_path / "fake")
    return tmp_path / "fake"


def test_numbers_and_checks_are_not_columns(folder) -> None:
    found = load(folder)
    assert {"line", "check"}.isdisjoint([*found.trials, *found.reports])


@pytest.mark.filterwarnings("ignore:.*dropped a torn last line")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["missing", "emptied", "halved", "dropped", "doubled", "changed"])
@pytest.mark.parametrize("name", NAMES)
def test_damage_is_named_and_nothing_is_drawn(folder, capsys, name, kind, seed) -> None:
    path, rng = folder / name, random.Random(seed)
    rows = path.read_bytes().splitlines(keepends=True)
    index = rng.randrange(len(rows))
    flipped = bytes(c ^ 1 if place == len(rows[index]) // 2 else c for place, c in enumerate(rows[index]))
    path.write_bytes(
        {
            "missing": b"",
            "emptied": b"",
            "halved": path.read_bytes()[: path.stat().st_size // 2],
            "dropped": b"".join(rows[:index] + rows[index + 1 :]),
            "doubled": b"".join(rows[: index + 1] + rows[index:]),
            "changed": b"".join([*rows[:index], flipped, *rows[index + 1 :]]),
        }[kind]
    )
    if kind == "missing":
        path.unlink()
    assert main([str(folder), "--images", "none"]) == 2
    said = capsys.readouterr().err
    assert f"{path}:" in said
    assert "restore the file from a backup, or go on with --resume" in said
    assert len(said.splitlines()) <= 14
    assert not (folder / schema.REPORT_HTML).exists()


def test_a_lost_line_is_named_with_its_trial_and_epoch_also_without_counts(folder) -> None:
    (folder / COUNTS_FILE).unlink()
    path = folder / schema.REPORTS_FILE
    rows = path.read_bytes().splitlines(keepends=True)
    line = json.loads(rows[5])
    path.write_bytes(b"".join(rows[:5] + rows[6:]))
    with pytest.raises(
        files.DamagedFile, match=rf"{path}:6: this line is missing \({line['trial_id']}, epoch {line['epoch']}\)"
    ):
        load(folder)
    path.write_bytes(b"".join(rows[:-1]))
    last = json.loads(rows[-1])
    with pytest.raises(files.DamagedFile, match=rf"not there: {last['trial_id']}, epoch {last['epoch']}\n"):
        load(folder)

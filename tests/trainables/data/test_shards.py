"""Numbered files that are not all there."""

import pytest

from trainables.data.shards import refuse_gaps, shards
from trainables.data.source import DataError


def check(folder, *names: str) -> list[str]:
    for name in names:
        (folder / f"{name}.parquet").touch()
    found = shards(folder, "*.parquet")
    refuse_gaps(found)
    return [path.stem for path in found]


@pytest.mark.parametrize(
    "names",
    [
        ["train"],
        ["train-00000-of-00002", "train-00001-of-00002"],
        ["train-1-of-2", "train-2-of-2"],
        ["train-0", "train-1", "train-2"],
        ["train-a-0-of-1", "train-b-0-of-1"],
        ["0000", "0001"],
        ["train-2019", "train-2021"],
        ["train-0", "train-20240101"],
        ["train-5"],
    ],
)
def test_whole_series_and_other_numbers_pass(tmp_path, names):
    assert check(tmp_path, *names) == sorted(names)


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["train-00000-of-00003", "train-00001-of-00003"], "train-00002-of-00003.parquet"),
        (["train-00001-of-00002"], "train-00000-of-00002.parquet"),
        (["train-2-of-3", "train-3-of-3"], "train-1-of-3.parquet"),
        (["train-0", "train-2"], "train-1.parquet"),
        (["0000", "0003"], "0001.parquet, 0002.parquet"),
        (["train-0-of-9"], "train-1-of-9.parquet, .*train-5-of-9.parquet and 3 more"),
    ],
)
def test_the_missing_names_are_given(tmp_path, names, missing):
    with pytest.raises(DataError, match=f"numbered files are missing: {missing}; add or rename them"):
        check(tmp_path, *names)


def test_two_counts_of_the_same_data_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"train-\*-of-1 and train-\*-of-2 would count images twice"):
        check(tmp_path, "train-0-of-2", "train-1-of-2", "train-0-of-1")


def test_hidden_files_are_no_shards(tmp_path):
    assert check(tmp_path, "train-0", "._train-0") == ["train-0"]

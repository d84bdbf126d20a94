"""Random bytes, cuts and flipped bits in every file that is read: a valid result, or one clear line.

Never another exception, and never code that runs.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.figure_data.prototypes_info import read_pictures
from analysis.results.load import load
from study import schema
from study.record import results_folder
from study.record.held_time import HeldTime
from study.record.journal import Journal
from study.record.lock import FolderLock
from study.schema import UserError
from tests.helpers.foreign_states import archive, sealed
from tests.helpers.image_files import own, pixels, png, write_shard
from tests.helpers.random_damage import damaged
from tests.helpers.search_helpers import Bench
from tests.helpers.synthetic_results import write_results
from tests.helpers.trial_helpers import digits, tiny
from trainables import checkpoint
from trainables.data.cache import cached
from trainables.data.dataset import load_dataset
from trainables.data.decode import decode_item
from trainables.data.source import Item
from trainables.trial import Trial

DRAW = dict(zip(schema.DRAW_FIELDS, (1, 0, 0, "search-0000", "kmclr", {"k": 5}, None, None, 0), strict=True))
PICTURE = {"schema": 1, "epoch": 1, "vectors": [[0, 1]], "sample": [[0.5, 1]], "labels": [3], "variance_shown": 0.5}


def refused_or_read(read: Callable[[], Any]) -> Any:
    """What is read; None after an error of one line a problem that is the user's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read()
        except UserError as error:
            said = str(error)
    assert said.strip()
    assert max(map(len, said.splitlines())) < 1500
    return None


@cache
def results() -> dict[str, bytes]:
    """The files of a results folder."""
    with TemporaryDirectory() as folder:
        written = write_results(Path(folder) / "k", trials=5, epochs=2, confirm_seeds=(1, 2), device="cpu")
        found = {path.name: path.read_bytes() for path in written.iterdir() if path.is_file()}
    return {**found, schema.DRAWS_FILE: (json.dumps(DRAW) + "\n").encode() * 2}


def reopened(folder: Path) -> Any:
    record = schema.read_manifest(folder)
    schema.read_study(folder)
    journal = Journal(folder)
    try:
        results_folder.hours_used(record, journal.reports)
        HeldTime(journal).total()
        return [journal.reports_of(end["trial_id"]) for end in journal.final_ends(schema.SEARCH)]
    finally:
        journal.close()


@pytest.mark.parametrize("read", [load, reopened])
@pytest.mark.parametrize("name", sorted(results()))
@given(data=st.data())
def test_files_of_a_results_folder(name: str, read: Callable[[Path], Any], data: st.DataObject) -> None:
    content = data.draw(damaged(results()[name]))
    with TemporaryDirectory() as place:
        folder = Path(place)
        for other, whole in results().items():
            (folder / other).write_bytes(content if other == name else whole)
        refused_or_read(lambda: read(folder))


@given(content=damaged((json.dumps(PICTURE) + "\n").encode() * 2))
def test_pictures(content: bytes) -> None:
    with TemporaryDirectory() as place:
        (Path(place) / "a.jsonl").write_bytes(content)
        refused_or_read(lambda: read_pictures(Path(place) / "a.jsonl"))


@given(content=damaged(b'{"pid": 1, "host": "a", "born": 5.0}') | st.binary(max_size=60))
def test_a_lock(content: bytes) -> None:
    with TemporaryDirectory() as place:
        (Path(place) / schema.LOCK_FILE).write_bytes(content)
        with FolderLock(Path(place)):
            pass


@cache
def trained() -> tuple[Trial, bytes]:
    """A trial that may load states again and again, and its state's archive."""
    trial = Trial(tiny("kmclr"), digits())
    trial.run_epoch()
    return trial, archive(trial.state_dict())


@pytest.mark.parametrize("seal", [True, False], ids=["right checksum", "wrong checksum"])
@given(data=st.data())
def test_checkpoints(seal: bool, data: st.DataObject) -> None:
    trial, body = trained()
    with TemporaryDirectory() as place:
        path = Path(place) / "a.ckpt"
        if seal:
            sealed(path, data.draw(damaged(body) | st.binary(max_size=200)))
        else:
            sealed(path, body)
            path.write_bytes(data.draw(damaged(path.read_bytes())))

        def use() -> None:
            trial.load_state_dict(checkpoint.read(path))
            assert seal or checkpoint.read(path)["epoch"] == 1

        refused_or_read(use)


@given(name=st.sampled_from(["entry.json", "images.npy", "labels.npy", "ids.npy"]), data=st.data())
def test_cached_arrays_are_made_again(name: str, data: st.DataObject) -> None:
    def build(path: Path) -> dict[str, Any]:
        np.save(path / "images.npy", np.arange(48, dtype=np.uint8).reshape(3, 1, 4, 4))
        np.save(path / "labels.npy", np.array([2, 1, 0]))
        np.save(path / "ids.npy", np.arange(3))
        return {"note": "a"}

    with TemporaryDirectory() as place:
        arguments = (Path(place), "a", "key", build, lambda message: None)
        cached(*arguments)
        (entry,) = Path(place).glob("a-*/")
        content = data.draw(damaged((entry / name).read_bytes()))
        (entry / name).unlink()  # a mapped file keeps its bytes
        (entry / name).write_bytes(content)
        again = cached(*arguments)
        assert again.images_NCHW.ravel().tolist() == list(range(48))
        assert again.meta["note"] == "a"
        assert (again.labels_N.tolist(), again.ids_N.tolist()) == ([2, 1, 0], [0, 1, 2])


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
@given(data=st.data())
def test_images(fmt: str, data: st.DataObject) -> None:
    content = data.draw(damaged(png(pixels(1)[0], fmt)))
    found = refused_or_read(lambda: decode_item(Item(content, 0, "a"), 8))
    assert found is None or found.pixels_CHW.shape == (3, 8, 8)


@cache
def shard() -> bytes:
    with TemporaryDirectory() as place:
        path = Path(place) / "train.parquet"
        write_shard(path, [png(image) for image in pixels(12)], [0, 1, 2] * 4)
        return path.read_bytes()


@given(content=damaged(shard()))
def test_parquet(content: bytes) -> None:
    with TemporaryDirectory() as place:
        (Path(place) / "train.parquet").write_bytes(content)
        refused_or_read(lambda: load_dataset(own(Path(place), cache_dir=f"{place}/cache")))


@cache
def searched() -> dict[str, bytes]:
    """A folder of a search with three draws, two of them ended."""
    with TemporaryDirectory() as place:
        bench = Bench(Path(place))
        for _ in range(2):
            bench.run(bench.next())
        bench.next()
        bench.close()
        return {path.name: path.read_bytes() for path in Path(place).iterdir() if path.is_file()}


def states(bench: Bench) -> list[tuple[str, dict[str, Any], Any]]:
    return [(trial.state.name, trial.params, trial.values) for trial in bench.optuna_trials()]


# Each example makes a database: a quarter of the others' number.
@settings(max_examples=max(1, settings.default.max_examples // 4))
@given(content=damaged(searched()[schema.OPTUNA_FILE]) | st.binary(max_size=200))
def test_the_database_of_optuna_is_made_again(content: bytes) -> None:
    with TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, whole in searched().items():
            (Path(place) / name).write_bytes(content if name == schema.OPTUNA_FILE else whole)
        bench = Bench(Path(place))
        found = states(bench)
        assert [state for state, _, _ in found] == ["COMPLETE", "COMPLETE", "RUNNING"]
        assert [params for _, params, _ in found] == [draw["params"] for draw in bench.journal.draws]
        assert [values for _, _, values in found[:2]] == [
            [end["metrics"][name] for name in bench.study.objectives] for end in bench.journal.final_ends(schema.SEARCH)
        ]
        assert [task.number for task in bench.unfinished] == [2]
        bench.close()

"""The cache on disk: built once, whole or absent, checked, rebuilt when damaged, shared by processes."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from trainables.data import cache
from trainables.data.cache import _publish, cache_folder, cached, content_hash
from trainables.data.dataset import load_dataset
from trainables.data.source import DataError
from trainables.settings.config import DataConfig


def builder(calls: list, count: int = 5):
    def build(path: Path) -> dict:
        calls.append(path)
        np.save(path / "images.npy", np.arange(count * 12, dtype=np.uint8).reshape(count, 3, 2, 2))
        np.save(path / "labels.npy", np.arange(count))
        np.save(path / "ids.npy", np.arange(count))
        return {"note": "kept"}

    return build


def ignore(_: str) -> None:
    pass


def test_built_once_then_opened(tmp_path):
    calls = []
    for _ in range(3):
        entry = cached(tmp_path, "x", "key", builder(calls), ignore)
        assert entry.meta["note"] == "kept"
        assert entry.images_NCHW.tobytes() == bytes(range(60))
    assert len(calls) == 1
    cached(tmp_path, "x", "other key", builder(calls), ignore)
    assert len(calls) == 2


def damage_truncate(entry: Path) -> None:
    images = entry / "images.npy"
    images.write_bytes(images.read_bytes()[:-7])


def damage_flip(entry: Path) -> None:
    images = entry / "images.npy"
    content = bytearray(images.read_bytes())
    content[-20] ^= 255
    images.write_bytes(content)


def damage_labels(entry: Path) -> None:
    np.save(entry / "labels.npy", np.arange(5)[::-1].copy())


def damage_meta(entry: Path) -> None:
    (entry / "entry.json").write_text('{"format": 1, "si')


def damage_no_ids(entry: Path) -> None:
    (entry / "ids.npy").unlink()


def damage_old_format(entry: Path) -> None:
    meta = json.loads((entry / "entry.json").read_text())
    (entry / "entry.json").write_text(json.dumps(meta | {"format": 0}))


@pytest.mark.parametrize(
    "damage", [damage_truncate, damage_flip, damage_labels, damage_meta, damage_no_ids, damage_old_format]
)
def test_a_damaged_entry_is_noticed_and_rebuilt(tmp_path, damage):
    calls, messages = [], []
    cached(tmp_path, "x", "key", builder(calls), messages.append)
    [place] = [path for path in tmp_path.iterdir() if path.is_dir()]
    damage(place)
    entry = cached(tmp_path, "x", "key", builder(calls), messages.append)
    assert len(calls) == 2
    assert entry.images_NCHW.tobytes() == bytes(range(60))
    assert entry.labels_N.tolist() == list(range(5))
    assert any("damaged; decoding again" in message for message in messages)


def test_large_images_are_checked_by_sampled_blocks(tmp_path):
    def build(path: Path) -> dict:
        np.save(path / "images.npy", np.zeros((600, 3, 64, 64), dtype=np.uint8))  # 7 MB, above 64 blocks of 64 KiB
        np.save(path / "labels.npy", np.zeros(600, dtype=np.int64))
        np.save(path / "ids.npy", np.arange(600))
        return {}

    cached(tmp_path, "x", "key", build, ignore)
    [place] = [path for path in tmp_path.iterdir() if path.is_dir()]
    with open(place / "images.npy", "r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"\1" * 100)  # the torn tail of a crashed copy
    assert cached(tmp_path, "x", "key", build, ignore).images_NCHW.max() == 0


def test_a_build_that_fails_leaves_nothing_behind(tmp_path):
    def fail(path: Path) -> dict:
        (path / "images.npy").write_bytes(b"half")
        raise DataError("broken image")

    with pytest.raises(DataError, match="broken image"):
        cached(tmp_path, "x", "key", fail, ignore)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    assert len(cached(tmp_path, "x", "key", builder([]), ignore).ids_N) == 5


def test_a_rival_without_locks_that_was_first_wins(tmp_path):
    def build(path: Path) -> dict:
        _publish(path.with_name(path.name[1:].split(".")[0]), builder([]))  # a rival that ignores the lock
        return builder([], count=9)(path)

    assert len(cached(tmp_path, "x", "key", build, ignore).ids_N) == 5
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1


WORKER = """
import sys, time
from pathlib import Path
from trainables.data import dataset
from trainables.settings.config import DataConfig
original = dataset.decode_all
def slow(*args, **kwargs):
    Path(sys.argv[1], f"decoded-{time.monotonic_ns()}").touch()
    time.sleep(0.5)
    return original(*args, **kwargs)
dataset.decode_all = slow
d = dataset.load_dataset(DataConfig(name="digits", validation_per_class=30, cache_dir=sys.argv[1] + "/cache"))
print(d.fingerprint, int(d.train.images_NCHW.astype("int64").sum()))
"""


def test_processes_that_start_at_once_decode_once_and_agree(tmp_path):
    command = [sys.executable, "-c", WORKER, str(tmp_path)]
    root = Path(__file__).parents[3]
    workers = [
        subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": "."})
        for _ in range(2)
    ]
    outputs = [worker.communicate(timeout=120)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert len(set(outputs)) == 1
    assert len(outputs[0].split()) == 2
    assert len(list(tmp_path.glob("decoded-*"))) == 1


@pytest.fixture
def few_bytes_are_many(monkeypatch):
    """A hash is remembered whatever the size of the data, and however new they are."""
    monkeypatch.setattr(cache, "_WHOLE_BYTES", 0)
    monkeypatch.setattr(cache, "_SETTLED_NS", 0)


@pytest.mark.parametrize("large", [False, True])
def test_content_hash_follows_bytes_and_names(tmp_path, monkeypatch, large):
    if large:
        monkeypatch.setattr(cache, "_WHOLE_BYTES", 0)
    root, memo = tmp_path / "data", tmp_path / "cache"
    root.mkdir()
    file = root / "a.bin"
    file.write_bytes(b"one")
    first = content_hash([file], root, memo)
    assert content_hash([file], root, memo) == first
    file.write_bytes(b"two")
    assert content_hash([file], root, memo) != first
    other = root / "b.bin"
    file.rename(other)
    other.write_bytes(b"one")
    assert content_hash([other], root, memo) != first
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    (copy / "a.bin").write_bytes(b"one")
    assert content_hash([copy / "a.bin"], copy, memo) == first  # where the data lie does not matter


def large_file(folder: Path) -> Path:
    """20 MB of zeros with the time that archives set: more than the sampled blocks cover."""
    folder.mkdir()
    file = folder / "a.bin"
    file.write_bytes(bytes(20_000_000))
    os.utime(file, (315532800, 315532800))
    return file


def change_between_samples(file: Path) -> None:
    with open(file, "r+b") as stream:
        stream.seek(100_000)
        stream.write(b"changed")
    os.utime(file, (315532800, 315532800))


def test_a_large_files_hash_is_remembered_until_its_bytes_change_under_the_same_size_and_time(
    tmp_path, monkeypatch, few_bytes_are_many
):
    file, memo = large_file(tmp_path / "data"), tmp_path / "cache"
    time.sleep(0.05)
    first = content_hash([file], file.parent, memo)
    assert len(list((memo / "contents").iterdir())) == 1
    with monkeypatch.context() as patch:
        patch.setattr(cache, "_hash_all", lambda *_: pytest.fail("read again"))
        assert content_hash([file], file.parent, memo) == first
    change_between_samples(file)
    assert content_hash([file], file.parent, memo) != first


def test_a_hash_is_not_remembered_of_a_file_that_just_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_WHOLE_BYTES", 0)
    file, memo = large_file(tmp_path / "data"), tmp_path / "cache"
    first = content_hash([file], file.parent, memo)
    assert not (memo / "contents").exists()
    change_between_samples(file)  # perhaps within one tick of the file system's clock
    assert content_hash([file], file.parent, memo) != first


def test_small_files_are_read_each_time_whatever_their_times_say(tmp_path, monkeypatch):
    file = tmp_path / "a.bin"
    file.write_bytes(b"one")
    stat = file.stat()
    monkeypatch.setattr(Path, "stat", lambda *_, **__: stat)  # a file system whose times and inodes say nothing
    first = content_hash([file], tmp_path, tmp_path / "cache")
    file.write_bytes(b"two")
    assert content_hash([file], tmp_path, tmp_path / "cache") != first


def test_cache_folder_order_and_error(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    monkeypatch.delenv("KMCLR_CACHE", raising=False)
    assert cache_folder(None) == tmp_path / "user" / "kmclr"
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path / "variable"))
    assert cache_folder(None) == tmp_path / "variable"
    assert cache_folder(str(tmp_path / "given")) == tmp_path / "given"
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot write decoded images to .*file.* set data.cache_dir or \$KMCLR_CACHE"):
        load_dataset(DataConfig(name="digits", validation_per_class=30, cache_dir=str(tmp_path / "file")))

"""Checkpoint files: exact, atomic, and honest about damage."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from tests.helpers.foreign_states import Code, archive, pickled, sealed
from trainables import checkpoint, files


def state(epoch: int) -> dict:
    return {"epoch": epoch, "weights": torch.arange(1000.0) * epoch, "nested": {"list": [1, None, "a"], "pi": 3.14}}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_cadence_in_epochs():
    cadence = checkpoint.Cadence(3)
    assert [epoch for epoch in range(1, 10) if cadence.due(epoch)] == [3, 6, 9]


def test_the_automatic_cadence_spends_a_hundredth_of_the_time_on_saving():
    clock = Clock()
    cadence = checkpoint.Cadence("auto", clock)
    saved = []
    for epoch in range(1, 1001):
        clock.now += 1.6  # an epoch
        if cadence.due(epoch):
            saved.append(epoch)
            with cadence.saving():
                clock.now += 0.5
    assert saved[:2] == [1, 33]  # the first epoch, then 50 s after that save
    saving = 0.5 * len(saved)
    assert saving / (clock.now - 100.0) <= 0.0105


def test_what_is_written_is_read(tmp_path: Path):
    path = tmp_path / "new" / "folder" / "a.ckpt"
    checkpoint.write(path, state(3))
    found = checkpoint.read(path)
    assert torch.equal(found["weights"], state(3)["weights"])
    assert found["nested"] == state(3)["nested"]
    assert [p.name for p in path.parent.iterdir()] == ["a.ckpt"]  # no partial file is left


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.ckpt"
    checkpoint.write(path, state(1))

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.write(path, state(2))
    assert checkpoint.read(path)["epoch"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.ckpt"]


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_cut_file_is_noticed(tmp_path: Path, share: float):
    path = tmp_path / "a.ckpt"
    checkpoint.write(path, state(1))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(checkpoint.CheckpointError, match=r"damaged|not a checkpoint"):
        checkpoint.read(path)


def test_one_flipped_bit_is_noticed(tmp_path: Path):
    path = tmp_path / "a.ckpt"
    checkpoint.write(path, state(1))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(checkpoint.CheckpointError, match=r"damaged.*checksum"):
        checkpoint.read(path)


def test_other_files_and_versions_are_refused(tmp_path: Path):
    other = tmp_path / "epoch_100.pt"
    other.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(checkpoint.CheckpointError, match="not a checkpoint of this program"):
        checkpoint.read(other)
    with pytest.raises(checkpoint.CheckpointError, match="no such checkpoint file"):
        checkpoint.read(tmp_path / "missing.ckpt")
    old = tmp_path / "old.ckpt"
    old.write_bytes(b"KMCLR-CHECKPOINT 0 00000000 0\n")
    with pytest.raises(checkpoint.CheckpointError, match="version 0, this program reads version 1"):
        checkpoint.read(old)


def test_the_newest_two_are_kept_and_a_damaged_one_falls_back(tmp_path: Path):
    for epoch in range(1, 5):
        checkpoint.save_rolling(tmp_path, epoch, state(epoch))
    newest, before = checkpoint.in_folder(tmp_path)
    assert (newest.name, before.name) == ("epoch_000004.ckpt", "epoch_000003.ckpt")
    newest.write_bytes(newest.read_bytes()[:100])
    found = checkpoint.read_newest([newest, before])
    assert (found.state["epoch"], found.path) == (3, before)
    assert len(found.skipped) == 1
    assert "epoch_000004.ckpt: damaged" in found.skipped[0]


def test_no_checkpoint_is_none_and_only_damaged_ones_are_an_error(tmp_path: Path):
    assert checkpoint.read_newest(checkpoint.in_folder(tmp_path)) is None
    checkpoint.save_rolling(tmp_path, 1, state(1)).write_bytes(b"")
    with pytest.raises(checkpoint.CheckpointError, match=r"no usable checkpoint: .*epoch_000001"):
        checkpoint.read_newest(checkpoint.in_folder(tmp_path))


@pytest.mark.parametrize("body", [b"", b"PK", b"\x80\x04N.", b"\0" * 1000, archive([1]), archive(torch.zeros(2))])
def test_a_right_checksum_does_not_make_a_checkpoint(tmp_path: Path, body: bytes):
    sealed(tmp_path / "a.ckpt", body)
    with pytest.raises(checkpoint.CheckpointError, match=r"a\.ckpt: its content is not what this program writes there"):
        checkpoint.read(tmp_path / "a.ckpt")


@pytest.mark.parametrize("pack", [archive, pickled])
def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, pack):
    sealed(tmp_path / "a.ckpt", pack({"kind": "trial", "config": Code(tmp_path / "trace")}))
    with pytest.raises(checkpoint.CheckpointError, match="its content is not what"):
        checkpoint.read(tmp_path / "a.ckpt")
    assert not (tmp_path / "trace").exists()


def test_a_folder_in_a_files_place_and_a_dangling_link_are_passed_over(tmp_path: Path):
    checkpoint.save_rolling(tmp_path, 1, state(1))
    (tmp_path / "epoch_000002.ckpt").symlink_to("nowhere")
    (tmp_path / "epoch_000003.ckpt").mkdir()
    found = checkpoint.read_newest(checkpoint.in_folder(tmp_path))
    assert (found.state["epoch"], len(found.skipped)) == (1, 2)


def test_what_could_not_be_used_does_not_displace_what_is_written_after_it(tmp_path: Path):
    for epoch in (8, 9):
        sealed(tmp_path / f"epoch_{epoch:06d}.ckpt", b"foreign")
    for epoch in (1, 2, 3):
        checkpoint.save_rolling(tmp_path, epoch, state(epoch))
    found = checkpoint.read_newest(checkpoint.in_folder(tmp_path))
    assert (found.state["epoch"], len(found.skipped)) == (3, 2)
    assert [p.stem for p in checkpoint.in_folder(tmp_path)] == [f"epoch_{e:06d}" for e in (9, 8, 3, 2)]


def test_an_older_one_is_used_if_the_newest_is_refused(tmp_path: Path):
    def use(found: dict) -> None:
        if found["epoch"] > 2:
            raise checkpoint.CheckpointError("of another run")

    for epoch in (2, 3):
        checkpoint.save_rolling(tmp_path, epoch, state(epoch))
    found = checkpoint.read_newest(checkpoint.in_folder(tmp_path), use)
    assert (found.state["epoch"], found.skipped) == (2, (f"{tmp_path / 'epoch_000003.ckpt'}: of another run",))


def test_used_up_memory_is_not_the_files_fault():
    with pytest.raises(MemoryError), checkpoint.foreign_content():
        raise MemoryError

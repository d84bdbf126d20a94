"""What is seen in a folder, and what is said of one that holds nothing to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from study.new.look import look
from study.schema import UserError
from tests.helpers.image_files import pixels, png, write_shard


def images(folder: Path, count: int = 5, size: int = 6, channels: int = 3, suffix: str = "png") -> None:
    folder.mkdir(parents=True)
    for i, image in enumerate(pixels(count, size, channels)):
        Image.fromarray(image).save(folder / f"{i}.{suffix}")


def test_splits_classes_alone_and_shards(tmp_path: Path):
    for name in ("owl", "wren"):
        images(tmp_path / "split" / "train" / name, 6, size=9)
        images(tmp_path / "split" / "test" / name, 2)
        images(tmp_path / "alone" / name, 10, channels=1)
    split, alone = look(str(tmp_path / "split")), look(str(tmp_path / "alone"))
    assert dict(split.data) == {"name": "image_folder", "root": str(tmp_path / "split")}
    assert (split.classes, split.images, split.smallest, split.test, split.sides) == (2, 12, 6, 4, (9, 9))
    assert not split.grey
    assert alone.data["test_share"] == 0.2
    assert (alone.images, alone.smallest, alone.test) == (16, 8, 4)
    assert alone.grey

    labels = [0, 1] * 5
    write_shard(tmp_path / "shards" / "train-0.parquet", [png(image) for image in pixels(10)], labels)
    assert look(str(tmp_path / "shards")).data["test_share"] == 0.2
    write_shard(tmp_path / "shards" / "test-0.parquet", [png(image) for image in pixels(4)], labels[:4])
    shards = look(str(tmp_path / "shards"))
    assert dict(shards.data) == {"name": "parquet", "root": str(tmp_path / "shards")}
    assert (shards.classes, shards.images, shards.test) == (2, 10, 4)


def test_a_folder_may_be_named_from_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("owl", "wren"):
        images(tmp_path / "mine" / name)
    monkeypatch.chdir(tmp_path)
    assert look("mine").data["root"] == str(tmp_path / "mine")


def wrong_class(root: Path) -> None:
    images(root / "owl")
    images(root / "wren", 2)


def wrong_image(root: Path) -> None:
    images(root / "train" / "owl")
    images(root / "train" / "wren")
    (root / "train" / "owl" / "0.png").write_bytes(b"no picture")


def cut_short(root: Path) -> None:
    write_shard(root / "train.parquet", [png(image) for image in pixels(4)], [0, 1, 0, 1])
    shard = root / "train.parquet"
    shard.write_bytes(shard.read_bytes()[:-50])


def labels_from_one(root: Path) -> None:
    write_shard(root / "train.parquet", [png(image) for image in pixels(6)], [1, 2, 1, 2, 1, 2])


def one_label(root: Path) -> None:
    write_shard(root / "train.parquet", [png(image) for image in pixels(6)], [0] * 6)


def arrays(root: Path) -> None:
    np.savez(root / "all.npz", images=pixels(4))


WRONG = {
    "empty": (lambda root: None, "it is empty"),
    "arrays": (arrays, "found files all.npz"),
    "one_class": (lambda root: images(root / "owl"), "found folders owl"),
    "below": (lambda root: [images(root / "in" / name) for name in ("a", "b")], "did you mean .*wrong/in?"),
    "named": (lambda root: [images(root / n / "a") for n in ("Training", "Test")], "'Test', 'Training' are there, but"),
    "beside": (lambda root: [images(root / s / c) for s in ("train", "test") for c in "ab"], "give .*wrong$"),
    "few": (wrong_class, "class wren has 1 training images; at least 3"),
    "no_picture": (wrong_image, "owl/0.png: not an image that Pillow can read"),
    "cut_short": (cut_short, "train.parquet: not a readable Parquet file"),
    "labels": (labels_from_one, r"labels in column label must be 0 \.\. classes - 1"),
    "one_label": (one_label, "one class alone cannot be told from others"),
    "no_classes": (lambda root: (root / "train").mkdir(), "expected one folder per class, found 0"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_folder_gets_the_reason_in_a_line_or_two(kind: str, tmp_path: Path):
    make, said = WRONG[kind]
    root = tmp_path / "wrong"
    root.mkdir()
    make(root)
    with pytest.raises(UserError, match=said) as refused:
        look(str(root / "train" if kind == "beside" else root))
    assert len(str(refused.value).splitlines()) <= 2
    assert str(tmp_path) in str(refused.value)


def test_pictures_in_no_class_are_counted(tmp_path: Path):
    images(tmp_path / "mine")
    with pytest.raises(UserError, match=r"found 5 images in no class's folder\nlooked for train/CLASS"):
        look(str(tmp_path / "mine"))


def test_no_folder_and_no_folder_but_a_file(tmp_path: Path):
    with pytest.raises(UserError, match=r"--data: no folder .*/nowhere \(looked from "):
        look(str(tmp_path / "nowhere"))
    (tmp_path / "x.zip").write_text("x")
    with pytest.raises(UserError, match=r"x.zip: got a file, expected the folder"):
        look(str(tmp_path / "x.zip"))

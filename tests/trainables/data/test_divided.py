"""Data without a test split: what is kept for the test, and that nothing but the images decides it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.image_files import own, pixels, png, write_shard
from trainables.data.dataset import check_available, load_dataset, load_test
from trainables.data.source import DataError

COUNTS = {"bird": 10, "fish": 6, "newt": 4}
SHARE = {"test_share": 0.2, "validation_per_class": 1}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path / "cache"))


def write_classes(folder: Path) -> Path:
    """Every image has pixels of its own."""
    images = iter(pixels(sum(COUNTS.values())))
    for name, count in COUNTS.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(next(images)).save(folder / name / f"{i}.png")
    return folder


def shard(root: Path) -> Path:
    labels = [label for label, count in enumerate(COUNTS.values()) for _ in range(count)]
    write_shard(root / "train.parquet", [png(image) for image in pixels(len(labels))], labels)
    return root


LAYOUTS = {
    "classes": ("image_folder", write_classes),
    "train": ("image_folder", lambda root: write_classes(root / "train").parent),
    "parquet": ("parquet", shard),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_share_of_each_class_is_kept_for_the_test(layout: str, tmp_path: Path):
    name, write = LAYOUTS[layout]
    root = write(tmp_path / "mine")
    dataset, test = (load(own(root, name, **SHARE)) for load in (load_dataset, load_test))
    assert dataset.num_classes == 3
    assert dataset.sizes == {"train": 13, "validation": 3, "test": 4}
    assert np.bincount(test.labels_N).tolist() == [2, 1, 1]
    seen = np.concatenate([part.images_NCHW for part in (dataset.train, dataset.validation, test)])
    assert len(np.unique(seen.reshape(len(seen), -1), axis=0)) == sum(COUNTS.values())


def test_no_seed_moves_an_image_between_training_and_test(tmp_path: Path):
    root = write_classes(tmp_path / "mine")
    first, other = (load_test(own(root, "image_folder", **SHARE, split_seed=seed)) for seed in (1, 2))
    np.testing.assert_array_equal(first.images_NCHW, other.images_NCHW)
    whole, half = (load_dataset(own(root, "image_folder", **SHARE | {"test_share": share})) for share in (0.2, 0.5))
    assert whole.fingerprint != half.fingerprint
    assert half.sizes == {"train": 7, "validation": 3, "test": 10}


def test_a_test_split_that_is_there_is_not_passed_over(tmp_path: Path):
    write_classes(tmp_path / "mine" / "train")
    write_classes(tmp_path / "mine" / "test")
    with pytest.raises(DataError, match=r"for data without a test split, and .*mine/test.* is one: take the setting"):
        check_available(own(tmp_path / "mine", "image_folder", **SHARE))


def test_a_class_too_small_to_be_divided_is_named(tmp_path: Path):
    root = write_classes(tmp_path / "mine")
    (root / "one").mkdir()
    Image.fromarray(pixels(1)[0]).save(root / "one" / "0.png")
    with pytest.raises(DataError, match="class one has 1 images, too few to divide"):
        load_dataset(own(root, "image_folder", **SHARE))


def test_without_the_setting_the_way_is_said(tmp_path: Path):
    with pytest.raises(DataError, match=r"no folder train .*CLASS/\*.png.*data.test_share=0.2"):
        check_available(own(write_classes(tmp_path / "mine"), "image_folder"))

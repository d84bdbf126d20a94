"""Folders of images: one folder per class."""

import numpy as np
import pytest
from PIL import Image

from tests.helpers.image_files import own, pixels
from trainables.data.dataset import check_available, load_dataset, load_test
from trainables.data.source import DataError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "pictures"
    for split, count in (("train", 5), ("test", 2)):
        for label, name in enumerate(("bird", "fish")):
            for i, image in enumerate(pixels(count, seed=label)):
                place = root / split / name / ("deep" if i == 1 else "")
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(place / f"{i}.png")
    (root / "train" / "notes.txt").write_text("no image")
    return root


def test_image_folder_classes_are_folders_in_alphabetical_order(folder):
    cfg = own(folder, "image_folder")
    check_available(cfg, test=True)
    dataset, test = load_dataset(cfg), load_test(cfg)
    assert dataset.class_names == ("bird", "fish")
    assert dataset.sizes == {"train": 6, "validation": 4, "test": 4}
    assert test.labels_N.tolist() == [0, 0, 1, 1]
    expected = pixels(2, seed=1).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(test.images_NCHW[2:], expected)


def test_image_folder_errors_say_what_is_missing(folder, tmp_path):
    (folder / "test" / "dragon").mkdir()
    with pytest.raises(DataError, match="test: classes that train does not have: dragon"):
        load_test(own(folder, "image_folder"))
    (folder / "train" / "empty").mkdir()
    with pytest.raises(DataError, match=r"no images \(.png.* in class empty"):
        check_available(own(folder, "image_folder"))
    (tmp_path / "bare" / "train").mkdir(parents=True)
    with pytest.raises(DataError, match="expected one folder per class, found 0"):
        check_available(own(tmp_path / "bare", "image_folder"))
    (tmp_path / "none" / "cats").mkdir(parents=True)
    with pytest.raises(DataError, match=r"no folder train \(found: cats\); image_folder expects train/CLASS"):
        check_available(own(tmp_path / "none", "image_folder"))

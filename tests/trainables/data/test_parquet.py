"""Parquet shards: what they give and what they say when unfit."""

import json

import numpy as np
import pytest

from tests.helpers.image_files import own, pixels, png, write_shard
from trainables.data.dataset import check_available, load_dataset, load_test
from trainables.data.source import DataError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def parquet(tmp_path):
    """Two train shards and a test shard; 3 classes, 12 + 8 training images."""
    root = tmp_path / "data"
    images = [png(image) for image in pixels(26)]
    meta = {"label_names": "ant,bee,cat"}
    write_shard(root / "train-00000-of-00002.parquet", images[:12], [i % 3 for i in range(12)], meta=meta)
    write_shard(root / "train-00001-of-00002.parquet", images[12:20], [i % 3 for i in range(8)], meta=meta)
    write_shard(root / "test-00000-of-00001.parquet", images[20:], [i % 3 for i in range(6)], meta=meta)
    return root


def test_parquet_shards_give_their_pixels_in_order(parquet):
    cfg = own(parquet)
    check_available(cfg, test=True)
    dataset, test = load_dataset(cfg), load_test(cfg)
    assert dataset.sizes == {"train": 14, "validation": 6, "test": 6}
    assert dataset.class_names == ("ant", "bee", "cat")
    expected = pixels(26).transpose(0, 3, 1, 2)
    for split in (dataset.train, dataset.validation):
        np.testing.assert_array_equal(split.images_NCHW, expected[split.ids_N])
    np.testing.assert_array_equal(test.images_NCHW, expected[20:])
    assert test.labels_N.tolist() == [0, 1, 2, 0, 1, 2]


def test_a_broken_test_shard_does_not_disturb_training(parquet):
    (parquet / "test-00000-of-00001.parquet").write_bytes(b"PAR1 nonsense")
    assert load_dataset(own(parquet)).sizes["test"] == 0
    with pytest.raises(DataError, match=r"test-00000-of-00001.parquet: not a readable Parquet file"):
        load_test(own(parquet))


def test_validation_shards_are_the_test_split_if_there_is_no_other(parquet):
    (parquet / "test-00000-of-00001.parquet").rename(parquet / "validation-00000-of-00001.parquet")
    assert len(load_test(own(parquet)).labels_N) == 6


def test_shards_in_a_data_folder_and_plain_bytes_and_the_datasets_librarys_names(tmp_path):
    features = {"label": {"names": ["no", "yes"]}}
    meta = {"huggingface": json.dumps({"info": {"features": features}})}
    images = [png(image) for image in pixels(8)]
    write_shard(
        tmp_path / "d/data/train-0.parquet", images, [0, 1] * 4, struct=False, names=("image", "label"), meta=meta
    )
    dataset = load_dataset(own(tmp_path / "d"))
    assert dataset.class_names == ("no", "yes")
    assert dataset.sizes == {"train": 4, "validation": 4, "test": 0}
    with pytest.raises(DataError, match=r"no test\*.parquet or validation\*.parquet .*train-0.parquet"):
        load_test(own(tmp_path / "d"))


def test_columns_can_be_named_and_wrong_ones_list_what_there_is(parquet, tmp_path):
    with pytest.raises(
        DataError, match=r"data.image_column=photo is not a column. Columns: img \(struct.*id \(int64\)"
    ):
        check_available(own(parquet, image_column="photo"))
    with pytest.raises(DataError, match=r"data.label_column=img is struct.*expected whole numbers"):
        load_dataset(own(parquet, label_column="img"))
    images = [png(image) for image in pixels(6)]
    write_shard(tmp_path / "odd/train.parquet", images, [0, 1] * 3, names=("foto", "sort"))
    with pytest.raises(DataError, match=r"no column of whole numbers recognised; set data.label_column. Columns: foto"):
        check_available(own(tmp_path / "odd"))
    assert load_dataset(own(tmp_path / "odd", label_column="sort")).num_classes == 2  # the only image column is found


def test_parquet_rows_that_are_no_images_or_have_no_label(tmp_path):
    images = [png(image) for image in pixels(6)]
    write_shard(tmp_path / "a/train.parquet", [*images[:5], b"GIF89a nope"], [0, 1] * 3)
    with pytest.raises(DataError, match=r"train.parquet row 5: not an image that Pillow can read"):
        load_dataset(own(tmp_path / "a"))
    write_shard(tmp_path / "b/train.parquet", images, [0, 1, 0, 1, None, 1])
    with pytest.raises(DataError, match=r"train.parquet: 1 rows have no label"):
        load_dataset(own(tmp_path / "b"))
    write_shard(tmp_path / "c/train.parquet", [None, *images[1:]], [0, 1] * 3, struct=False)
    with pytest.raises(DataError, match=r"train.parquet row 0: no image"):
        load_dataset(own(tmp_path / "c"))
    write_shard(tmp_path / "d/train.parquet", images, [0, 5] * 3)
    with pytest.raises(DataError, match=r"column label must be 0 .. classes - 1.*got 2 different values from 0 to 5"):
        load_dataset(own(tmp_path / "d"))


def test_test_labels_beyond_the_training_classes(parquet):
    write_shard(parquet / "test-00000-of-00001.parquet", [png(image) for image in pixels(2)], [0, 7])
    with pytest.raises(DataError, match=r"the test split has label 7, but train has only classes 0 .. 2"):
        load_test(own(parquet))


def test_a_changed_shard_changes_the_fingerprint_and_what_is_read(parquet):
    first = load_dataset(own(parquet))
    images = [png(image) for image in pixels(12, seed=5)]
    write_shard(parquet / "train-00000-of-00002.parquet", images, [i % 3 for i in range(12)])
    second = load_dataset(own(parquet))
    assert second.fingerprint != first.fingerprint
    row = int(np.argmax(second.train.ids_N < 12))
    expected = pixels(12, seed=5).transpose(0, 3, 1, 2)[second.train.ids_N[row]]
    np.testing.assert_array_equal(second.train.images_NCHW[row], expected)

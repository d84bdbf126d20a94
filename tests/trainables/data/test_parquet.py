"""Parquet shards: what they give and what they say when unfit."""

import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from study.options import describe_data
from tests.helpers.image_files import own, pixels, png, write_shard
from trainables.data import dataset
from trainables.data.dataset import check_available, check_test, load_dataset, load_test
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
    with pytest.raises(DataError, match=r"train.parquet: 1 rows have no label, row 4 is the first"):
        load_dataset(own(tmp_path / "b"))
    write_shard(tmp_path / "c/train.parquet", [None, *images[1:]], [0, 1] * 3, struct=False)
    with pytest.raises(DataError, match=r"train.parquet row 0: no image"):
        load_dataset(own(tmp_path / "c"))
    write_shard(tmp_path / "d/train.parquet", images, [0, 5] * 3)
    with pytest.raises(DataError, match=r"column label must be 0 .. classes - 1.*got 2 different values from 0 to 5"):
        load_dataset(own(tmp_path / "d"))


def test_test_labels_beyond_the_training_classes(parquet):
    write_shard(parquet / "test-00000-of-00001.parquet", [png(image) for image in pixels(2)], [0, 7])
    with pytest.raises(
        DataError, match=r"parquet row 1: the test split has label 7, but train has only classes 0 .. 2"
    ):
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


def test_a_missing_shard_is_refused_before_anything_is_decoded(parquet):
    (parquet / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(DataError, match=r"numbered files are missing: train-00001-of-00002.parquet"):
        check_available(own(parquet))


def test_shards_of_no_split_are_named(parquet):
    write_shard(parquet / "validation-00000-of-00001.parquet", [png(image) for image in pixels(2)], [0, 1])
    assert load_dataset(own(parquet)).notes == ("not used, of no split: validation-00000-of-00001.parquet",)


def test_every_shard_gives_the_columns_of_the_first_training_shard(tmp_path):
    images = [png(image) for image in pixels(6)]
    write_shard(tmp_path / "train.parquet", images, [0, 1] * 3, names=("img", "fine_label"))
    pq.write_table(pa.table({"img": images, "label": [1, 0] * 3, "fine_label": [0, 1] * 3}), tmp_path / "test.parquet")
    assert load_test(own(tmp_path)).labels_N.tolist() == [0, 1] * 3


# --- test data are checked before anything trains ---


@pytest.mark.parametrize(
    ("images", "labels", "line"),
    [
        ([b"GIF89a nope"], [0], "row 2: not an image that Pillow can read"),
        ([png(pixels(1, 9)[0])], [0], "row 2 is 9x9 pixels, but training images are 6x6: .*set data.image_size"),
        ([png(np.zeros((6, 9, 3), np.uint8))], [0], "row 2 is 9x6 pixels, but training images are 6x6"),
        ([png(np.zeros((6, 6), np.uint16))], [0], "row 2: image mode I;16 has more than 8 bits"),
        ([png(pixels(1)[0])], [-1], r"row 2: the test split has label -1, but train has only classes 0 \.\. 2"),
        ([png(pixels(1)[0])], [3], r"row 2: the test split has label 3, but train has only classes 0 \.\. 2"),
        ([png(pixels(1)[0])], [None], "row 2: no label"),
        ([None], [0], "row 2: no image"),
    ],
)
def test_what_is_wrong_with_a_test_image_is_said_with_its_place(parquet, images, labels, line):
    good = [png(image) for image in pixels(3)]
    path = parquet / "test-00000-of-00001.parquet"
    write_shard(path, [*good[:2], *images, good[2]], [0, 1, *labels, 2], struct=False)
    load_dataset(own(parquet))
    with pytest.raises(DataError, match=rf"^{path} {line}") as caught:
        check_test(own(parquet))
    assert "\n" not in str(caught.value)


def test_an_empty_test_split_is_refused(parquet):
    write_shard(parquet / "test-00000-of-00001.parquet", [], [], struct=False)
    with pytest.raises(DataError, match="parquet: no test images found"):
        check_test(own(parquet))


def test_the_evaluation_reads_what_the_check_decoded(parquet, monkeypatch):
    said = []
    check_test(own(parquet), said.append)
    assert any("decoding 6 test images once" in line for line in said)
    monkeypatch.setattr(dataset, "decode_all", lambda *_, **__: pytest.fail("decoded again"))
    assert len(load_test(own(parquet)).labels_N) == 6


def test_a_changed_size_of_training_images_shows_in_test_though_it_is_cached(parquet):
    check_test(own(parquet))
    for shard, count in ((0, 12), (1, 8)):
        images = [png(image) for image in pixels(count, 9)]
        write_shard(parquet / f"train-0000{shard}-of-00002.parquet", images, [i % 3 for i in range(count)])
    with pytest.raises(DataError, match=r"row 0 is 6x6 pixels, but training images are 9x9"):
        check_test(own(parquet))


@pytest.mark.parametrize("confirm", [False, True])
def test_a_study_that_confirms_checks_its_test_data_first(parquet, confirm):
    path = parquet / "test-00000-of-00001.parquet"
    write_shard(path, [png(image) for image in pixels(2)], [0, -1])
    study = SimpleNamespace(data=own(parquet), confirm=SimpleNamespace(enabled=confirm))
    if not confirm:
        assert describe_data(study)["test"] == 2
        return
    with pytest.raises(DataError, match=r"row 1: the test split has label -1"):
        describe_data(study)

"""People's own data: Parquet, image folders, torchvision's CIFAR; what they give and what they say when unfit."""

import hashlib
import io
import json
import pickle
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from trainables.data.dataset import DataError, check_available, load_dataset, load_test
from trainables.data.sources import Cifar
from trainables.settings.config import DataConfig


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path / "cache"))


def pixels(count: int, size: int = 6, channels: int = 3, seed: int = 0) -> np.ndarray:
    images = np.random.default_rng(seed).integers(0, 256, (count, size, size, channels), dtype=np.uint8)
    return images if channels == 3 else images[..., 0]


def png(image: np.ndarray | Image.Image, fmt: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, fmt)
    return buffer.getvalue()


def write_shard(path: Path, images: list[bytes], labels: list[int], *, struct=True, names=("img", "label"), meta=None):
    column = pa.array([{"bytes": b, "path": "x.png"} for b in images]) if struct else pa.array(images, pa.binary())
    table = pa.table({names[0]: column, names[1]: pa.array(labels, pa.int64()), "id": pa.array(range(len(labels)))})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(meta), path)


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


def own(root: Path, name: str = "parquet", **changes) -> DataConfig:
    return DataConfig(name=name, root=str(root), **{"validation_per_class": 2, **changes})


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


def test_sizes_that_differ_need_image_size(tmp_path):
    images = [png(pixels(1, size)[0]) for size in (6, 6, 6, 9, 6, 6)]
    write_shard(tmp_path / "a/train.parquet", images, [0, 1] * 3)
    with pytest.raises(DataError, match=r"row 3 is 9x9 pixels, but .*row 0 is 6x6: .*set data.image_size"):
        load_dataset(own(tmp_path / "a", validation_per_class=1))
    resized = load_dataset(own(tmp_path / "a", validation_per_class=1, image_size=5))
    assert resized.train.images_NCHW.shape == (4, 3, 5, 5)
    wide = Image.fromarray(np.zeros((6, 9, 3), dtype=np.uint8))
    write_shard(tmp_path / "b/train.parquet", [png(wide)] * 4, [0, 1] * 2)
    with pytest.raises(DataError, match=r"row 0: images must be square, got 9x6: set data.image_size"):
        load_dataset(own(tmp_path / "b", validation_per_class=1))


def test_resizing_takes_the_centre_of_the_shorter_sides_square(tmp_path):
    stripes = np.zeros((8, 16, 3), dtype=np.uint8)
    stripes[:, 4:12] = 200  # the centre square of a picture twice as wide as high
    write_shard(tmp_path / "train.parquet", [png(stripes)] * 4, [0, 1] * 2)
    images = load_dataset(own(tmp_path, validation_per_class=1, image_size=8)).train.images_NCHW
    assert (images == 200).all()


def test_grey_images_have_one_channel_unless_some_are_coloured(tmp_path):
    grey = [png(image) for image in pixels(6, channels=1)]
    write_shard(tmp_path / "a/train.parquet", grey, [0, 1] * 3)
    write_shard(tmp_path / "a/test.parquet", [png(image) for image in pixels(2)], [0, 1])
    dataset = load_dataset(own(tmp_path / "a"))
    assert (dataset.channels, len(dataset.mean)) == (1, 1)
    np.testing.assert_array_equal(dataset.train.images_NCHW[:, 0], pixels(6, channels=1)[dataset.train.ids_N])
    assert load_test(own(tmp_path / "a")).images_NCHW.shape[1] == 1  # as train
    write_shard(tmp_path / "b/train.parquet", [*grey[:5], png(pixels(1)[0])], [0, 1] * 3)
    assert load_dataset(own(tmp_path / "b")).channels == 3


def test_palette_alpha_and_16_bit_images(tmp_path):
    image = Image.fromarray(pixels(1)[0])
    forms = [png(image.convert("P")), png(image.convert("RGBA")), png(image, "BMP"), png(image, "WEBP")]
    write_shard(tmp_path / "a/train.parquet", forms, [0, 1] * 2)
    assert load_dataset(own(tmp_path / "a", validation_per_class=1)).channels == 3
    deep = Image.fromarray(np.full((6, 6), 40_000, dtype=np.uint16))
    write_shard(tmp_path / "b/train.parquet", [png(deep)] * 4, [0, 1] * 2)
    with pytest.raises(DataError, match=r"image mode I;16 has more than 8 bits"):
        load_dataset(own(tmp_path / "b", validation_per_class=1))


def test_a_changed_shard_changes_the_fingerprint_and_what_is_read(parquet):
    first = load_dataset(own(parquet))
    images = [png(image) for image in pixels(12, seed=5)]
    write_shard(parquet / "train-00000-of-00002.parquet", images, [i % 3 for i in range(12)])
    second = load_dataset(own(parquet))
    assert second.fingerprint != first.fingerprint
    row = int(np.argmax(second.train.ids_N < 12))
    expected = pixels(12, seed=5).transpose(0, 3, 1, 2)[second.train.ids_N[row]]
    np.testing.assert_array_equal(second.train.images_NCHW[row], expected)


# --- image folder ---


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


@pytest.mark.parametrize("name", ["parquet", "image_folder"])
def test_no_root_or_a_wrong_one(name, tmp_path):
    with pytest.raises(DataError, match=f"data.name={name} needs data.root.*--rehearse"):
        check_available(DataConfig(name=name))
    with pytest.raises(DataError, match=r"data.root: no folder .*/nowhere .*--rehearse"):
        check_available(own(tmp_path / "nowhere", name))
    (tmp_path / "hollow").mkdir()
    with pytest.raises(DataError, match="hollow"):
        load_dataset(own(tmp_path / "hollow", name))


# --- CIFAR through torchvision ---


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def test_missing_cifar_says_where_it_looked_and_the_ways_out(tmp_path, no_network):
    cfg = DataConfig(name="cifar100", root=str(tmp_path))
    for action in (check_available, load_dataset):
        with pytest.raises(DataError) as error:
            action(cfg)
        for part in ("cifar-100-python", str(tmp_path), "cannot be downloaded (no route to host)", "--rehearse"):
            assert part in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(DataError, match=r"cifar10 was not found .*data.download is false.*data.name=parquet"):
        load_dataset(DataConfig(name="cifar10", root=str(tmp_path), download=False))


def test_cifar_files_are_read_as_torchvision_reads_them(tmp_path, monkeypatch):
    from torchvision.datasets import CIFAR100

    base = tmp_path / CIFAR100.base_folder
    base.mkdir()
    lists = {}
    for split, count in (("train", 40), ("test", 20)):
        content = pixels(count, 32, seed=count).transpose(0, 3, 1, 2).reshape(count, -1)
        body = pickle.dumps({"data": content, "fine_labels": [i % 4 for i in range(count)]})
        (base / split).write_bytes(body)
        lists[split] = [(split, hashlib.md5(body).hexdigest())]
    body = pickle.dumps({"fine_label_names": ["a", "b", "c", "d"]})
    (base / "meta").write_bytes(body)
    monkeypatch.setattr(CIFAR100, "train_list", lists["train"])
    monkeypatch.setattr(CIFAR100, "test_list", lists["test"])
    monkeypatch.setattr(CIFAR100, "meta", CIFAR100.meta | {"md5": hashlib.md5(body).hexdigest()})
    monkeypatch.setattr(Cifar, "count", lambda self, split: 40 if split == "train" else 20)
    cfg = DataConfig(name="cifar100", root=str(tmp_path), validation_per_class=2)
    check_available(cfg, test=True)
    dataset, test = load_dataset(cfg), load_test(cfg)
    assert dataset.class_names == ("a", "b", "c", "d")
    expected = pixels(40, 32, seed=40).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(dataset.train.images_NCHW, expected[dataset.train.ids_N])
    np.testing.assert_array_equal(test.images_NCHW, pixels(20, 32, seed=20).transpose(0, 3, 1, 2))
    (base / "train").write_bytes(b"torn")
    with pytest.raises(DataError, match=r"its files are damaged .*delete them"):
        load_dataset(cfg)

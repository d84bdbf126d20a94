"""Splits, limits, the closed door to the test split; on the embedded digits and on real CIFAR-100 if at hand."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from study import cost, plan
from study.settings.config import StudyConfig
from tests.helpers.image_files import own, pixels, png, write_shard
from trainables.data import cache, dataset
from trainables.data.dataset import check_available, counts_line, load_dataset, load_test
from trainables.data.digits import Digits
from trainables.data.source import DataError
from trainables.settings.config import DataConfig

CIFAR100 = Path(__file__).parents[4] / "shared" / "data" / "cifar100"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path / "cache"))


def digits(**changes) -> DataConfig:
    return DataConfig(name="digits", **{"validation_per_class": 30, **changes})


def test_arrays_are_mapped_read_only_and_typed():
    train = load_dataset(digits()).train
    assert isinstance(train.images_NCHW, np.memmap)
    assert [a.dtype for a in train] == [np.uint8, np.int64, np.int64]
    for array in train:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_mean_and_std_are_those_of_the_training_pixels():
    dataset = load_dataset(digits())
    pixels = np.concatenate([dataset.train.images_NCHW, dataset.validation.images_NCHW]) / 255
    assert dataset.mean == pytest.approx([pixels.mean()])
    assert dataset.std == pytest.approx([pixels.std()])


def test_ids_name_the_same_image_whatever_split_and_limit():
    whole = load_dataset(digits(split_seed=1, validation_per_class=1))
    image = dict(zip(whole.train.ids_N.tolist(), map(bytes, whole.train.images_NCHW), strict=True))
    other = load_dataset(digits(split_seed=7, train_limit=200))
    for number, found in zip(other.train.ids_N.tolist(), other.train.images_NCHW, strict=True):
        assert image.get(number, bytes(found)) == bytes(found)


def test_validation_does_not_depend_on_the_limit_but_on_the_seed():
    full, limited, reseeded = (load_dataset(digits(**c)) for c in ({}, {"train_limit": 100}, {"split_seed": 1}))
    assert full.validation.ids_N.tolist() == limited.validation.ids_N.tolist()
    assert full.validation.ids_N.tolist() != reseeded.validation.ids_N.tolist()
    assert set(limited.train.ids_N) <= set(full.train.ids_N)
    again = load_dataset(digits(train_limit=100))
    assert again.train.ids_N.tolist() == limited.train.ids_N.tolist()


def test_train_limit_is_stratified_and_exact():
    train = load_dataset(digits(train_limit=205)).train
    counts = np.bincount(train.labels_N)
    assert counts.sum() == 205
    assert set(counts) <= {20, 21}
    assert len(load_dataset(digits(train_limit=10**6)).train.ids_N) == 1137  # more than there is: no limit


def test_the_fingerprint_follows_content_not_split_settings():
    base = load_dataset(digits())
    assert load_dataset(digits(split_seed=3, train_limit=50)).fingerprint == base.fingerprint
    resized = load_dataset(digits(image_size=12))
    assert resized.fingerprint != base.fingerprint
    assert resized.train.images_NCHW.shape == (1137, 1, 12, 12)


def test_too_few_images_per_class_name_the_class_and_the_way_out():
    with pytest.raises(DataError, match=r"class 8 \(8\) has 139 training images.*validation_per_class=139.*below 139"):
        load_dataset(digits(validation_per_class=139))
    with pytest.raises(DataError, match=r"train_limit=9 is below the 10 classes"):
        load_dataset(digits(train_limit=9))


def test_training_never_asks_the_source_for_a_test_image(monkeypatch):
    asked = []
    items = Digits.items
    monkeypatch.setattr(Digits, "items", lambda self, split: asked.append(split) or items(self, split))
    load_dataset(digits())
    assert asked == ["train"]
    load_test(digits())
    assert asked == ["train", "test"]
    assert not hasattr(load_dataset(digits()), "test")


def test_progress_says_what_is_decoded_once():
    messages = []
    load_dataset(digits(), messages.append)
    assert len(messages) == 2
    assert messages[0].startswith("digits: decoding 1,437 train images once")
    assert messages[1] == "data: 10 classes, train 1,137, validation 300, test 360; smallest class 109 images"
    load_dataset(digits(), messages.append)
    assert len(messages) == 2


def test_the_plan_says_classes_and_images_a_split(tmp_path):
    plain = StudyConfig(name="x", space={})
    own = plain.model_copy(update={"data": digits(train_limit=205)})
    [line] = plan._data_lines(own, cost.data_sizes(own))
    assert line == "10 classes, train 205, validation 300, test 360; smallest class 20 images"
    cifar = DataConfig(name="cifar10", root=str(tmp_path / "nowhere"))  # its sizes are known without it
    own = plain.model_copy(update={"data": cifar})
    [line] = plan._data_lines(own, cost.data_sizes(own))
    assert line == "10 classes, train 49,500, validation 500, test 10,000"
    assert counts_line(3, {"train": 4, "test": 0}, 1) == "3 classes, train 4, test none; smallest class 1 images"


# --- everything that decides a cached array is in its key ---


def classes(root: Path, split: str, names: str) -> None:
    for name in names:
        (root / split / name).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (6, 6), (ord(name) * 2 % 256, i, 0)).save(root / split / name / f"{i}.png")


def test_test_labels_follow_the_classes_of_train(tmp_path):
    cfg = own(tmp_path / "data", "image_folder", cache_dir=str(tmp_path / "cache"))
    classes(tmp_path / "data", "train", "bcd")
    classes(tmp_path / "data", "test", "bcd")
    assert load_test(cfg).labels_N.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    shutil.copytree(tmp_path / "data/train/d", tmp_path / "data/train/a")
    assert load_dataset(cfg).class_names == ("a", "b", "c", "d")
    assert load_test(cfg).labels_N.tolist() == [1] * 4 + [2] * 4 + [3] * 4


def test_a_column_that_is_named_is_read_though_another_was_guessed_before(tmp_path):
    images = [png(image) for image in pixels(8)]
    write_shard(tmp_path / "data/train.parquet", images, [0, 1] * 4)
    two = {"img": images, "label": [0, 1] * 4, "fine": [1, 0] * 4}
    pq.write_table(pa.table(two), tmp_path / "data/test.parquet")
    pq.write_table(pa.table(two), tmp_path / "data/train.parquet")
    cfg = {"cache_dir": str(tmp_path / "cache")}
    assert load_test(own(tmp_path / "data", **cfg)).labels_N[0] == 0
    assert load_test(own(tmp_path / "data", label_column="fine", **cfg)).labels_N[0] == 1


@pytest.mark.parametrize(("module", "name", "value"), [("decode", "DECODER", 99), ("cache", "FORMAT", 99)])
def test_another_decoder_decodes_again_and_the_fingerprint_stays(tmp_path, monkeypatch, module, name, value):
    cfg, said = DataConfig(name="digits", cache_dir=str(tmp_path), validation_per_class=30), []
    before = load_dataset(cfg).fingerprint
    monkeypatch.setattr(cache if module == "cache" else dataset, name, value)
    assert load_dataset(cfg, said.append).fingerprint == before
    assert said[0].startswith("digits: decoding")


def test_another_pillow_decodes_again(tmp_path, monkeypatch):
    cfg, said = DataConfig(name="digits", cache_dir=str(tmp_path), validation_per_class=30), []
    load_dataset(cfg)
    monkeypatch.setattr(dataset.PIL, "__version__", "99.0")
    load_dataset(cfg, said.append)
    assert said[0].startswith("digits: decoding")


def test_files_that_change_while_they_are_read_are_not_cached(tmp_path, monkeypatch):
    write_shard(tmp_path / "data/train.parquet", [png(image) for image in pixels(8)], [0, 1] * 4)
    decode = dataset.decode_all

    def change(*args, **more):
        found = decode(*args, **more)
        write_shard(tmp_path / "data/train.parquet", [png(image) for image in pixels(8, seed=3)], [0, 1] * 4)
        return found

    monkeypatch.setattr(dataset, "decode_all", change)
    cfg = own(tmp_path / "data", cache_dir=str(tmp_path / "cache"))
    with pytest.raises(DataError, match="the train files changed while they were read; start again"):
        load_dataset(cfg)
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


@pytest.mark.slow
@pytest.mark.skipif(not CIFAR100.is_dir(), reason="no CIFAR-100 Parquet files in ../shared/data/cifar100")
def test_real_cifar100_gives_the_published_statistics():
    cfg = DataConfig(name="parquet", root=str(CIFAR100))
    check_available(cfg, test=True)
    dataset, test = load_dataset(cfg), load_test(cfg)
    assert dataset.sizes == {"train": 45_000, "validation": 5_000, "test": 10_000}
    assert dataset.mean == pytest.approx((0.50707516, 0.48654887, 0.44091784), abs=1e-7)
    assert dataset.std == pytest.approx((0.26733429, 0.25643846, 0.27615047), abs=1e-7)
    assert (dataset.num_classes, dataset.channels, dataset.image_size) == (100, 3, 32)
    assert dataset.class_names[0] == "apple"
    assert dataset.class_names[-1] == "worm"
    for split, per_class in ((dataset.train, 450), (dataset.validation, 50), (test, 100)):
        assert np.bincount(split.labels_N).tolist() == [per_class] * 100
    assert test.images_NCHW.shape == (10_000, 3, 32, 32)

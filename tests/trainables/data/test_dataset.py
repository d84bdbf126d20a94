"""Splits, limits, the closed door to the test split; on the embedded digits and on real CIFAR-100 if at hand."""

from pathlib import Path

import numpy as np
import pytest

from trainables.data.dataset import check_available, load_dataset, load_test
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
    for number, pixels in zip(other.train.ids_N.tolist(), other.train.images_NCHW, strict=True):
        assert image.get(number, bytes(pixels)) == bytes(pixels)


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
    assert len(messages) == 1
    assert messages[0].startswith("digits: decoding 1,437 train images once")
    load_dataset(digits(), messages.append)
    assert len(messages) == 1


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

"""The embedded digits."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from trainables.data.dataset import check_available, load_dataset, load_test
from trainables.settings.config import DataConfig


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path / "cache"))


def digits(**changes) -> DataConfig:
    return DataConfig(name="digits", **{"validation_per_class": 30, **changes})


def test_digits_splits_have_the_stated_sizes_and_share_no_image():
    dataset, test = load_dataset(digits()), load_test(digits())
    assert dataset.sizes == {"train": 1137, "validation": 300, "test": 360}
    assert (dataset.num_classes, dataset.channels, dataset.image_size) == (10, 1, 8)
    assert np.bincount(dataset.validation.labels_N).tolist() == [30] * 10
    assert not set(dataset.train.ids_N) & set(dataset.validation.ids_N)
    assert sorted([*dataset.train.ids_N, *dataset.validation.ids_N]) == list(range(1437))
    parts = [dataset.train, dataset.validation, test]
    rows = np.concatenate([part.images_NCHW.reshape(-1, 64) for part in parts])
    whole = np.round(load_digits().images * (255 / 16)).astype(np.uint8).reshape(-1, 64)
    assert sorted(map(bytes, rows)) == sorted(map(bytes, whole))  # each image exactly once
    assert all(abs(share - 0.2) < 0.01 for share in np.bincount(test.labels_N) / np.bincount(load_digits().target))


def test_digits_are_always_available():
    check_available(DataConfig(name="digits"), test=True)

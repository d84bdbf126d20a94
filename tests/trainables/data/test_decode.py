"""Decoding: sizes, colours and depths of images."""

import numpy as np
import pytest
from PIL import Image

from tests.helpers.image_files import own, pixels, png, write_shard
from trainables.data.dataset import load_dataset, load_test
from trainables.data.source import DataError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path / "cache"))


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

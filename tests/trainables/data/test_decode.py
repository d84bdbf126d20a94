"""Decoding: sizes, colours and depths of images."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.helpers.image_files import own, pixels, png, write_shard
from trainables.data.dataset import load_dataset, load_test
from trainables.data.decode import decode_item
from trainables.data.source import DataError, Item


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


# --- colours ---


def grey(count: int, seed: int = 0) -> list[bytes]:
    return [png(image) for image in pixels(count, channels=1, seed=seed)]


def coloured(count: int, seed: int = 0) -> list[bytes]:
    return [png(image) for image in pixels(count, seed=seed)]


def decoded(root, train: list[bytes], test: list[bytes]):
    """Data set, test split and what was said, of one class after the other."""
    said: list[str] = []
    for split, images in (("train", train), ("test", test)):
        write_shard(root / f"{split}.parquet", images, [i % 2 for i in range(len(images))])
    cfg = own(root, validation_per_class=1)
    dataset, test_split = load_dataset(cfg, said.append), load_test(cfg, said.append)
    return dataset, test_split, "\n".join(said)


def test_grey_images_have_one_channel_and_coloured_test_images_become_their_luminance(tmp_path):
    dataset, test, said = decoded(tmp_path, grey(6), [*coloured(1), *grey(1)])
    assert (dataset.channels, len(dataset.mean)) == (1, 1)
    np.testing.assert_array_equal(dataset.train.images_NCHW[:, 0], pixels(6, channels=1)[dataset.train.ids_N])
    np.testing.assert_array_equal(test.images_NCHW[0, 0], np.asarray(Image.fromarray(pixels(1)[0]).convert("L")))
    np.testing.assert_array_equal(test.images_NCHW[1, 0], pixels(1, channels=1)[0])
    assert "test data: 1 of 2 images are coloured: made grey, as the training images are" in said
    assert dataset.notes == ()


def test_grey_test_images_are_rgb_where_training_images_are_coloured(tmp_path):
    dataset, test, said = decoded(tmp_path, coloured(6), grey(2))
    assert dataset.channels == 3
    for channel in range(3):
        np.testing.assert_array_equal(test.images_NCHW[:, channel], pixels(2, channels=1))
    assert "test data: 2 of 2 images are grey: kept as RGB with R = G = B, like the others" in said


def test_a_mixture_in_train_is_rgb_and_said_in_one_line(tmp_path):
    dataset, test, said = decoded(tmp_path, [*grey(5), *coloured(1)], coloured(2))
    assert (dataset.channels, test.images_NCHW.shape[1]) == (3, 3)
    [note] = dataset.notes
    assert note == "5 of 6 images are grey: kept as RGB with R = G = B, like the others"
    assert f"data: {note}" in said
    assert load_dataset(own(tmp_path, validation_per_class=1)).notes == (note,)  # from the cache too


RED = (250, 10, 20)


def forms() -> dict[str, bytes]:
    """One red image in forms whose bytes differ; only CMYK, which Pillow converts naively, is another red."""
    image = Image.new("RGB", (6, 6), RED)
    palette = image.quantize(4)
    buffer = io.BytesIO()
    palette.save(buffer, "PNG", transparency=bytes([0, 128, 255]))
    clear = Image.new("RGBA", (6, 6), (*RED, 0))
    return {
        "RGB": png(image),
        "palette": png(palette),
        "transparent palette": buffer.getvalue(),
        "RGBA": png(clear),
        "RGBA WEBP": webp(clear),
        "BMP": png(image, "BMP"),
        "TIFF": png(image, "TIFF"),
        "CMYK": png(image.convert("CMYK"), "TIFF"),
    }


def webp(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=True, exact=True)
    return buffer.getvalue()


@pytest.mark.parametrize("form", forms())
def test_every_form_of_an_image_gives_its_colours_and_transparency_is_dropped(form):
    found = decode_item(Item(forms()[form], 0, "here"), None)
    assert found.pixels_CHW[:, 3, 3].tolist() == list(RED)
    assert found.transparent == (form in ("transparent palette", "RGBA", "RGBA WEBP"))
    luminance = Image.new("RGB", (1, 1), RED).convert("L").getpixel((0, 0))
    assert decode_item(Item(forms()[form], 0, "here"), None, 1).pixels_CHW[0, 3, 3] == luminance


def test_grey_with_transparency_is_grey_and_said(tmp_path):
    clear = Image.merge("LA", [Image.new("L", (6, 6), 90), Image.new("L", (6, 6), 0)])
    dataset, test, said = decoded(tmp_path, [png(clear)] * 6, [png(clear)] * 2)
    assert dataset.channels == 1
    assert (test.images_NCHW == 90).all()
    assert dataset.notes == ("6 of 6 images have transparency: dropped",)
    assert "test data: 2 of 2 images have transparency: dropped" in said


# --- orientation ---


@pytest.mark.parametrize("fmt", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_their_exif_orientation_says(orientation, fmt):
    image = Image.fromarray(pixels(1)[0])
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image.save(buffer, fmt, exif=exif, **({"lossless": True, "exact": True} if fmt == "WEBP" else {}))
    turns = [np.array, np.fliplr, lambda a: np.rot90(a, 2), np.flipud, lambda a: a.swapaxes(0, 1)]
    turns += [lambda a: np.rot90(a, -1), lambda a: np.rot90(a, 2).swapaxes(0, 1), lambda a: np.rot90(a, 1)]
    expected = turns[orientation - 1](pixels(1)[0]).transpose(2, 0, 1)
    np.testing.assert_array_equal(decode_item(Item(buffer.getvalue(), 0, "here"), None).pixels_CHW, expected)


def test_damaged_exif_leaves_the_image_as_it_is():
    buffer = io.BytesIO()
    Image.fromarray(pixels(1)[0]).save(buffer, "PNG", exif=b"Exif\0\0nonsense")
    found = decode_item(Item(buffer.getvalue(), 0, "here"), None)
    np.testing.assert_array_equal(found.pixels_CHW, pixels(1)[0].transpose(2, 0, 1))


def test_grey_images_of_16_bits_are_refused(tmp_path):
    deep = Image.fromarray(np.full((6, 6), 40_000, dtype=np.uint16))
    write_shard(tmp_path / "b/train.parquet", [png(deep)] * 4, [0, 1] * 2)
    with pytest.raises(DataError, match=r"image mode I;16 has more than 8 bits"):
        load_dataset(own(tmp_path / "b", validation_per_class=1))

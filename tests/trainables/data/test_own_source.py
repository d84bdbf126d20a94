"""Data sources of one's own: what they hand over is checked, cached and part of the fingerprint."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from trainables.data.dataset import DataError, load_dataset, load_test
from trainables.settings import own_import
from trainables.settings.config import DataConfig
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.parts import SOURCES

CODE = """
from pathlib import Path
import numpy as np
from trainables.data.source import Item, Source
from trainables.settings.fields import Section

class Blobs(Source):
    class Options(Section):
        shift: int = 0

    def files(self, split): return []
    def count(self, split): return 12
    def class_names(self): return ["a", "b", "c"]
    def settings(self): return (1,)
    def items(self, split):
        for i in range(12):
            yield Item(np.full((4, 4), 7 * i + self.options.shift, np.uint8), i % 3, f"{split} {i}")
"""
PIXELS = "np.full((4, 4), 7 * i + self.options.shift, np.uint8)"


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """Called with pieces of the code and what stands in their place: settings of data of that source."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(*changes: tuple[str, str], **options: int) -> DataConfig:
        text = CODE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "blobs.py").write_text(text)
        for name in SOURCES.loaded.copy():
            SOURCES.forget(name)
        sys.modules.pop("blobs", None)
        importlib.invalidate_caches()
        own_import.load(SOURCES, "blobs:Blobs", "data.name", allow_code=True)
        return DataConfig(name="blobs:Blobs", options=options, validation_per_class=1, cache_dir=str(tmp_path / "c"))

    yield write
    SOURCES.forget("blobs:Blobs")
    sys.modules.pop("blobs", None)


def test_images_and_labels_come_as_those_of_the_house_do(written) -> None:
    said: list[str] = []
    data = load_dataset(written(), said.append)
    assert any("decoding 12 train images once" in line for line in said)
    assert (data.name, data.num_classes, data.class_names) == ("blobs", 3, ("a", "b", "c"))
    assert (data.channels, data.image_size, data.sizes) == (1, 4, {"train": 9, "validation": 3, "test": 12})
    whole = np.concatenate([data.train.images_NCHW[:, 0, 0, 0], data.validation.images_NCHW[:, 0, 0, 0]])
    assert sorted(whole.tolist()) == [7 * i for i in range(12)]
    assert data.mean[0] == pytest.approx(np.mean([7 * i for i in range(12)]) / 255)
    assert load_test(written()).labels_N.tolist() == [0, 1, 2] * 4


def test_fingerprint_and_cache_follow_what_is_handed_over(written) -> None:
    said: list[str] = []
    first = load_dataset(written(), said.append).fingerprint
    said.clear()
    assert load_dataset(written(), said.append).fingerprint == first
    assert said == []  # from the cache
    assert load_dataset(written(("class Blobs", "# a comment\nclass Blobs")), said.append).fingerprint == first
    assert any("decoding" in line for line in said)
    assert load_dataset(written(shift=1)).fingerprint != first
    assert load_dataset(written(("7 * i", "7 * i + i // 11"))).fingerprint != first
    assert load_dataset(written(("i % 3", "(i + i // 11) % 3"))).fingerprint != first
    assert load_dataset(written(("(1,)", "(2,)"))).fingerprint != first


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "yield Item(",
            "yield (",
            r"blobs, item 0 of train is \(array\(.* \(tuple\); yield trainables.data.source.Item",
        ),
        ("i % 3", "i % 4", r"item 3 of train has the label 3 \(int\); class_names has 0 .. 2"),
        ("i % 3", "str(i)", r"item 0 of train has the label '0' \(str\)"),
        ("np.uint8)", "float)", r"item 0 of train has pixels float64 4 x 4; give uint8, height x width \(x 3\)"),
        ("(4, 4)", "(4, 4, 4)", "item 0 of train has pixels uint8 4 x 4 x 4"),
        (PIXELS, "'x.png'", r"item 0 of train has the payload 'x.png' \(str\); give bytes of an image, a Path, or"),
        (PIXELS, "Path('x.png')", "item 0 of train: x.png cannot be read"),
        ('["a", "b", "c"]', '"abc"', r"class_names gives 'abc' \(str\); give two or more different texts"),
        ('["a", "b", "c"]', '["a", "b", "a"]', "two or more different texts"),
        ("return 12", "return 12.0", r"count\('train'\) gives 12.0 \(float\); give the number of images"),
        ("return 12", "return 13", "expected 13 images, found 12"),
        ("return []", "return ['x']", "give a list of pathlib.Path"),
        ("return []", "return [Path('nowhere.npz')]", "blobs: no file nowhere.npz"),
    ],
)
def test_what_is_no_image_or_label_is_refused(written, old: str, new: str, said: str) -> None:
    cfg = written((old, new))
    with pytest.raises(DataError, match=said) as raised:
        load_dataset(cfg)
    assert "\n" not in str(raised.value)


def test_a_name_of_the_house_is_taken(written) -> None:
    with pytest.raises(UserError, match=r"data\.name: there is a data source of the name 'digits' already"):
        written(("class Blobs(Source):", "class Blobs(Source):\n    name = 'digits'"))

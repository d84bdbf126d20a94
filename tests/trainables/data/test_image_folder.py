"""Folders of images: one folder per class."""

import os
import subprocess
import sys
from pathlib import Path

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


# --- what is used and what is not ---


def test_what_systems_leave_behind_is_no_class_and_no_image_and_is_named(folder):
    for place in ("train/.ipynb_checkpoints", "train/__MACOSX/bird", "test/.cache", "train/bird/.thumbs"):
        (folder / place).mkdir(parents=True)
        (folder / place / "x.png").write_bytes(b"no image")
    for place in ("train/.DS_Store", "train/bird/._0.png", "train/fish/Thumbs.db", "train/loose.png", "val"):
        (folder / place).write_bytes(b"no image")
    said = []
    dataset = load_dataset(own(folder, "image_folder"), said.append)
    assert dataset.class_names == ("bird", "fish")
    assert dataset.sizes == {"train": 6, "validation": 4, "test": 4}
    assert dataset.notes == (
        "not used, hidden or no file: train/.DS_Store, train/.ipynb_checkpoints, train/__MACOSX, train/bird/._0.png, "
        "train/bird/.thumbs and 1 more",
        "not used, no image by its name: train/notes.txt",
        "not used, in no class: train/loose.png",
        "not used, beside the splits: val",
    )
    assert said[1] == "data: 2 classes, train 6, validation 4, test 4; smallest class 3 images"
    assert said[2:] == [f"data: {note}" for note in dataset.notes]
    load_test(own(folder, "image_folder"), said.append)
    assert said[-1] == "test data: not used, hidden or no file: test/.cache"


def test_links_to_folders_and_images_are_followed(folder, tmp_path):
    (folder / "train/bird/deep").rename(tmp_path / "deep")
    (folder / "train/bird/deep").symlink_to(tmp_path / "deep")
    (folder / "train/fish").rename(tmp_path / "fish")
    (folder / "train/fish").symlink_to(tmp_path / "fish")
    assert load_dataset(own(folder, "image_folder")).sizes["train"] == 6


@pytest.mark.parametrize("target", ["train/bird/deep", "train/bird", "train", ""])
def test_a_link_that_leads_back_is_refused(folder, target):
    (folder / "train/bird/deep/loop").symlink_to(folder / target)
    with pytest.raises(DataError, match=r"train/bird/deep/loop.*: a link back to .*pictures"):
        check_available(own(folder, "image_folder"))


def test_a_link_to_nowhere_is_refused(folder):
    (folder / "train/bird/9.png").symlink_to(folder / "gone.png")
    with pytest.raises(DataError, match=r"bird/9.png: a link to .*gone.png, which is not there: mend or remove it"):
        load_dataset(own(folder, "image_folder"))


def test_a_test_class_without_images_is_named(folder):
    for path in (folder / "test/fish").rglob("*.png"):
        path.unlink()
    said = []
    load_test(own(folder, "image_folder"), said.append)
    assert said[-1] == "test data: no image of fish"


# --- names of files ---

BAD = b"caf\xe9"  # Latin-1

READ = """
import sys
from trainables.data.dataset import load_dataset, load_test
from trainables.settings.config import DataConfig
cfg = DataConfig(name="image_folder", root=sys.argv[1], validation_per_class=2)
dataset = load_dataset(cfg, print)
load_test(cfg, print)
print(ascii(dataset.class_names), dataset.fingerprint)
"""


@pytest.fixture
def foreign(folder):
    """Classes and files whose names are not UTF-8, or not ASCII."""
    for split in (b"train", b"test"):
        root = os.fsencode(folder) + b"/" + split
        os.rename(root + b"/bird", root + b"/" + BAD)
        os.rename(root + b"/fish", root + "/鱼".encode())
        os.rename(root + b"/" + BAD + b"/0.png", root + b"/" + BAD + b"/\xff.png")
        Path(os.fsdecode(root + b"/" + BAD + b"/\xfe.txt")).write_text("no image")
    return folder


LOCALES = [{"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]


def test_names_that_are_not_utf8_are_read_alike_in_every_locale(foreign, tmp_path):
    last = []
    for number, locale in enumerate(LOCALES):
        env = {**os.environ, "PYTHONPATH": ".", **locale, "KMCLR_CACHE": str(tmp_path / f"cache{number}")}
        command = [sys.executable, "-W", "error", "-c", READ, str(foreign)]
        done = subprocess.run(command, cwd=Path(__file__).parents[3], env=env, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        assert rb"train/caf\xe9/\xfe.txt" in done.stdout
        last.append(done.stdout.splitlines()[-1])
    assert len(set(last)) == 1
    assert last[0].startswith(rb"('caf\\xe9', '\u9c7c') ")


def test_errors_name_such_files_in_printable_text(foreign):
    Path(os.fsdecode(os.fsencode(foreign) + b"/train/" + BAD + b"/\xff.png")).write_bytes(b"no image")
    with pytest.raises(DataError, match=r"train/caf\\xe9/\\xff.png: not an image that Pillow can read") as caught:
        load_dataset(own(foreign, "image_folder"))
    str(caught.value).encode()


def test_a_pipe_is_not_opened(folder):
    os.mkfifo(folder / "train/bird/9.png")
    found = load_dataset(own(folder, "image_folder"))
    assert found.sizes["train"] == 6
    assert found.notes[0] == "not used, hidden or no file: train/bird/9.png"

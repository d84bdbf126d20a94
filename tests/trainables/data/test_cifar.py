"""CIFAR through torchvision: where it looks, and what it reads."""

import hashlib
import pickle
import re
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest

from tests.helpers.foreign_states import Code
from tests.helpers.image_files import pixels
from trainables.data.cifar import FOLDERS, Cifar
from trainables.data.dataset import check_available, load_dataset, load_test
from trainables.data.source import DataError
from trainables.settings.config import DataConfig


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path / "cache"))


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


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_what_is_known_without_torchvision_is_what_it_says(name):
    from torchvision import datasets

    kind = getattr(datasets, name.upper())
    assert FOLDERS[name] == kind.base_folder
    assert Cifar(DataConfig(name=name)).shape == (3, 32, int(name.removeprefix("cifar")))


def test_whether_cifar_is_missing_is_known_without_torchvision_and_network(tmp_path):
    program = f"""
import sys, urllib.request
from trainables.data.sources import source_of
from trainables.settings.config import DataConfig
urllib.request.urlopen = None
print(source_of(DataConfig(name="cifar100", root={str(tmp_path)!r})).missing())
assert not {{"torch", "torchvision"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert re.match("cifar100 was not found in .* and a run will try to download it .data.download.. Ways to", line)


def test_half_a_copy_of_cifar_is_missing_too(tmp_path):
    cfg = DataConfig(name="cifar10", root=str(tmp_path), download=False)
    (tmp_path / FOLDERS["cifar10"]).mkdir()
    assert "data.download is false" in Cifar(cfg).missing()


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
    assert Cifar(cfg).missing() == ""
    dataset, test = load_dataset(cfg), load_test(cfg)
    assert dataset.class_names == ("a", "b", "c", "d")
    expected = pixels(40, 32, seed=40).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(dataset.train.images_NCHW, expected[dataset.train.ids_N])
    np.testing.assert_array_equal(test.images_NCHW, pixels(20, 32, seed=20).transpose(0, 3, 1, 2))
    (base / "train").write_bytes(b"torn")
    with pytest.raises(DataError, match=r"its files are damaged .*delete them"):
        load_dataset(cfg)
    for name in ("train", "test", "meta"):  # pickles: one of unknown content is not opened
        (base / name).write_bytes(pickle.dumps(Code(tmp_path / "ran")))
        with pytest.raises(DataError, match=r"damaged.* delete (it|them) to download again"):
            Cifar(cfg).class_names() if name == "meta" else list(Cifar(cfg).items(name))
    assert not (tmp_path / "ran").exists()

"""What all sources that need a folder say when it is not there."""

import pytest

from tests.helpers.image_files import own
from trainables.data.dataset import check_available, load_dataset
from trainables.data.source import DataError
from trainables.settings.config import DataConfig


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KMCLR_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", ["parquet", "image_folder"])
def test_no_root_or_a_wrong_one(name, tmp_path):
    with pytest.raises(DataError, match=f"data.name={name} needs data.root.*--rehearse"):
        check_available(DataConfig(name=name))
    with pytest.raises(DataError, match=r"data.root: no folder .*/nowhere .*--rehearse"):
        check_available(own(tmp_path / "nowhere", name))
    (tmp_path / "hollow").mkdir()
    with pytest.raises(DataError, match="hollow"):
        load_dataset(own(tmp_path / "hollow", name))

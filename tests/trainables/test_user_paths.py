"""Paths as people write them, wherever they may write one: `~` is home, and what no file system takes is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainables import files, linear_eval, pretrain
from trainables.data.cache import cache_folder
from trainables.data.sources import source_of
from trainables.settings.config import DataConfig
from trainables.settings.edge import ConfigError
from trainables.settings.run_file import load_run
from trainables.vocabulary.errors import UserError

RUN = """
data: {name: digits}
encoder: {name: small_conv, width: 4}
support: {k: 5}
train: {epochs: 1}
optimizer: {warmup_epochs: 0}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and a working folder beside it, in which nothing called `~` may appear."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KMCLR_CACHE", raising=False)
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


def test_home_is_resolved_and_other_paths_stay(home: Path) -> None:
    assert files.user_path("~/x") == home / "x"
    assert files.user_path("~") == home
    assert [str(files.user_path(text)) for text in ("a/~/b", "/x", "a%20b", "[/]")] == [
        "a/~/b",
        "/x",
        "a%20b",
        "[/]",
    ]
    assert files.user_path(files.user_path("./~x")) == Path.cwd() / "~x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\0b", r"^--out: a path cannot hold a zero character; take it out$"),
        (
            "x/" * 3000,
            r"^--out: 'x/x/.*\.\.\. \(6,000 characters\)' is too long for a path: at most 4,095 bytes",
        ),
        ("a/" + "x" * 256, r"^--out: 'a/xx.*' is too long for a path"),
        (
            "~nobody-of-this-name/x",
            r"^--out: '~nobody-of-this-name/x': no home folder is known for it; write",
        ),
        ("\ud800", r"^--out: '\\ud800' holds characters that no path can hold$"),
    ],
)
def test_what_no_file_system_takes_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        files.user_path(text, "--out")


@pytest.mark.parametrize("setting", ["root", "cache_dir"])
@pytest.mark.parametrize("value", ["x" * 5000, '"\\0"', '"\\ud800"', "~nobody-of-this-name/x"])
def test_folders_of_the_data_are_checked_with_the_settings(tmp_path: Path, setting: str, value: str) -> None:
    (tmp_path / "r.yaml").write_text(f"data: {{{setting}: {value}}}")
    with pytest.raises(ConfigError, match=rf"r\.yaml: .*{'' if 'ud800' in value else f'data.{setting}: '}") as caught:
        load_run(tmp_path / "r.yaml")
    assert len(str(caught.value)) < len(str(tmp_path)) + 500
    (tmp_path / "r.yaml").write_text("{}")
    with pytest.raises(ConfigError, match=rf"--set data\.{setting}='[^\n]*: "):
        load_run(tmp_path / "r.yaml", [f"data.{setting}={'x' * 5000}"])


def test_folders_of_the_data_may_lie_at_home(home: Path) -> None:
    Path("r.yaml").write_text("data: {name: image_folder}")
    data = load_run("r.yaml", ["data.root=~/images", "data.cache_dir=~/cache"]).data
    (home / "images").mkdir()
    assert source_of(data).root == home / "images"
    assert cache_folder(data.cache_dir) == home / "cache"
    assert source_of(DataConfig(name="cifar10", root="~/c")).root == home / "c"


def test_a_run_and_its_evaluation_write_to_home(home: Path, capsys) -> None:
    """The name of the folder is no markup of the console's either."""
    Path("r.yaml").write_text(RUN)
    small = ["--set", "data.train_limit=64", "--set", "data.validation_per_class=5", "--set", "train.batch_size=32"]
    assert pretrain.main(["r.yaml", "--out", "~/[/]/r", "--set", "data.cache_dir=~/[/]", *small]) == 0
    out, err = capsys.readouterr()
    assert "[/]/r" in out.replace("\n", ""), err
    assert linear_eval.main(["~/[/]/r", "--epochs", "1", "--json", "~/r.json"]) == 0
    assert "test_acc1" in json.loads((home / "r.json").read_text())["metrics"]
    assert [path.name for path in Path().iterdir()] == ["r.yaml"]

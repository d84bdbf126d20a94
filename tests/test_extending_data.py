"""docs/extending.md, followed: what a run is made of beside its support set, encoder and method."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from study import schema
from tests.helpers import extending
from tests.helpers.engine_helpers import lines
from tests.helpers.extending import change, run

CELLS = extending.part("data")["data"]
SMALL = {
    "encoder": {"name": "small_conv", "width": 4},
    "support": None,
    "train": {"epochs": 2, "batch_size": 30},
    "space": {"method": ["none", "kmclr"], "k": {"low": 4, "high": 20}},
    "search": {"trials": 3},
    "confirm": {"seeds": [1], "max_points": 1, "linear_epochs": 1},
}
"""What makes the study of the page one that takes no time."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's files, and the cells that its data source reads."""
    (tmp_path / "cells").mkdir()
    rng = np.random.default_rng(0)
    for split, images in (("train", 120), ("test", 45)):
        labels = rng.permutation(np.arange(images) % 3)
        pixels = np.clip(rng.normal(50 + 60 * labels[:, None, None], 20, (images, 8, 8)), 0, 255).astype(np.uint8)
        np.savez(tmp_path / "cells" / f"{split}.npz", images=pixels, labels=labels)
    yield from extending.place(tmp_path, monkeypatch)


def ends(place: Path) -> list[dict]:
    return lines(place / "results" / "own" / schema.TRIALS_FILE)


def test_a_study_of_own_data_is_stopped_resumed_and_reported(place: Path) -> None:
    change(place, **SMALL, data=CELLS)
    assert run("--allow-code", "--stage", "search", "--set", "budget.epochs=3") == 0
    assert run("--allow-code", "--resume", "--set", "data.options.gamma=2") == 2
    assert run("--allow-code", "--resume") == 0
    assert {end["status"] for end in ends(place)} <= {"completed", "stopped", "interrupted"}
    best = max(end["metrics"]["test_acc1"] for end in ends(place) if end["stage"] == "confirm")
    assert best > 60  # of three classes that differ in their grey
    manifest = schema.read_manifest(place / "results" / "own")
    facts = {name: manifest["data"][name] for name in ("name", "classes", "train", "validation", "test", "channels")}
    assert facts == {"name": "cells", "classes": 3, "train": 90, "validation": 30, "test": 45, "channels": 1}
    assert manifest["own"]["parts"] == {"data.name": "mypkg.data:Cells"}
    page = (place / "results" / "own" / "report.html").read_text()
    assert "data.name mypkg.data:Cells" in page
    assert "cells: 90 train, 30 validation, 45 test images of 1 x 8 x 8; 3 classes" in page
    changed = dict(np.load(place / "cells" / "train.npz"))
    changed["images"][0, 0, 0] ^= 1
    np.savez(place / "cells" / "train.npz", **changed)
    assert run("--allow-code", "--resume") == 2


def test_options_of_own_data_are_searched(place: Path, capsys: pytest.CaptureFixture) -> None:
    space = {"data.options.gamma": [0.5, 2.0], "method": ["none"]}
    change(place, **{**SMALL, "space": space, "search": {"trials": 2, "sampler": "grid"}}, data=CELLS)
    assert run("--allow-code", "--plan") == 0
    assert "data.options.gamma  0.5, 2.0  all         data.options.gamma" in capsys.readouterr().out
    assert run("--allow-code", "--stage", "search", "--set", "scheduler.name=none") == 0
    assert {end["label"] for end in ends(place)} == {"none gamma=0.5", "none gamma=2"}
    assert len({end["metrics"]["loss"] for end in ends(place)}) == 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("data.name=digit", "data.name is 'digit', no data source; did you mean 'digits'? Known: cells, cifar10,"),
        ("data.name=cell", "data.name is 'cell', no data source; did you mean 'cells'?"),
        ("data.name=mypkg.data:Cels", "data.name: mypkg.data has no Cels; did you mean 'Cells'?"),
        ("data.name=mypkg.data:Section", "is no data source: it has no files, count, class_names, items, settings"),
        ("data.name=mypkg.data:Source", "is no data source: it has no files, count, class_names, items (docs/"),
        ("data.options.gama=2", "data.options.gama is not a known setting; did you mean 'gamma'? Known: gamma"),
        ("data.options.gamma=0", "data.options.gamma must be greater than 0, got 0"),
        ("data.root=null", "data.name=cells needs data.root, the folder of the data\n"),
        ("data.root=mypkg", "cells: no file mypkg/train.npz, which files('train') names; is data.root the right"),
    ],
)
def test_what_is_wrong_with_own_data_is_said_in_a_line(
    place: Path, capsys: pytest.CaptureFixture, changed: str, said: str
) -> None:
    extending.install(place)
    change(place, **SMALL, data={**CELLS, "name": "cells"})
    assert run("--plan", "--allow-code", "--set", changed) == 2
    found = capsys.readouterr().err
    assert said in found
    assert "Traceback" not in found

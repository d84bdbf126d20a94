"""docs/extending.md, followed: what a run is made of beside its support set, encoder and method."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from study import schema
from tests.helpers import extending
from tests.helpers.engine_helpers import lines
from tests.helpers.extending import change, run
from trainables import linear_eval, pretrain
from trainables.augment.own_views import views_of
from trainables.settings import own_code, own_import
from trainables.settings.config import AugmentConfig
from trainables.settings.run_file import load_run
from trainables.vocabulary.errors import UserError
from trainables.vocabulary.parts import AUGMENTATIONS, ENCODERS

CELLS = extending.part("data")["data"]
VIEWS = extending.part("augment")["augment"]
SMALL = {
    "encoder": {"name": "small_conv", "width": 4},
    "support": None,
    "train": {"epochs": 2, "batch_size": 30},
    "space": {"method": ["none", "kmclr"], "k": {"low": 4, "high": 20}},
    "search": {"trials": 3},
    "confirm": {"seeds": [1], "max_points": 1, "linear_epochs": 1},
}
"""What makes the study of the page one that takes no time."""

COMMANDS = re.search(r"own-run.yaml:\n.*?```bash\n(.*?)```", extending.PAGE, re.DOTALL).group(1).splitlines()
MAINS = {"trainables.pretrain": pretrain.main, "trainables.linear_eval": linear_eval.main}


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


def called(command: str, *more: str) -> int:
    _, _, module, *arguments = shlex.split(command)
    return MAINS[module]([*arguments, *more])


def test_a_study_of_own_data_is_stopped_resumed_reported_and_evaluated(place: Path) -> None:
    change(place, **{**SMALL, "encoder": yaml.safe_load(extending.STUDY)["encoder"]}, data=CELLS, augment=VIEWS)
    assert run("--allow-code", "--stage", "search", "--set", "budget.epochs=3") == 0
    assert run("--allow-code", "--resume", "--set", "data.options.gamma=2") == 2
    assert run("--allow-code", "--resume") == 0
    assert {end["status"] for end in ends(place)} <= {"completed", "stopped", "interrupted"}
    best = max(end["metrics"]["test_acc1"] for end in ends(place) if end["stage"] == "confirm")
    assert best > 60  # of three classes that differ in their grey
    manifest = schema.read_manifest(place / "results" / "own")
    facts = {name: manifest["data"][name] for name in ("name", "classes", "train", "validation", "test", "channels")}
    assert facts == {"name": "cells", "classes": 3, "train": 90, "validation": 30, "test": 45, "channels": 1}
    assert manifest["own"]["parts"] == {
        "encoder.name": "mypkg.nets:PatchMLP",
        "data.name": "mypkg.data:Cells",
        "augment.name": "mypkg.views:GreySquare",
    }
    page = (place / "results" / "own" / "report.html").read_text()
    assert "data.name mypkg.data:Cells" in page
    assert "cells: 90 train, 30 validation, 45 test images of 1 x 8 x 8; 3 classes" in page
    _evaluated_as_in_its_study(place)
    changed = dict(np.load(place / "cells" / "train.npz"))
    changed["images"][0, 0, 0] ^= 1
    np.savez(place / "cells" / "train.npz", **changed)
    assert run("--allow-code", "--resume") == 2


def _evaluated_as_in_its_study(place: Path) -> None:
    """By the page's command; installed parts, too, are imported only where that is said."""
    confirmed = next(end for end in ends(place) if end["stage"] == "confirm")
    extending.install(place)
    extending.forget()
    command = COMMANDS[2].replace("confirm-00000", confirmed["trial_id"])
    assert called(command.removesuffix(" --allow-code")) == 2
    assert called(command, "--json", "found.json") == 0
    found = json.loads(Path("found.json").read_text())["metrics"]
    assert found == {name: confirmed["metrics"][name] for name in found}


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
        (
            "augment.name=gray_square",
            "is 'gray_square', no augmentation; did you mean 'grey_square'? Known: grey_square, t",
        ),
        (
            "augment.name=mypkg.views:Augmentation",
            "mypkg.views:Augmentation is no augmentation: it has no views (docs/",
        ),
        ("augment={name: grey_square, options: {side: 2}}", "augment.options.side must be less than 1, got 2"),
        (
            "augment.options={side: 0.2}",
            "augment.options: name names no augmentation of your own that has options; got",
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_line(place: Path, capsys: pytest.CaptureFixture, changed: str, said: str) -> None:
    extending.install(place)
    change(place, **SMALL, data={**CELLS, "name": "cells"})
    assert run("--plan", "--allow-code", "--set", changed) == 2
    found = capsys.readouterr().err
    assert said in found
    assert "Traceback" not in found


def test_own_views_are_searched_beside_own_data(place: Path) -> None:
    space = {"data.options.gamma": [0.5], "augment.options.side": {"low": 0.2, "high": 0.8}, "method": ["none"]}
    change(place, **{**SMALL, "space": space, "search": {"trials": 2}}, data=CELLS, augment=VIEWS)
    assert run("--allow-code", "--stage", "search", "--set", "scheduler.name=none") == 0
    for end in ends(place):
        assert end["label"] == f"none gamma=0.5 side={end['params']['augment.options.side']:.3g}"
    assert len({end["metrics"]["loss"] for end in ends(place)}) == 2
    parts = schema.read_manifest(place / "results" / "own")["own"]["parts"]
    assert parts == {"data.name": "mypkg.data:Cells", "augment.name": "mypkg.views:GreySquare"}


def test_a_run_with_own_views_goes_on_as_if_never_stopped(place: Path) -> None:
    settings = {"device": "cpu", "data": CELLS, "augment": VIEWS, "optimizer": {"warmup_epochs": 1}}
    settings |= {"encoder": SMALL["encoder"], "heads": yaml.safe_load(extending.STUDY)["heads"]}
    settings |= {"train": {"epochs": 4, "batch_size": 30}}
    (place / "run.yaml").write_text(yaml.safe_dump(settings))

    def trained(*, resume: bool, epochs: int = 4, folder: str = "stopped") -> list[float]:
        torch.manual_seed(epochs)  # what lies outside of a run has no part in it
        cfg = load_run("run.yaml", allow_code=True)
        reports = pretrain.pretrain(cfg, folder=folder, resume=resume)
        return [report["loss"] for report in itertools.islice(reports, epochs)]

    sys.path.append(str(place))
    whole = trained(resume=False, folder="whole")
    assert trained(resume=False, epochs=2) + trained(resume=True) == whole
    assert len(set(whole)) == 4
    larger = load_run("run.yaml", ["augment.options.side=0.9"], allow_code=True)
    assert next(pretrain.pretrain(larger))["loss"] != whole[0]


def test_own_views_are_grey_where_the_page_says(place: Path) -> None:
    sys.path.append(str(place))
    own_import.load(AUGMENTATIONS, VIEWS["name"], "augment.name", allow_code=True)
    facts = {"image_size": 8, "channels": 1, "mean": (0.5,), "std": (0.25,), "device": "cpu"}
    images = torch.full((20, 1, 8, 8), 255, dtype=torch.uint8)

    def made(seed: int, side: float = 0.5) -> torch.Tensor:
        still = {"jitter": 0.0, "solarise": 0.0}
        cfg = AugmentConfig(name=VIEWS["name"], options={"side": side}, view1=still, view2=still)
        views = views_of(cfg, **facts)
        return views.apply(images, views.draw(20, torch.Generator().manual_seed(seed)))

    views_2BCSS = made(0)
    assert views_2BCSS.shape == (40, 1, 8, 8)
    assert (views_2BCSS == 0.0).sum(dim=(1, 2, 3)).tolist() == [16] * 40  # grey is the mean: a square of 4 x 4
    assert torch.allclose(views_2BCSS[views_2BCSS != 0], torch.tensor(2.0))  # white is two deviations above it
    assert torch.equal(made(0), views_2BCSS)
    assert not torch.equal(made(1), views_2BCSS)
    assert (made(0, side=0.1) == 0.0).sum() == 40


def test_a_run_of_own_parts_is_trained_and_evaluated(place: Path, capsys: pytest.CaptureFixture) -> None:
    train, evaluate, _, transfer = COMMANDS
    (place / "own-run.yaml").write_text(yaml.safe_dump(extending.part("method")))
    assert called(train.removesuffix(" --allow-code")) == 2
    assert "support.name is mypkg.sets:RandomMemory: code of your own is imported only where" in capsys.readouterr().err
    assert called(train) == 0
    few = ("--epochs", "2")
    extending.forget()
    assert called(evaluate.removesuffix(" --allow-code"), *few) == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "error: support.name of the run is mypkg.sets:RandomMemory, code of your own, which a checkpoint does "
        "not bring along; add --allow-code to import it"
    ]
    assert not [name for name in sys.modules if name.split(".")[0] == "mypkg"]
    assert called(evaluate, *few) == 0
    assert "45 test images, encoder after 3 epochs of random_memory" in capsys.readouterr().out
    assert called(transfer, *few) == 0
    assert called(transfer.replace("Cells", "Cels"), *few) == 2
    assert "--data: mypkg.data has no Cels; did you mean 'Cells'?" in capsys.readouterr().err
    assert called(transfer.replace("gamma", "gama"), *few) == 2
    assert "data.options.gama is not a known setting; did you mean 'gamma'?" in capsys.readouterr().err


def test_a_checkpoint_imports_not_even_what_is_installed(place: Path) -> None:
    extending.install(place)
    recorded = {"encoder": {"name": "patch_mlp"}, "data": {"name": "digits"}, "augment": {"name": "unheard_of"}}
    with pytest.raises(UserError, match=r"encoder\.name of the run is patch_mlp, code of your own.*add --allow-code"):
        own_code.load_recorded(recorded, allow_code=False)
    assert not [name for name in sys.modules if name.split(".")[0] == "mypkg"]
    own_code.load_recorded(recorded, allow_code=True)  # a name that nothing has is for the settings to refuse
    assert list(ENCODERS.loaded) == ["patch_mlp"]

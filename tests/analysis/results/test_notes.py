"""What stands beside a kind of number: momentum encoders that bytes leave out, sampling errors, the interval rule."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from analysis.results import notes, points
from analysis.results.load import Results
from tests.helpers.figure_inputs import trial_row
from trainables.model.methods import Learner
from trainables.settings.config import RunConfig


def with_methods(results: Results, *rows: dict, momentum: bool | None = None) -> Results:
    import pandas as pd

    study = results.study if momentum is None else results.study | {"positives": {"momentum_encoder": momentum}}
    return dataclasses.replace(results, study=study, trials=pd.DataFrame(list(rows)))


@pytest.mark.parametrize(
    ("method", "own", "of_all", "kept"),
    [
        ("kmclr", None, None, False),
        ("kmclr", True, None, True),
        ("nnclr", None, True, True),
        ("nnclr", False, True, False),
        ("byol", None, None, True),
        ("byol", None, False, True),
        ("none", None, True, False),
        ("simclr", True, True, False),
    ],
)
def test_who_keeps_a_momentum_encoder(results, method, own, of_all, kept):
    more = {} if own is None else {"p_momentum_encoder": own}
    found = with_methods(results, trial_row("t", method=method, **more), trial_row("plain"), momentum=of_all)
    assert notes.with_momentum(found).tolist()[0] == kept
    note = notes.momentum_note([found])
    assert (f"{method}" in note) == (kept or (method == "kmclr" and bool(of_all)))


def test_the_note_stands_where_bytes_are_shown_and_a_momentum_encoder_is_kept(results):
    assert notes.momentum_note([results]) == ""
    byol = with_methods(results, trial_row("t", method="byol"), trial_row("k", p_momentum_encoder=True))
    assert notes.momentum_note([results, byol]) == (
        " Bytes are of the support set alone: the momentum encoder of kmclr, byol points, a copy of encoder and "
        "projector (67.9 MB with the default ResNet-18), counts as 0; method_bytes counts it."
    )
    assert notes.momentum_note([dataclasses.replace(byol, objectives={"accuracy": "max", "epoch_s": "min"})]) == ""
    assert notes.momentum_note([byol], ["accuracy", "epoch_s"]) == ""


def test_the_bytes_of_the_example_are_those_of_the_networks():
    cfg = RunConfig(method="kmclr", positives={"momentum_encoder": True})
    learner = Learner(cfg, channels=3, num_classes=100, device=torch.device("cpu"))
    assert cfg.encoder.name == "resnet18"
    assert sum(t.nbytes for t in learner.target.state_dict().values()) == notes.MOMENTUM_EXAMPLE_BYTES


def test_the_sampling_error_is_that_of_a_share(results):
    assert points.sampling_error(50.0, 10_000) == pytest.approx(0.5)
    assert points.sampling_error(100.0, 100) == 0
    assert math.isnan(points.sampling_error(50.0, None))
    assert "10,000 test images, ±0.40 to 0.50 percentage points" in notes.sampling_note(results, "test_acc1", [50, 80])
    assert "5,000 validation images" in notes.sampling_note(results, "accuracy", [50])
    unknown = dataclasses.replace(results, manifest=results.manifest | {"data": None})
    assert notes.sampling_note(unknown, "test_acc1", [50]) == ""
    table = points.confirmed(results, "test_acc1")
    assert table["sampling_error"].tolist() == pytest.approx([points.sampling_error(y, 10_000) for y in table["y"]])


def test_the_rule_says_its_degrees_of_freedom(results, search_only):
    count = points.confirmed(results, "test_acc1")["point"].nunique()
    rule = notes.interval_rule(results)
    assert f"pooled over the {count} points of the confirm stage ({2 * count} degrees of freedom)" in rule
    assert "(n − 1 degrees of freedom, here 2)" in rule
    assert "no intervals over seeds" in notes.interval_rule(search_only)

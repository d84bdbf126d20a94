"""Which changes a study may take when it is resumed, by the settings alone."""

from __future__ import annotations

import pytest

from study.record.manifest import dump_study
from study.settings.changing import MAY_CHANGE, OTHERWISE, WHY_NOT, refusals
from study.settings.config import StudyConfig
from tests.helpers.engine_helpers import SPACE, make_study
from trainables.settings.changes import differences

PROMOTE = {"name": "promote", "grace_period": 1, "reduction_factor": 3}


def refused(before: dict, after: dict, *, confirming: bool = True) -> dict[str, str]:
    """Setting -> reason."""
    old, new = make_study(**before), make_study(**after)
    changes = differences(dump_study(old), dump_study(new))
    assert changes
    return {one.change[0]: one.why for one in refusals(changes, dump_study(old), new, confirming=confirming)}


@pytest.mark.parametrize(
    "after",
    [
        {"space": {**SPACE, "method": ("nnclr", "kmclr")}},
        {"space": {**SPACE, "k": (50, 400)}},
        {"space": {**SPACE, "temperature": {"low": 0.1, "high": 0.2, "step": 0.01}}},
        {"search": {"trials": 3, "sampler": "random", "seed": 9, "learn_from": ["results/a"]}},
        {"scheduler": {"name": "none"}},
        {"baselines": ()},
        {"wanted": {"accuracy": {"min": 50}}},
        {"confirm": {"enabled": True, "max_points": 3, "choose": "model", "per_method": False, "seeds": [1, 2, 3, 9]}},
    ],
)
def test_what_leaves_old_trials_valid(after) -> None:
    assert refused({}, after) == {}


def test_what_was_learned_stays() -> None:
    before = {"search": {"learn_from": ["results/a", "results/b"]}}
    said = "what was learned from results/a is on record, and points that it holds were not trained here; leave it in"
    assert refused(before, {"search": {"learn_from": ["results/b", "results/c"]}}) == {"search.learn_from": said}
    assert refused(before, {"search": {"learn_from": ["results/c", "results/b", "results/a"]}}) == {}


def test_a_parameter_comes_and_goes_with_its_methods() -> None:
    without = {name: spec for name, spec in SPACE.items() if name != "queue_size"}
    two = {**without, "method": ("kmclr", "none")}
    assert refused({"space": two}, {"space": SPACE}) == {}
    assert refused({"space": SPACE}, {"space": two}) == {}
    assert list(refused({"space": SPACE}, {"space": without})) == ["space.queue_size"]
    assert list(refused({"space": without}, {"space": SPACE})) == ["space.queue_size"]


def test_the_confirm_stage_is_free_until_it_begins() -> None:
    after = {"confirm": {"seeds": [7], "epochs": 3, "linear_epochs": 5}}
    assert refused({}, after, confirming=False) == {}
    assert list(refused({}, after)) == ["confirm.seeds", "confirm.epochs", "confirm.linear_epochs"]


def test_pausing_trials_keep_their_rungs() -> None:
    assert list(refused({"scheduler": PROMOTE}, {"scheduler": {**PROMOTE, "grace_period": 2}})) == [
        "scheduler.grace_period"
    ]
    assert "scheduler.name" in refused({"scheduler": PROMOTE}, {"scheduler": {"name": "none"}})
    assert refused({"scheduler": PROMOTE}, {"scheduler": {**PROMOTE, "max_paused": 5}}) == {}


def test_everything_else_is_refused_with_a_reason() -> None:
    """Every section of a study is free, may change within limits, or has a reason."""
    found = refused(
        {}, {"encoder": {"width": 16}, "loss": {"temperature": 0.3}, "train": {"epochs": 4, "checkpoint_every": 1}}
    )
    assert found == {
        "encoder.width": WHY_NOT["encoder"],
        "loss.temperature": OTHERWISE,
        "train.epochs": WHY_NOT["train.epochs"],
    }
    assert set(MAY_CHANGE) <= set(StudyConfig.model_fields)

"""Baselines by their names, as `ablate.from` gives them."""

from __future__ import annotations

import pytest

from study.settings.baselines import named_baseline
from study.settings.checks import check
from tests.helpers.engine_helpers import make_study
from trainables.vocabulary.errors import UserError

STUDY = make_study(
    baselines=({"method": "kmclr", "k": 50}, {"method": "kmclr", "k": 400, "temperature": 0.1}, {"method": "none"})
)


@pytest.mark.parametrize(
    ("name", "k", "temperature"),
    [
        (None, 50, 0.2),
        ("kmclr k=50", 50, 0.2),
        ("  kmclr   k=50 t=0.2 ", 50, 0.2),
        ("kmclr k=400 t=0.1", 400, 0.1),
        ("none", None, 0.2),
        ("none t=0.2", None, 0.2),
    ],
)
def test_a_baseline_is_named_by_its_label_or_its_method(name: str | None, k: int | None, temperature: float) -> None:
    point = named_baseline(STUDY, name)
    assert (point.get("k"), point["temperature"]) == (k, temperature)


def test_a_label_goes_before_a_method() -> None:
    study = make_study(baselines=({"method": "none", "temperature": 0.1}, {"method": "none"}))
    assert named_baseline(study, "none")["temperature"] == 0.2


def test_names_that_mean_nothing_or_several_are_refused() -> None:
    for name, said in (
        ("kmclr", r"ablate\.from is 'kmclr', a name of 2 baselines; say which: kmclr k=50 t=0\.2; kmclr k=400 t=0\.1$"),
        ("kmclr k=5", r"which is no baseline; did you mean 'kmclr k=50'\? Baselines: kmclr k=50; kmclr k=400 t=0\.1"),
        ("x" * 190, r"ablate\.from is 'x{80,180}.*', which is no baseline\. Baselines: "),
    ):
        with pytest.raises(UserError, match=said):
            named_baseline(STUDY, name)
        with pytest.raises(UserError, match=said):
            check(STUDY.model_copy(update={"ablate": type(STUDY.ablate)(**{"from": name})}), "my.yaml")
    with pytest.raises(UserError, match="no baselines to begin at; add one"):
        named_baseline(make_study(baselines=()), None)


def test_seeds_of_an_ablation_are_checked_like_those_that_confirm() -> None:
    for seeds, said in (([3, 3], "different numbers"), ([], "at least one"), ([0, 1], "holds the seed of the search")):
        with pytest.raises(UserError, match=rf"my\.yaml: ablate\.seeds .*{said}"):
            check(make_study(ablate={"seeds": seeds}), "my.yaml")
    check(make_study(ablate={"seeds": [4]}, baselines=()), "my.yaml")

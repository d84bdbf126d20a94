"""The numbers behind an ablation: which trials count, what is paired with what, and paths that are not whole."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
from scipy import stats

from analysis.figure_data.ablation_info import ablation_info, changes_in_words
from analysis.figure_data.common import NotEnough
from analysis.results.load import load
from study import schema
from tests.helpers.ablation_inputs import TARGET, write_ablation
from tests.helpers.synthetic_results import label, write_results


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_results(tmp_path / "k_sweep", trials=12, epochs=4, confirm_seeds=(1, 2, 3))


def test_steps_are_paired_by_seed_and_the_confirmed_baseline_counts(folder: Path) -> None:
    path = write_ablation(folder)
    info = ablation_info(load(folder))
    assert [step.label for step in info.steps] == [step["label"] for step in path["steps"]]
    assert info.steps[-1].label == label(TARGET)
    assert all(name.startswith("confirm") for name in info.steps[0].trials)
    assert info.score.column == "test_acc1"
    for before, after in zip(info.steps, info.steps[1:], strict=False):
        paired = [after.values[seed] - before.values[seed] for seed in (1, 2, 3)]
        assert after.difference.mean == pytest.approx(sum(paired) / 3)
        assert (after.difference.n, after.mean.n) == (3, 3)
    ends = [info.steps[place].values for place in (0, -1)]
    assert info.total.mean == pytest.approx(sum(ends[1][s] - ends[0][s] for s in (1, 2, 3)) / 3)
    assert (info.untrained, info.best) == (0, True)


def test_differences_hold_together(folder: Path) -> None:
    """Bonferroni over three steps and the whole; the widest step's own t interval is not widened by pooling."""
    write_ablation(folder)
    info = ablation_info(load(folder))
    assert info.comparisons == len(info.steps) - 1 + 1
    widest = max(range(len(info.paired)), key=lambda i: stats.tstd(list(info.paired[i].values())))
    values = list(info.paired[widest].values())
    half = stats.t.ppf(1 - 0.025 / info.comparisons, 2) * stats.tstd(values) / math.sqrt(3)
    found = info.steps[widest + 1].difference
    assert found.high - found.mean == pytest.approx(half)


def test_a_path_in_the_middle_tells_what_it_has(folder: Path) -> None:
    path = write_ablation(folder, missing=4)
    info = ablation_info(load(folder))
    assert info.untrained == 4
    assert info.steps[-1].mean.n < 3
    assert {step.mean.n for step in info.steps[:1]} == {3}
    assert len(path["steps"]) == len(info.steps)
    write_results(folder, trials=12, epochs=4, confirm_seeds=())
    path = write_ablation(folder, missing=3 * len(path["steps"]) - 1)
    info = ablation_info(load(folder))
    assert [step.mean.n for step in info.steps] == [1, *[0] * (len(info.steps) - 1)]
    assert math.isnan(info.total.mean)
    assert info.steps[1].costs["support_bytes"] == path["steps"][1]["support_bytes"]


def test_trials_of_another_budget_or_seed_do_not_count(folder: Path) -> None:
    path = write_ablation(folder)
    results = load(folder)
    for changed in ({**path, "epochs": 5}, {**path, "seeds": [8, 9]}, {**path, "steps": path["steps"][:1]}):
        with pytest.raises(NotEnough):
            ablation_info(dataclasses.replace(results, ablation={"paths": [changed]}))
    fewer = ablation_info(dataclasses.replace(results, ablation={"paths": [{**path, "seeds": [2]}]}))
    assert {step.mean.n for step in fewer.steps} == {1}
    assert {tuple(step.values) for step in fewer.steps} == {(2,)}


def test_the_newest_path_is_told_and_without_any_nothing_is(folder: Path) -> None:
    with pytest.raises(NotEnough, match="--stage ablate"):
        ablation_info(load(folder))
    path = write_ablation(folder)
    older = {**path, "steps": path["steps"][:2]}
    info = ablation_info(dataclasses.replace(load(folder), ablation={"paths": [older, path]}))
    assert len(info.steps) == len(path["steps"])


def test_without_test_metrics_it_is_of_validation(folder: Path) -> None:
    write_ablation(folder)
    results = load(folder)
    none = dataclasses.replace(results, trials=results.trials.assign(test_acc1=float("nan")))
    assert ablation_info(none).score.column == schema.ACCURACY


def test_changes_in_words() -> None:
    rows = [("method", "nnclr", "kmclr"), ("k", None, 400), ("temperature", 0.2, 0.1130), ("queue_size", 64, None)]
    changes = [dict(zip(("name", "before", "after"), row, strict=True)) for row in rows]
    assert changes_in_words(changes) == ("method: nnclr → kmclr, temperature: 0.2 → 0.113", "with k = 400")
    assert changes_in_words([]) == ("", "")

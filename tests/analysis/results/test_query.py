"""Conditions over trials: how they are read, and what of a study meets them."""

from __future__ import annotations

import dataclasses

import pytest

from analysis.results import query
from analysis.results.load import load
from study.schema import UserError
from tests.helpers.synthetic_results import write_results


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("k=400", [("k", "=", 400.0)]),
        (
            "method=kmclr k==400 temperature<0.15",
            [("method", "=", "kmclr"), ("k", "=", 400), ("temperature", "<", 0.15)],
        ),
        ("temperature <= .5   k != 3", [("temperature", "<=", 0.5), ("k", "!=", 3.0)]),
        ("support_bytes<500kB wall_s>=1e3", [("support_bytes", "<", 500_000.0), ("wall_s", ">=", 1000.0)]),
        ("label='kmclr k=400 t=0.2' baseline=True", [("label", "=", "kmclr k=400 t=0.2"), ("baseline", "=", True)]),
        ("train.batch_size>-1", [("train.batch_size", ">", -1.0)]),
    ],
)
def test_conditions_are_read(text: str, read: list[tuple]) -> None:
    assert [tuple(one) for one in query.parse(text)] == read


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected conditions such as name=value, got none"),
        ("k~3", "expected name=value, name<value or the like, got 'k~3'"),
        ("=3", "expected name=value"),
        ("k=", "expected name=value"),
        ("method<kmclr", "< needs a number, got 'kmclr'"),
        ("label='x", "no closing quotation"),
        ("k" * 9000, r"9,\d+ characters"),
    ],
)
def test_what_is_no_condition_is_said(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        query.parse(text)


def found(results, text: str) -> list[str]:
    conditions = query.parse(text)
    asked = query.answers(results, [c.name for c in conditions])
    query.check_names(conditions, asked.known)
    return list(query.matching(asked, conditions)["trial_id"])


def test_trials_are_found_by_parameters_metrics_and_what_they_are(results) -> None:
    table = results.trials.set_index("trial_id")
    hot = table[(table["method"] == "kmclr") & (table["p_temperature"] < 0.21) & (table["p_k"] == 400)]
    assert found(results, "method=kmclr k=400 temperature<0.21") == list(hot.index) != []
    good = table[(table["accuracy"] > 55) & (table["support_bytes"] < 1e6) & (table["stage"] == "search")]
    assert found(results, "accuracy>55 support_bytes<1MB stage=search") == list(good.index) != []
    assert found(results, "seed=2 baseline=true") == list(table[(table["seed"] == 2) & table["baseline"]].index) != []
    assert found(results, "study=k_sweep status!=completed") == list(table[table["status"] != "completed"].index)
    assert found(results, "study=other") == found(results, "test_acc1>0 stage=search") == []


def test_a_fixed_setting_counts_where_it_acts(results) -> None:
    """train.batch_size is no parameter here; half_life acts with an update that nothing here has."""
    support = {"k": 7, "update": "ema", "half_life": 50.0}
    fixed = dataclasses.replace(
        results, study={**results.study, "train": {"batch_size": 96}, "loss": {"temperature": 0.9}, "support": support}
    )
    table = results.trials
    assert found(fixed, "train.batch_size=96") == found(fixed, "batch_size>90") == list(table["trial_id"])
    assert found(fixed, "loss.temperature=0.9") == []  # searched over: its trials have their own
    kmclr = list(table[table["method"] == "kmclr"]["trial_id"])
    assert found(fixed, "half_life=50") == kmclr
    assert found(fixed, "k=7") == []
    with pytest.raises(UserError, match=r"no study here has tempreature; did you mean 'temperature'\?"):
        found(fixed, "tempreature=1")


def test_trials_that_have_not_ended_are_found(tmp_path) -> None:
    live = load(write_results(tmp_path / "live", trials=4, epochs=6, confirm_seeds=(), running=2))
    assert len(found(live, "status=running epochs=3 accuracy>0")) == 2
    stopped = dataclasses.replace(live, running=False)
    assert len(found(stopped, "status=unfinished")) == 2

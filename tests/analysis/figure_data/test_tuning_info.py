"""Tuning curves: values by hand, which trials are random, and what is refused."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from analysis.figure_data.common import NotEnough
from analysis.figure_data.tuning_info import FRONT_STARTUP, bands, random_trials, tuning_info
from analysis.results.load import load
from study import schema
from study.search.front.propose import STARTUP
from tests.helpers.synthetic_results import write_lines, write_results


def sampled(results, sampler="random", **more):
    """The same results of another sampler."""
    search = {**results.study["search"], "sampler": sampler, **more}
    return dataclasses.replace(results, study={**results.study, "search": search})


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = write_results(tmp_path_factory.mktemp("r") / "random", trials=28, epochs=9, confirm_seeds=())
    return sampled(load(folder))


def test_the_median_of_the_best_of_n_is_a_quantile_of_one():
    """0.5 ** (1 / n): of four values the second, third (0.71), fourth (0.79) and fourth (0.84)."""
    median, low, high = bands((10.0, 20.0, 30.0, 40.0))
    assert median.tolist() == [20, 30, 40, 40]
    assert (low <= median).all()
    assert (median <= high).all()
    assert high[-1] == 100  # four draws say little of what else there is
    assert low[0] == 0


def test_the_band_holds_the_true_curve_and_is_the_same_each_time():
    values = tuple(sorted(np.random.default_rng(3).uniform(0, 100, 20)))
    _, low, high = bands(values)
    truth = 100 * 0.5 ** (1 / np.arange(1, 21))
    assert ((low <= truth) & (truth <= high)).all()
    bands.cache_clear()
    assert np.array_equal(bands(values)[1], low)


def test_curves_are_of_the_sampler_s_own_trials(searched):
    info = tuning_info(searched)
    trials = searched.stage("search")
    own = trials[~trials["baseline"] & (trials["accuracy"].notna() | (trials["status"] == schema.DIVERGED))]
    for curve in info.curves:
        mine = own[own["method"] == curve.method]
        assert len(curve.values) == len(mine) == len(curve.table)
        assert curve.table["epochs"].iloc[-1] == pytest.approx(mine["epochs"].sum())
        assert info.effort[curve.method][2] == len(mine)
    assert [curve.method for curve in info.curves] == ["kmclr", "nnclr", "none"]
    assert info.spoiled == (own["status"] == schema.DIVERGED).sum() == 1
    diverged = own[own["status"] == schema.DIVERGED]["method"].iloc[0]
    assert 0.0 in next(curve.values for curve in info.curves if curve.method == diverged)
    assert info.stopped == (own["status"] == schema.STOPPED).sum()


def draws(folder, ended):
    """A record of draws for a folder's trials: the first four declared, `ended` of each of the others."""
    for row in (folder / schema.TRIALS_FILE).read_text().splitlines():
        end = json.loads(row)
        draw = {"schema": schema.SCHEMA_VERSION, "attempt": 0, "duplicate_of": None, "ended": ended(end["number"])}
        draw |= {name: end[name] for name in ("number", "trial_id", "label", "params")}
        yield draw | {"point_index": end["number"] if end["number"] < 4 else None}


def test_of_tpe_those_before_its_model_are_random(searched, tmp_path):
    trials = searched.stage("search")
    kept = trials["trial_id"][random_trials(sampled(searched, "tpe", startup_trials=10), trials)]
    assert list(kept) == [f"search-{i:04d}" for i in range(4, 10)]  # by their numbers, as no draw is on record
    folder = write_results(tmp_path / "a", trials=28, epochs=9, confirm_seeds=())
    write_lines(folder / schema.DRAWS_FILE, draws(folder, lambda number: max(0, number - 3)))
    results = sampled(load(folder), "tpe", startup_trials=10)
    kept = trials["trial_id"][random_trials(results, results.stage("search"))]
    assert list(kept) == [f"search-{i:04d}" for i in range(4, 13)]


def test_of_front_those_begun_before_enough_had_reported_are_random(searched):
    assert FRONT_STARTUP == STARTUP
    trials = searched.stage("search")
    kept = random_trials(
        sampled(searched, "front", startup_trials=10), trials
    )  # one after the other: 4 baselines first
    assert list(trials["trial_id"][kept]) == ["search-0004", "search-0005"]
    at_once = dataclasses.replace(searched, trials=searched.trials.assign(started=searched.manifest["started"]))
    assert random_trials(sampled(at_once, "front", startup_trials=10), at_once.trials).sum() == len(trials) - 4


@pytest.mark.parametrize("sampler", ["qmc", "grid", "nsga2", "mypkg.search:Mine", None])
def test_draws_that_depend_on_each_other_are_none(searched, sampler):
    with pytest.raises(NotEnough, match=f"{sampler} are not independent"):
        tuning_info(sampled(searched, sampler))


def test_a_sampler_that_was_changed_or_had_learned_is_none(searched):
    manifest = {**searched.manifest, "sessions": [{"changed": ["search.sampler: tpe -> random"]}]}
    with pytest.raises(NotEnough, match="changed on the way"):
        tuning_info(dataclasses.replace(searched, manifest=manifest))
    with pytest.raises(NotEnough, match="learned from earlier studies"):
        tuning_info(sampled(searched, "tpe", learn_from=["results/a"]))
    assert tuning_info(sampled(searched, "random", learn_from=["results/a"])).curves


def test_too_few_random_trials_are_said_by_method(search_only):
    with pytest.raises(NotEnough, match=r"needs 4 random trials of a method \(kmclr has \d, nnclr has \d"):
        tuning_info(search_only)


def test_no_trial_is_a_reason(tmp_path):
    empty = load(write_results(tmp_path / "a", trials=0, confirm_seeds=()))
    with pytest.raises(NotEnough, match="no trial has ended"):
        tuning_info(sampled(empty))
    for sampler in ("tpe", "front"):
        assert len(random_trials(sampled(empty, sampler), pd.DataFrame(empty.stage("search")))) == 0

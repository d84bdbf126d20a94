"""Numbers behind the pictures of a belief, against a file that is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from analysis.figure_data import belief_info as data
from analysis.figure_data.common import NotEnough
from analysis.results import points
from analysis.results.front import on_front
from analysis.results.load import Results, load
from tests.helpers.figure_inputs import write_belief
from tests.helpers.synthetic_results import final_accuracy, write_results


def test_trials_and_curves_are_those_of_the_file(full: Results) -> None:
    info = data.belief_info(full)
    told = [trial for trial in full.belief["trials"] if trial["observed"] is not None]
    assert list(info.trials["trial_id"]) == [trial["trial_id"] for trial in told]
    assert list(info.trials["y"]) == [trial["observed"] for trial in told]
    assert [len(group) for _, group in info.curves.groupby("method", sort=False)] == [3, 2, 1]
    zero = info.curves["x"] == 0
    assert (info.curves["x_drawn"][zero] == info.place.zero_at).all()
    assert (info.curves["x_drawn"][~zero] == info.curves["x"][~zero]).all()
    assert info.ahead["x_drawn"] == full.belief["next"]["costs"]["support_bytes"]


def test_without_a_file_or_a_model_the_reason_is_told(full: Results, tmp_path) -> None:
    with pytest.raises(NotEnough, match=r"no belief\.json in the results folder: .* or an earlier version"):
        data.belief_info(dataclasses.replace(full, belief=None))
    folder = write_results(tmp_path / "small", trials=4, epochs=2)
    write_belief(folder, without="1 trials have reported")
    for numbers in (data.belief_info, data.fronts_info):
        with pytest.raises(NotEnough, match="no model of the search: 1 trials have reported"):
            numbers(load(folder))


def test_the_three_fronts(full: Results) -> None:
    table = data.fronts_info(full)
    done = points.finished(full, "search")
    expected = {end.trial_id: end.accuracy for end in done.itertuples()}
    for kind in (data.OBSERVED, data.MODEL, data.CONFIRMED):
        mine = table[table["kind"] == kind]
        assert len(mine)
        assert on_front(mine, full.objectives).all()
    observed = table[table["kind"] == data.OBSERVED]
    assert list(observed["y"]) == [expected[name] for name in observed["trial_id"]]
    assert observed["low"].isna().all()
    model = table[table["kind"] == data.MODEL]
    assert np.allclose(model["high"] - model["y"], 1)
    assert np.allclose(model["y"] - model["low"], 1)
    assert (table[table["kind"] == data.CONFIRMED]["low"] < table[table["kind"] == data.CONFIRMED]["y"]).all()
    for numbers in (data.fronts_info, data.belief_info):
        with pytest.raises(NotEnough, match="gpu_hours is none of them"):
            numbers(dataclasses.replace(full, objectives={"accuracy": "max", "gpu_hours": "min"}))


def test_what_moved_is_the_confirmed_mean_minus_the_searchs_value(full: Results) -> None:
    table = data.moved_info(full).set_index("trial_id")
    ends = full.trials
    for name, row in table.iterrows():
        own = ends[(ends["point"] == name) & (ends["stage"] == "confirm")]["accuracy"]
        searched = ends[(ends["trial_id"] == name)]["accuracy"].iloc[0]
        assert row["n"] == len(own)
        assert row["searched"] == searched
        if len(own):
            assert row["moved"] == pytest.approx(own.mean() - searched)
            assert row["low"] < row["mean"] < row["high"]
    choices = full.belief["choices"]
    assert set(table.index[table["by_observed"]]) == set(choices["observed"])
    assert set(table.index[table["by_model"]]) == set(choices["model"])
    params = next(t for t in full.belief["trials"] if t["trial_id"] == choices["model"][0])
    assert table.loc[choices["model"][0], "accuracy"] == params["believed"]["accuracy"]


def test_an_earlier_folder_still_shows_what_moved(full: Results, search_only: Results) -> None:
    table = data.moved_info(dataclasses.replace(full, belief=None))
    assert table["accuracy"].isna().all()
    assert table[["by_observed", "by_model"]].isna().all(axis=None)
    assert (table["n"] == 3).all()
    with pytest.raises(NotEnough, match="no point has been confirmed"):
        data.moved_info(search_only)


def test_the_made_up_belief_is_half_a_point_low(full: Results) -> None:
    rows = data.trials_of(full).dropna(subset="accuracy").set_index("trial_id")
    params = {end["trial_id"]: end for end in full.trials.to_dict("records")}
    name = rows.index[0]
    own = {"method": "kmclr", "k": params[name]["p_k"], "temperature": 0.2, "forget_every": 3}
    assert rows.loc[name, "accuracy"] == pytest.approx(final_accuracy(own) - 0.5)

"""Pictures of attainment surfaces: staircases, their band, and what is said of them."""

from __future__ import annotations

import dataclasses

import numpy as np

from analysis.figure_data.attainment_info import Level
from analysis.figure_data.pareto_info import pareto_info
from analysis.figures.attainment import path, seed_attainment, study_attainment
from analysis.figures.figure import Figure, Skipped
from analysis.figures.style import STYLES


def test_a_staircase_rises_from_the_floor_and_goes_on_to_the_edge(results):
    table = results.stage("confirm").assign(y=lambda t: t["test_acc1"])
    axis = pareto_info(table, "support_bytes")
    drawn = path(Level("best", 1, np.array([[0.0, 50.0], [1e6, 55.0]])), axis, 40.0)
    edge = axis.x_range[1]
    assert drawn.tolist() == [[axis.zero_at, 40], [axis.zero_at, 50], [1e6, 50], [1e6, 55], [edge, 55]]


def test_surfaces_over_seeds_of_one_study_and_of_several(results):
    found = seed_attainment([results], STYLES["web"])
    assert isinstance(found, Figure)
    names = [trace.name for trace in found.figure.data if trace.name]
    assert names[:3] == ["best", "median", "worst"]
    assert "n = 3 seeds of k_sweep" in found.caption
    assert "no intervals" in found.caption
    assert found.data.groupby("level")["attained_by"].first().to_dict() == {"best": 1, "median": 2, "worst": 3}
    both = seed_attainment([results, dataclasses.replace(results, name="b")], STYLES["paper"])
    assert set(both.data["study"]) == {"k_sweep", "b"}
    assert {"k_sweep: median", "b: median"} <= {trace.name for trace in both.figure.data}


def test_surfaces_over_studies(results, search_only):
    found = study_attainment([results, dataclasses.replace(results, name="b")], STYLES["web"])
    assert isinstance(found, Figure)
    assert "n = 2 studies" in found.caption
    assert study_attainment([results], STYLES["web"]) == Skipped("attainment_studies", "drawn for several studies")
    assert isinstance(seed_attainment([search_only], STYLES["web"]), Skipped)


def test_a_search_beside_a_confirmed_study_is_left_out(results, search_only):
    found = seed_attainment([results, search_only], STYLES["web"])
    assert set(found.data["study"]) == {"k_sweep"}


def test_a_panel_per_cost(results):
    two = dataclasses.replace(results, objectives={"accuracy": "max", "support_bytes": "min", "epoch_s": "min"})
    found = seed_attainment([two], STYLES["web"])
    assert set(found.data["cost"]) == {"support_bytes", "epoch_s"}
    assert [axis.title.text for axis in found.figure.select_xaxes()][1] == "Time per epoch (s)"

"""Optuna's views of the search."""

from __future__ import annotations

import shutil

import pytest

from analysis.figures import optuna
from analysis.figures.figure import Figure
from analysis.results.load import Results, load
from study import schema
from tests.helpers.figure_inputs import make_all, write_optuna
from tests.helpers.synthetic_results import write_results


def test_ends_of_an_axis_are_written_in_full() -> None:
    assert optuna.tick_text("4.1e+03", [157, 4096]) == "4,096"
    assert optuna.tick_text("1e+03", [157, 4096]) == "1,000"
    assert optuna.tick_text("0.0645", [0.0645, 0.409]) == "0.0645"
    assert optuna.tick_text("157", [157, 4096]) == "157"
    assert optuna.tick_text("None") == "–"
    assert optuna.tick_text("float16") == "float16"


def test_importances_are_shares_per_method_over_parameters_it_has(drawn: dict[str, Figure]) -> None:
    table = drawn["parameter_importance"].data
    assert table.groupby("group")["importance"].sum().to_numpy() == pytest.approx(1)
    assert set(table.loc[table["group"] == "kmclr", "parameter"]) == {"k", "temperature", "forget_every"}
    assert set(table.loc[table["group"] == "nnclr", "parameter"]) == {"queue_size", "temperature"}
    assert set(table.loc[table["group"] == "all", "parameter"]) == {"method", "temperature"}
    kmclr = table[table["group"] == "kmclr"].set_index("parameter")["importance"]
    assert kmclr.idxmax() == "k"  # by far the largest effect in the made-up accuracies


def test_a_damaged_or_foreign_storage_is_a_reason(full: Results, tmp_path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(full.folder, folder)
    (folder / schema.OPTUNA_FILE).write_bytes(b"not a database" * 100)
    _, skipped = make_all([load(folder)], modules=("optuna",))
    assert "cannot be read" in skipped["parallel_coordinates"].reason
    write_results(tmp_path / "few", trials=6)
    write_optuna(tmp_path / "few")
    _, skipped = make_all([load(tmp_path / "few")], modules=("optuna",))
    assert "importances need 8 completed trials" in skipped["parameter_importance"].reason

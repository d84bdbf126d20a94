"""Made-up studies that several files of tests read; none of them changes one."""

from __future__ import annotations

import pytest

from analysis.figures.figure import Figure
from analysis.results.load import Results, load
from tests.helpers.figure_inputs import full_results, make_all
from tests.helpers.synthetic_results import write_results


@pytest.fixture(scope="session")
def full(tmp_path_factory) -> Results:
    return full_results(tmp_path_factory.mktemp("results") / "k_sweep")


@pytest.fixture(scope="session")
def drawn(full: Results) -> dict[str, Figure]:
    figures, skipped = make_all([full])
    assert not skipped
    return figures


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    return load(write_results(tmp_path_factory.mktemp("r") / "k_sweep", trials=12, epochs=6, confirm_seeds=(1, 2, 3)))


@pytest.fixture(scope="session")
def rehearsal(tmp_path_factory):
    folder = tmp_path_factory.mktemp("r") / "k_sweep-rehearsal"
    return load(write_results(folder, trials=8, epochs=4, confirm_seeds=(1, 2), rehearsal=True, device="cpu"))


@pytest.fixture(scope="session")
def search_only(tmp_path_factory):
    return load(write_results(tmp_path_factory.mktemp("r") / "search", trials=10, epochs=4, confirm_seeds=()))

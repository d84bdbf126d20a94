"""Searches driven by hand."""

from __future__ import annotations

import pytest

from tests.helpers.search_helpers import Bench


@pytest.fixture(autouse=True)
def benches(monkeypatch):
    """Every bench of a test is closed at its end."""
    made = []
    begin = Bench.__init__
    monkeypatch.setattr(Bench, "__init__", lambda self, *a: (made.append(self), begin(self, *a))[1])
    yield
    for bench in made:
        bench.close()


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)

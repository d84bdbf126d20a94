"""Critical-difference diagrams: drawn where the test can be made, and a sentence where not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import search_diagram

NAMES = ["a", "b", "c"]
APART = np.random.default_rng(0).random((12, 3)) / 10 + [0.9, 0.5, 0.1]


@pytest.mark.filterwarnings("ignore")
def test_a_diagram_per_budget_is_written_with_what_friedman_says(tmp_path: Path) -> None:
    pytest.importorskip("scikit_posthocs")
    said = search_diagram.drawn({8: APART, 16: APART[:, ::-1]}, NAMES, tmp_path / "x.md")
    assert said.startswith("![Critical differences](x.svg)")
    assert "6.1e-06 at 8, 6.1e-06 at 16" in said  # chi2 = 24 with 2 degrees of freedom: exp(-12)
    assert (tmp_path / "x.png").stat().st_size > 1000
    assert "<svg" in (tmp_path / "x.svg").read_text()


def test_too_few_tasks_or_strategies_or_no_package_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "3 strategies and 3 tasks" in search_diagram.drawn({8: APART[:2]}, NAMES, tmp_path / "x.md")
    assert "3 strategies and 3 tasks" in search_diagram.drawn({8: APART[:, :2]}, NAMES[:2], tmp_path / "x.md")
    monkeypatch.setattr(search_diagram, "scikit_posthocs", None)
    assert "uv sync --group search-bench" in search_diagram.drawn({8: APART}, NAMES, tmp_path / "x.md")
    assert list(tmp_path.iterdir()) == []

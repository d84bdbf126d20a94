"""The main figures: which points of the front are named."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.figure_data.pareto_info import pareto_info
from analysis.figures import fronts
from analysis.figures.style import get_style
from analysis.results.load import Results


def test_points_on_the_front_are_named_where_there_is_room(full: Results) -> None:
    table = pd.DataFrame(
        {
            "study": "",
            "support_bytes": [1e3, 1.2e3, 1e5, 1e7],
            "y": [50.0, 51, 60, 61],
            "hollow": False,
            "method": "kmclr",
            "label": ["kmclr k=11 f=1", "kmclr k=12", "nnclr queue=157", "kmclr k=99"],
            "low": np.nan,
            "high": np.nan,
            "n": 1,
        }
    )
    info = pareto_info(table, x="support_bytes", y_title="")
    names = fronts.front_names(info, get_style("paper"))
    assert [(x, y, text) for x, y, text, _ in names] == [
        (1e3, 50.0, "k = 11"), (1e5, 60.0, "queue 157"), (1e7, 61.0, "k = 99")
    ]  # fmt: skip
    assert [place for *_, place in names] == ["bottom right", "bottom right", "top left"]
    two = pareto_info(table.assign(study=["a", "a", "b", "b"]), x="support_bytes", y_title="")
    assert fronts.front_names(two, get_style("paper")) == []

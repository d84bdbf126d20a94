"""The original study's numbers."""

from __future__ import annotations

import math

from analysis.results import published


def test_published_table_is_the_sources(results):
    table = published.published()
    assert table.loc[table["model"] == "kmclr-600", ["acc1", "acc5", "vectors"]].to_numpy().tolist() == [
        [56.52, 84.48, 600]
    ]
    assert math.isnan(table.loc[table["forget_every"] == 10, "acc1"].item())

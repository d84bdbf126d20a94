"""Pictures of prototypes: the animation."""

from __future__ import annotations

import numpy as np

from analysis.figures.figure import Figure


def test_the_animation_ends_where_the_picture_stands(drawn: dict[str, Figure]) -> None:
    figure = drawn["prototypes_animated"].figure
    assert [frame.name for frame in figure.frames] == [str(e) for e in range(1, 13)]
    np.testing.assert_array_equal(figure.frames[-1].data[1].x, figure.data[1].x)
    assert not np.array_equal(figure.frames[0].data[1].x, figure.data[1].x)

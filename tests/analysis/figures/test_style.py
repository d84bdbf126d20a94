"""Looks of methods and sizes of figures."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from analysis.figures.pareto import FADED
from analysis.figures.style import FURTHER, OWN, get_style, look, looks_of
from study.schema import METHODS, UserError


def test_every_method_has_a_look_and_a_new_one_gets_one_without_an_edit() -> None:
    new = METHODS["nnclr"]
    found = looks_of({**METHODS, "new": new, "newer": new, "own": new._replace(colour="#123456")})
    assert {m: found[m] for m in OWN} == OWN
    assert (found["new"], found["newer"], found["own"]) == (*FURTHER[:2], FURTHER[2]._replace(colour="#123456"))
    colours = [one.colour for one in (*OWN.values(), *FURTHER)]
    assert len(set(colours)) == len(colours)
    assert look("nobody").colour not in colours


def test_an_unknown_style_is_the_users_to_put_right() -> None:
    with pytest.raises(UserError, match="--style: expected one of paper, slides, web, got 'poster'"):
        get_style("poster")


def lab(colour: str, opacity: float) -> np.ndarray:
    """CIELAB (D65) of a colour over white."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255 * opacity + 1 - opacity
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(to_xyz @ linear / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_faded_colours_of_any_two_methods_are_told_apart() -> None:
    """A difference of 10 is seen at a glance (CIE 1976)."""
    looks = {one.colour: lab(one.colour, FADED) for one in (*OWN.values(), *FURTHER)}
    nearest = min(np.linalg.norm(looks[a] - looks[b]) for a, b in itertools.combinations(looks, 2))
    assert nearest > 15

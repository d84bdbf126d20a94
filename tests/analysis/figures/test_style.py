"""Looks of methods and sizes of figures."""

from __future__ import annotations

import pytest

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

"""Kinds of JSON values: what they let through, and what they say of the rest."""

from __future__ import annotations

import math

import pytest

from trainables import shapes
from trainables.files import DamagedFile

POINT = shapes.shape({"x": shapes.NUMBER, "name": shapes.maybe(shapes.TEXT)}, {"tags": shapes.Each(shapes.TEXT)})


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (shapes.TEXT, ["", "\udcff"], [None, 1, [], b"a"]),
        (shapes.TRUTH, [True, False], [0, 1, "true", None]),
        (shapes.WHOLE, [0, 2**63 - 1], [True, 1.0, -1, 2**63, "1", None]),
        (shapes.NUMBER, [0, -1.5, 10**300], [True, math.nan, math.inf, -math.inf, 10**400, "1", None]),
        (shapes.INSTANT, ["2026-01-01T00:00:00.000+00:00", "2026-01-01T00:00:00Z"], ["2026-01-01", "t", "", 5, None]),
        (shapes.VALUE, ["a", 1, 1.5, True], [None, [], {}, math.nan]),
        (shapes.maybe(shapes.WHOLE), [None, 1], ["1", []]),
        (shapes.one_of(("a", "b")), ["a"], ["c", 1, None, ["a"], {}]),
        (shapes.Each(shapes.WHOLE), [[], [1, 2]], [{}, "12", [1, "2"], None]),
        (shapes.mapping(shapes.WHOLE), [{}, {"a": 1}], [[], {"a": "1"}, None]),
    ],
)
def test_kinds(kind, good: list, bad: list) -> None:
    assert [kind.problem(value, "it") for value in good] == [None] * len(good)
    assert all(kind.problem(value, "it").startswith("it") for value in bad)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "a.jsonl:3: it must be an object, got \\[\\]"),
        ({"x": 1}, "a.jsonl:3: field 'name' is missing"),
        ({"x": "one", "name": None}, "a.jsonl:3: x must be a number, got 'one'"),
        ({"x": 1, "name": None, "tags": [1]}, "a.jsonl:3: tags.0 must be text, got 1"),
        ({"x": [0] * 10**5, "name": None}, r"a.jsonl:3: x must be a number, got .*\.\.\. \(300,000 characters\)"),
        ({"x": "a\nb", "name": None}, r"got 'a\\nb'"),
    ],
)
def test_an_object_is_refused_in_one_short_line(value, message: str) -> None:
    with pytest.raises(DamagedFile, match=message) as caught:
        POINT.check(value, "a.jsonl:3")
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 300


def test_what_a_later_version_adds_is_let_through() -> None:
    assert POINT.check({"x": 1, "name": "a", "more": object()}, "a")["x"] == 1

"""How YAML is read: merges, tags, sizes, whatever the version of the library."""

from __future__ import annotations

import pytest
import yaml

from trainables.settings.yaml_text import MAX_SHOWN, ConfigError, parse, show

ANCHORS = """
small: &small {k: 50, t: 0.1}
large: &large
  <<: *small
  k: 200
other: &other {k: 7, f: 3}
"""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x: {<<: *large}", {"k": 200, "t": 0.1}),
        ("x: {<<: *large, t: 0.5}", {"k": 200, "t": 0.5}),
        ("x: {t: 0.5, <<: *large}", {"k": 200, "t": 0.5}),
        ("x: {<<: [*large, *other]}", {"k": 200, "t": 0.1, "f": 3}),
        ("x: {<<: [*other, *large]}", {"k": 7, "t": 0.1, "f": 3}),
        ("x: {<<: [*small, *large]}", {"k": 50, "t": 0.1}),
        ("x: {<<: [*other, {<<: *large, f: 9, g: 1}]}", {"k": 7, "t": 0.1, "f": 3, "g": 1}),
        ("m: &m {<<: [*other, *large], g: 1}\nx: {<<: *m, f: 4}", {"k": 7, "t": 0.1, "f": 4, "g": 1}),
        ("m: &m {a: {<<: *large}, b: *large}\nx: {<<: *m}", {"a": {"k": 200, "t": 0.1}, "b": {"k": 200, "t": 0.1}}),
        ("y: {<<: *large, z: {<<: *large}}\nx: {<<: *large, z: {<<: *large, k: 1}}", {"k": 200, "t": 0.1}
         | {"z": {"k": 1, "t": 0.1}}),
        ("x: {<<: []}", {}),
        ("x: {'<<': 1}", {"<<": 1}),
    ],
)  # fmt: skip
def test_merges_are_resolved_as_they_are_meant(text: str, value: object) -> None:
    found = parse(ANCHORS + text, "here")
    assert found["x"] == value
    assert (found["small"], found["large"]) == ({"k": 50, "t": 0.1}, {"k": 200, "t": 0.1})


def test_a_merged_key_keeps_its_place_and_merged_ones_come_first() -> None:
    found = parse("a: &a {p: 1, q: 2}\nx: {r: 3, <<: *a, q: 4}", "here")
    assert list(found["x"].items()) == [("p", 1), ("q", 4), ("r", 3)]


def test_an_anchor_may_be_used_at_two_depths_before_and_after_it_is_read() -> None:
    text = "- &a {<<: &b {<<: &c {k: 1}, m: 2}, n: 3}\n- {<<: [*b, *c]}\n- {<<: {<<: *a}}\n- *b"
    assert parse(text, "here") == [
        {"k": 1, "m": 2, "n": 3},
        {"k": 1, "m": 2},
        {"k": 1, "m": 2, "n": 3},
        {"k": 1, "m": 2},
    ]


def test_the_library_s_own_merging_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml.constructor.SafeConstructor, "flatten_mapping")
    assert parse(ANCHORS + "x: {<<: *large}", "here")["x"]["k"] == 200


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a {k: 1}\nb: {<<: *a, k: 2, k: 3}", "here, line 2, column 19: 'k' is given twice, first in line 2"),
        ("a: &a {k: 1, k: 2}\nb: {<<: *a}", "here, line 1, column 14: 'k' is given twice, first in line 1"),
        ("b: {<<: {k: 1, k: 2}}", "here, line 1, column 16: 'k' is given twice"),
        ("a: &a {k: 1}\nb:\n  <<: *a\n  <<: *a", "here, line 4, column 3: '<<' is given twice, first in line 3; merge"),
        ("a: &a {<<: *a}", "here, line 1, column 4: a mapping that merges itself"),
        ("a: {<<: 3}", "here, line 1, column 9: expected a mapping or a list of mappings to merge"),
        ("a: {<<: [{b: 1}, 3]}", "here, line 1, column 18: expected a mapping or a list of mappings to merge"),
        ("seed: !!timestamp x", "here, line 1, column 7: could not determine a constructor for the tag"),
        ("seed: !!int x", "here, line 1, column 7: 'x' is not a number"),
        ("seed: !!int [1]", "here, line 1, column 7: expected a scalar node"),
        ("seed: !!float x", "here, line 1, column 7: 'x' is not a number"),
        ("seed: !!bool maybe", "here, line 1, column 7: 'maybe' is not true or false"),
        ("seed: !!binary 'é'", "here, line 1, column 7: could not determine a constructor for the tag"),
        ("seed: !!omap [1]", "here, line 1, column 7: could not determine a constructor for the tag"),
        ("seed: !!set {a}", "here, line 1, column 7: could not determine a constructor for the tag"),
        ("seed: !!map 3", "here, line 1, column 7: expected a mapping node"),
        ("seed: !!seq 3", "here, line 1, column 7: expected a sequence node"),
        ("seed: " + 400 * "9", "' has 400 digits; a whole number may have 30"),
        ("seed: -" + 9000 * "9", "(9,001 characters)' has 9001 digits; a whole number may have 30"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_gets_one_short_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "here")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 3 * MAX_SHOWN


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, "{a: " * 100_000, "- " * 100_000])
def test_hopeless_nesting_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^here: nested too deeply"):
        parse(text, "here")


def test_nesting_by_aliases_is_nesting() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 2000)]
    with pytest.raises(ConfigError, match=r"^here: nested too deeply"):
        parse("\n".join(lines), "here")


def test_aliases_that_multiply_are_refused_before_they_fill_the_memory() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [{', '.join(9 * [f'*a{i - 1}'])}]" for i in range(1, 12)]
    with pytest.raises(ConfigError, match=r"^here: holds more than 1,000,000 values; "):
        parse("\n".join(lines), "here")


@pytest.mark.parametrize("value", ["x" * 5000, 10**250, ["x" * 5000], {"x" * 5000: 1}])
def test_long_values_are_shown_short(value: object) -> None:
    assert len(show(value)) <= MAX_SHOWN + 2

"""The verdict: yes, no, or how many seeds would tell."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from analysis.results.verdict import Claim, claims_of, in_words, judge
from study import schema

QUEUE = {1: 50.0, 2: 50.5, 3: 49.8}


def verdict(samples: dict, reference: dict, share: float, what: str, where: str = "") -> str:
    points = pd.DataFrame({"point": list(samples), "values": list(samples.values())})
    claim = Claim(what, points, pd.Series({"values": reference}), share, 1)
    return in_words(claim, judge(claim), where)


def said(*points: tuple[float, ...], share: float = 0.99) -> str:
    samples = {f"k{i}": {s: QUEUE[s] * r for s, r in enumerate(ratios, 1)} for i, ratios in enumerate(points)}
    return verdict(samples, QUEUE, share, "prototypes reach it")


def test_yes_where_one_point_lies_above():
    assert said((1.02, 1.021, 1.019), (0.8, 0.81, 0.8)) == "Yes: prototypes reach it, with n = 3 seeds."


def test_no_only_where_all_points_lie_below():
    below = said((0.90, 0.901, 0.899), (0.8, 0.801, 0.8))
    assert below == "No: it is not so that prototypes reach it, with n = 3 seeds."
    assert said((0.99, 1.05, 0.95), (0.5, 0.501, 0.5)).startswith("It cannot be told")


def test_the_number_of_seeds_would_tell_in_simulation():
    text = said((1.00, 1.02, 0.985))
    assert text.startswith("It cannot be told whether prototypes reach it with n = 3 seeds; about ")
    m, ratios = int(re.search(r"about (\d+) seeds would tell", text)[1]), np.log([1.00, 1.02, 0.985])
    rng, yes = np.random.default_rng(4), 0
    queue = dict.fromkeys(range(m), 50.0)
    for _ in range(400):
        drawn = np.exp(rng.normal(ratios.mean(), ratios.std(ddof=1), m))
        yes += verdict({"k": dict(enumerate(50 * drawn))}, queue, 0.99, "so").startswith("Yes")
    assert yes / 400 == pytest.approx(0.8, abs=0.07)


def test_one_seed_and_no_seed_in_common():
    assert said((1.0,)).endswith("n = 1 seed, fewer than 3; how much seeds scatter is not known.")
    assert verdict({"k": {9: 50.0}}, QUEUE, 0.99, "so") == (
        "It cannot be told whether so: they have no seed in common."
    )


def test_a_verdict_says_of_what_it_holds():
    samples = {"k": {s: (1.1 + s / 1000) * v for s, v in QUEUE.items()}}
    assert verdict(samples, QUEUE, 1.0, "so", " so far") == "Yes, so far: so, with n = 3 seeds."


OBJECTIVES = {"accuracy": "max", "support_bytes": "min"}
TO_QUEUE = "reach 99 % of the accuracy of the 100-queue (10 kB)"
NO_SET = "to the accuracy without a support set"


def confirmed(*rows: str) -> pd.DataFrame:
    """Points written as `method vectors`; `*` behind one makes it a baseline."""
    return pd.DataFrame(
        [
            {"point": row, "label": row.rstrip("*"), "method": row.split()[0], "baseline": row.endswith("*"),
             "vectors": float(row.rstrip("*").split()[1]), "support_bytes": 100.0 * float(row.rstrip("*").split()[1]),
             "y": 50.0 + i, "values": {1: 50.0 + i}}
            for i, row in enumerate(rows)
        ]
    )  # fmt: skip


@pytest.fixture
def memory(monkeypatch):
    """A support set of one's own, as a results folder describes it."""
    for registry, name, facts in (
        (schema.SUPPORT_KINDS, "mypkg.sets:RandomMemory", schema.SupportKind("support.options.size")),
        (schema.METHODS, "random_memory", schema.Method("mypkg.sets:RandomMemory", True, "neighbours", "optional")),
    ):
        monkeypatch.setitem(registry._parts, name, facts)


@pytest.mark.parametrize(
    ("rows", "claims"),
    [
        (
            ["kmclr 50", "nnclr 100", "none 0"],
            [f"prototypes {TO_QUEUE}", f"prototypes add {NO_SET}", f"a queue adds {NO_SET}"],
        ),
        (["none 0", "kmclr 50"], [f"prototypes add {NO_SET}"]),
        (
            ["none 0", "nnclr 10", "nnclr 100*"],
            [f"smaller queues {TO_QUEUE}", f"a queue adds {NO_SET}"],
        ),
        (
            ["none 0", "nnclr 10", "nnclr 100"],
            [f"a queue adds {NO_SET}", f"smaller queues {TO_QUEUE}"],
        ),
        (["kmclr 10", "kmclr 90"], ["fewer prototypes reach 99 % of the accuracy of 90 prototypes (9 kB)"]),
        (["none 0", "simclr 0"], ["another point adds to the accuracy of none 0"]),
        (["simclr 0*", "kmclr 10"], ["prototypes add to the accuracy of simclr 0 (0 B)"]),
        (
            ["nnclr 10", "nnclr 100", "random_memory 20", "random_memory 50", "kmclr 5*", "kmclr 7", "none 0"],
            [
                "random_memory reaches 99 % of the accuracy of 5 prototypes (500 B)",
                f"random_memory {TO_QUEUE}".replace("reach", "reaches"),
                f"random_memory adds {NO_SET}",
                f"prototypes {TO_QUEUE}",
                f"prototypes add {NO_SET}",
                f"a queue adds {NO_SET}",
            ],
        ),
        (
            ["random_memory 20", "random_memory 50"],
            ["smaller sets of random_memory reach 99 % of the accuracy of random_memory 50 (5 kB)"],
        ),
    ],
)
def test_the_claims_are_about_the_arms_that_were_confirmed(rows, claims, memory):
    """Whatever they are called; a user's own first, then each against the next ones and those that store nothing."""
    found = claims_of(confirmed(*rows), OBJECTIVES)
    assert [claim.what for claim in found] == claims
    assert all(claim.share == (1.0 if " add" in claim.what else 0.99) for claim in found)
    assert claims_of(confirmed(*rows).iloc[:1], OBJECTIVES) == []


def test_a_claim_is_of_an_arms_points_and_corrected_for_those_and_the_references_tried(memory):
    table = confirmed("random_memory 20", "random_memory 50", "nnclr 10", "nnclr 100", "none 0", "none 0.0")
    to_queue, to_none, _ = claims_of(table, OBJECTIVES)
    assert to_queue.points["label"].tolist() == ["random_memory 20", "random_memory 50"]
    assert (to_queue.reference["label"], to_queue.tried, to_queue.choices) == ("nnclr 100", 1, 2)
    assert (to_none.reference["label"], to_none.tried, to_none.choices) == ("none 0.0", 2, 4)


def test_a_method_of_ones_own_that_stores_nothing_is_asked_about_too(monkeypatch):
    monkeypatch.setitem(schema.METHODS._parts, "plain", schema.Method("none", True, "mypkg.methods:Plain", "never"))
    found = claims_of(confirmed("none 0", "plain 0", "nnclr 100"), OBJECTIVES)
    assert [claim.what for claim in found] == [
        f"plain {TO_QUEUE}".replace("reach", "reaches"),
        f"plain adds {NO_SET}",
        f"a queue adds {NO_SET}",
    ]

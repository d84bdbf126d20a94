"""The verdict: yes, no, or how many seeds would tell."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from analysis.report.verdict import claim_of, verdict

QUEUE = {1: 50.0, 2: 50.5, 3: 49.8}


def said(*points: tuple[float, ...], share: float = 0.99) -> str:
    samples = {f"k{i}": {s: QUEUE[s] * r for s, r in enumerate(ratios, 1)} for i, ratios in enumerate(points)}
    return verdict(samples, QUEUE, share, len(points), "prototypes reach it")


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
        yes += verdict({"k": dict(enumerate(50 * drawn))}, queue, 0.99, 1, "so").startswith("Yes")
    assert yes / 400 == pytest.approx(0.8, abs=0.07)


def test_one_seed_and_no_seed_in_common():
    assert said((1.0,)).endswith("n = 1 seed, fewer than 3; how much seeds scatter is not known.")
    assert verdict({"k": {9: 50.0}}, QUEUE, 0.99, 1, "so") == ""


def test_a_verdict_says_of_what_it_holds():
    samples = {"k": {s: (1.1 + s / 1000) * v for s, v in QUEUE.items()}}
    assert verdict(samples, QUEUE, 1.0, 1, "so", " so far") == "Yes, so far: so, with n = 3 seeds."


@pytest.mark.parametrize(
    ("rows", "claim", "asked", "share"),
    [
        (
            ["kmclr 50", "nnclr 100", "none 0"],
            "prototypes reach 99 % of the accuracy of the 1",
            ["kmclr 50"],
            0.99,
        ),
        (["none 0", "kmclr 50"], "prototypes add to the accuracy without a support set", ["kmclr 50"], 1.0),
        (
            ["none 0", "nnclr 10", "nnclr 90"],
            "smaller queues reach 99 % of the accuracy of the 90",
            ["nnclr 10"],
            0.99,
        ),
        (["kmclr 10", "kmclr 90"], "fewer prototypes reach 99 % of the accuracy of 90 prototypes", ["kmclr 10"], 0.99),
        (["none 0", "nnclr 10"], "a queue adds to the accuracy without a support set", ["nnclr 10"], 1.0),
        (["none 0", "simclr 0"], "another point adds to the accuracy of none 0", ["simclr 0"], 1.0),
    ],
)
def test_every_study_of_two_points_has_a_claim_to_judge(rows, claim, asked, share):
    """Whatever its methods are."""
    table = pd.DataFrame(
        [
            {"point": row, "label": row, "method": row.split()[0], "vectors": float(row.split()[1]), "baseline": False,
             "support_bytes": 100.0 * int(row.split()[1]), "y": 50.0 + i, "values": {1: 50.0 + i}}
            for i, row in enumerate(rows)
        ]
    )  # fmt: skip
    found = claim_of(table, {"accuracy": "max", "support_bytes": "min"})
    assert found.what.startswith(claim)
    assert found.points["label"].tolist() == asked
    assert (found.share, found.tried) == (share, 1)
    assert claim_of(table.iloc[:1], {"accuracy": "max", "support_bytes": "min"}) is None

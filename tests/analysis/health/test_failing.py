"""Failures and collapse, and what the trials have in common."""

from __future__ import annotations

import pandas as pd
from scipy import stats

from analysis.health.failing import collapse, failing, in_common
from analysis.health.finding import ACT, FINE, UNKNOWN, WATCH
from tests.helpers.health_inputs import curve, search_trial, studied


def mixed(broken, status="diverged", count=20, **more):
    """Trials of rising learning rate, of which those of `broken` ended so."""
    trials = []
    for i in range(count):
        row = {"p_learning_rate": 0.01 * (i + 1), "p_forget_every": (1, 3)[i % 2]}
        if i in broken:
            row |= {"status": status, "error": "ValueError: too hot"}
        trials.append(search_trial(i, curve(50 + i / 10), **row | more))
    return trials


def test_a_side_of_a_parameter_that_failures_share():
    finding = failing(studied(*mixed({16, 17, 18, 19})))
    assert finding.verdict == ACT
    assert finding.said[0] == "4 of 20 trials did not come to their end: 4 diverged."
    assert finding.said[1] == "4 of them with the same error: ValueError: too hot."
    assert "learning_rate ≥ 0.17: 4 of the 4 trials there, none elsewhere" in finding.said[2]


def test_a_value_that_failures_share():
    finding = failing(studied(*mixed({1, 3, 5, 7, 9, 11, 13}, status="failed")))
    assert "forget_every = 3: 7 trials with it of the 10, 0 of the 10 others" in finding.said[2].replace(
        "7 of the 10 trials with it", "7 trials with it of the 10"
    )
    assert finding.said[-1].endswith("--retry failed.")


def test_probabilities_are_those_of_fisher_corrected_for_what_was_looked_at():
    trials = pd.DataFrame({"method": ["a"] * 10 + ["b"] * 10})
    those = pd.Series([True] * 8 + [False] * 12)
    (found,) = in_common(trials, those)
    assert found.probability == 2 * stats.fisher_exact([[8, 0], [2, 10]], alternative="greater").pvalue


def test_what_chance_may_give_is_not_shared():
    finding = failing(studied(*mixed({3, 12}, count=20)))
    assert "Nothing in their settings tells them from the others beyond chance." in finding.said
    assert finding.verdict == ACT  # a tenth of the trials
    assert failing(studied(*mixed({3}))).verdict == WATCH


def test_no_failure_is_fine_and_no_trial_is_unknown():
    assert failing(studied(*mixed(()))).verdict == FINE
    results = studied(*mixed(()))
    assert failing(results.__class__(**{**vars(results), "trials": results.trials.iloc[:0]})).verdict == UNKNOWN


def test_collapse_of_each_kind_is_seen_with_what_it_shares():
    whole = {"embedding_std": 0.9, "effective_rank": 50.0, "prototypes_used": 0.8}
    fine = {f"search-{i:04d}": whole for i in range(20)}
    assert collapse(studied(*mixed(()), measured=fine)).verdict == FINE
    for name, value, words in (
        ("embedding_std", 0.01, "embeddings of a std below 0.1"),
        ("effective_rank", 1.1, "features of an effective rank below 2"),
        ("prototypes_used", 0.02, "less than 10 % of the prototypes in use"),
    ):
        bad = fine | {f"search-{i:04d}": {**whole, name: value} for i in range(15, 20)}
        finding = collapse(studied(*mixed(()), measured=bad))
        assert finding.verdict == ACT
        assert finding.said[0] == f"5 of 20 trials have collapsed by their last report: 5 with {words}." or (
            words in finding.said[0]
        )
        assert "learning_rate ≥ 0.16: 5 of the 5" in finding.said[-1]


def test_guessing_is_a_collapse():
    trials = [search_trial(i, curve(1.0 if i < 2 else 40.0)) for i in range(10)]
    finding = collapse(studied(*trials))  # 100 classes: 1 % is guessing
    assert "2 with an accuracy near that of guessing (1.0 %)" in finding.said[0]

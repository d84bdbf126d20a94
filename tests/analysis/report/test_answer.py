"""The answer in sentences: numbers as computed by hand from the trials."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.report import answer as words
from analysis.report import tables
from analysis.report.within_arms import within_arms
from analysis.results import points
from analysis.results.front import Front, FrontStatistics
from analysis.results.load import load
from tests.helpers.synthetic_results import write_results


def test_studies_that_do_not_report_vectors_still_have_tables_and_an_answer(results):
    bare = dataclasses.replace(results, trials=results.trials.assign(support_vectors=math.nan))
    assert set(tables.front_table(bare).rows["Vectors"]) == {"–"}
    assert set(tables.offline_table(bare).rows["Vectors"]) == {"–"}
    assert any(said.startswith("kmclr t=") for said in words.answer(bare))


def test_answer_compares_prototypes_with_the_queue(results):
    verdict, *rest = words.answer(results)
    assert verdict.startswith(("Yes: ", "No: ", "It cannot be told whether prototypes reach 99 % "))
    assert "prototypes add to the accuracy without a support set" in rest[0]
    assert "a queue adds to the accuracy without a support set" in rest[1]
    first = rest[2]
    table = points.confirmed(results, "test_acc1")
    best = table[table["method"] == "kmclr"].sort_values("y").iloc[-1]
    queue = table[table["label"] == "nnclr t=0.2 queue=98304"].iloc[0]
    ratio = 100 * math.exp(sum(math.log(best["values"][s] / queue["values"][s]) for s in (1, 2, 3)) / 3)
    assert f"{best['vectors']:.0f} prototypes (" in first
    assert f"reach {ratio:.1f} % [" in first
    assert "of the accuracy of the 98,304-queue (101 MB)" in first
    assert f"{best['y']:.2f} % against {queue['y']:.2f} %" in first
    assert "n = 3 seeds, paired" in first


def test_answer_names_the_gain_over_no_support_set_and_the_front(results):
    said = words.answer(results)
    assert any(s.startswith("Without a support set the same heads reach ") for s in said)
    assert said[-1].startswith("Front of means, ")


def test_answer_of_a_rehearsal_says_so_in_its_verdict_and_next(rehearsal):
    verdict, said = words.answer(rehearsal)[:2]
    assert re.match(r"(Yes, in this rehearsal: |No, in this rehearsal: |It cannot be told in this rehearsal )", verdict)
    assert said.startswith("This is a rehearsal")


def test_answer_of_a_search_warns(search_only):
    said = words.answer(search_only)
    assert said[0] == "It cannot be told: every point was run once (n = 1 only), and nothing was confirmed."
    assert said[1].startswith("Search only, so one run per point and no intervals.")
    assert "likely too high" in said[1]


def test_answer_without_finished_trials(results):
    empty = dataclasses.replace(results, trials=results.trials.iloc[:0], reports=results.reports.iloc[:0])
    assert words.answer(empty) == ["It cannot be told: no trial has finished."]


def test_answer_with_one_seed_gives_no_interval(tmp_path):
    single = load(write_results(tmp_path / "one", trials=6, epochs=3, confirm_seeds=(1,)))
    verdict, _, _, first = words.answer(single)[:4]
    assert verdict.endswith("with n = 1 seed, fewer than 3; how much seeds scatter is not known.")
    assert "n = 1 seed, fewer than 3, paired, no interval" in first
    assert "[" not in first


def test_answer_with_prototypes_alone(tmp_path):
    alone = load(write_results(tmp_path / "alone", trials=6, epochs=3, confirm_seeds=(1, 2), methods=("kmclr",)))
    verdict, *_, front = words.answer(alone)
    assert "fewer prototypes reach 99 % of the accuracy of " in verdict
    assert front.startswith("Front of means")


def test_running_and_interrupted_studies_say_so(results):
    verdict, said = words.answer(dataclasses.replace(results, running=True))[:2]
    assert " so far" in verdict
    assert said.startswith("The study is still running (")
    stopped = dataclasses.replace(results, manifest={**results.manifest, "status": "interrupted"})
    assert "interrupted before its end" in words.answer(stopped)[1]


def arms(values: dict[str, tuple[str, list[float]]]) -> pd.DataFrame:
    """Confirmed points: name -> method and values by seed; k rises by the order."""
    rows = [
        {
            "point": name,
            "label": name,
            "method": method,
            "baseline": False,
            "vectors": float(i),
            "support_bytes": 1e3 * i,
        }
        | {"values": dict(enumerate(v, 1)), "y": sum(v) / len(v)}
        for i, (name, (method, v)) in enumerate(values.items())
    ]
    return pd.DataFrame(rows)


def front_over(table: pd.DataFrame) -> Front:
    return Front(table, SCORE, OBJECTIVES, np.zeros(2), FrontStatistics(np.zeros(0), 0.0, 0.0, 0.0))


def test_how_few_is_answered_within_each_kind_with_no_support_set_as_the_line_to_beat():
    """`none` beats all, so the study's own front says nothing of prototypes."""
    table = arms(
        {
            "bare": ("none", [60.0, 60.4, 59.9]),
            "k=10": ("kmclr", [50.2, 50.5, 50.3]),
            "k=50": ("kmclr", [57.2, 57.3, 57.1]),
            "k=100": ("kmclr", [57.3, 57.2, 57.5]),
            "k=200": ("kmclr", [57.1, 57.0, 57.2]),
            "queue": ("nnclr", [57.4, 57.9, 57.5]),
        }
    )
    fewest, line = within_arms(front_over(table), table)  # one queue has no front
    assert fewest.startswith(
        "Among prototypes alone the front of means is k=10 (50.33 % at 1 kB); k=50 (57.20 % at 2 kB)"
    )
    assert "k=200" not in fewest
    assert (
        "The smallest with at least 99 % of the best one's accuracy in the mean is 2 prototypes (2 kB): 99.8 % ["
        in fewest
    )
    assert "corrected for a choice among 6 (Bonferroni)" in fewest
    assert line.startswith("The line that prototypes have to beat is no support set, 60.10 %; below it: ")
    assert "corrected for a choice among 4 (Bonferroni)" in line
    better = arms(
        {"bare": ("none", [50.0, 50.4, 49.9]), "k=10": ("kmclr", [60.0, 60.5, 59.9]), "k=50": ("kmclr", [50, 50.3, 50])}
    )
    fewest, line = within_arms(front_over(better), better)
    assert "above it: k=10; the others are not told apart from it (n = 3 seeds, paired" in line
    assert (
        "among prototypes alone"
        not in " ".join(
            within_arms(front_over(better[better["method"] == "kmclr"]), better[better["method"] == "kmclr"])
        ).lower()
    )


SCORE = points.Score("test_acc1", "Test acc@1 (%)", "confirm")
OBJECTIVES = {"accuracy": "max", "support_bytes": "min"}


def brackets(sentence: str) -> tuple[float, float]:
    low, high = re.search(r"\[(-?[\d.]+), (-?[\d.]+)\]", sentence).groups()
    return float(low), float(high)


def test_every_sentence_that_chooses_says_so_and_widens_its_interval():
    table = arms(
        {
            "bare": ("none", [50.0, 50.4, 49.9]),
            "k=50": ("kmclr", [56.9, 57.2, 57.4]),
            "k=100": ("kmclr", [57.3, 57.2, 57.7]),
            "queue": ("nnclr", [57.4, 57.9, 57.5]),
        }
    )
    gain = words._against_none(table)[0]
    differences = np.array([57.3, 57.2, 57.7]) - np.array([50.0, 50.4, 49.9])
    ends = stats.ttest_1samp(differences, 0).confidence_interval(1 - 0.05 / 2)
    assert brackets(gain.split("prototypes add at best")[1]) == pytest.approx(tuple(ends), abs=0.006)
    assert gain.count("interval corrected for a choice among 2 (Bonferroni)") == 1  # one queue is no choice
    reach, smallest = words._on_par(table, SCORE, OBJECTIVES)
    assert "corrected for a choice among 2 (Bonferroni)" in reach
    assert smallest.startswith("The smallest set with at least 99 % of it in the mean holds 1 prototypes")
    assert "corrected for a choice among 2 (Bonferroni)" in smallest


def test_the_best_of_several_points_without_a_support_set_is_a_choice_too():
    table = arms(
        {"a": ("none", [50.0, 50.4, 49.9]), "b": ("none", [50.2, 50.1, 51.0]), "k": ("kmclr", [52.0, 53.0, 54.0])}
    )
    said = words._against_none(table)[0]
    assert "the best of 2 points" in said
    assert "among 2 (Bonferroni)" in said
    one = arms({"b": ("none", [50.2, 50.1, 51.0]), "k": ("kmclr", [52.0, 53.0, 54.0])})
    narrow, wide = brackets(words._against_none(one)[0]), brackets(said)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_sentences_hold_the_truth_as_often_as_they_say():
    rng, gains, ratios = np.random.default_rng(8), [], []
    truth = {"bare": ("none", 53.0), **{f"k{i}": ("kmclr", 56.0) for i in range(6)}, "queue": ("nnclr", 56.0)}
    for _ in range(150):
        seed = rng.normal(0, 0.3, 3)
        table = arms({n: (m, (y + seed + rng.normal(0, 0.3, 3)).tolist()) for n, (m, y) in truth.items()})
        low, high = brackets(words._against_none(table)[0].split("prototypes add at best")[1])
        gains.append(low <= 3.0 <= high)
        found = [brackets(s) for s in words._on_par(table, SCORE, OBJECTIVES)]
        ratios.append(all(low <= 100.0 <= high for low, high in found))
    assert np.mean(gains) > 0.93
    assert np.mean(ratios) > 0.93

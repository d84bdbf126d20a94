"""The answer in sentences: numbers as computed by hand from the trials."""

from __future__ import annotations

import dataclasses
import math

from analysis.report import answer as words
from analysis.report import tables
from analysis.results import points
from analysis.results.load import load
from tests.helpers.synthetic_results import write_results


def test_studies_that_do_not_report_vectors_still_have_tables_and_an_answer(results):
    bare = dataclasses.replace(results, trials=results.trials.assign(support_vectors=math.nan))
    assert set(tables.front_table(bare).rows["Vectors"]) == {"–"}
    assert set(tables.offline_table(bare).rows["Vectors"]) == {"–"}
    assert words.answer(bare)[0].startswith("kmclr t=")


def test_answer_compares_prototypes_with_the_queue(results):
    first = words.answer(results)[0]
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


def test_answer_of_a_rehearsal_says_so_first(rehearsal):
    assert words.answer(rehearsal)[0].startswith("This is a rehearsal")


def test_answer_of_a_search_warns(search_only):
    said = words.answer(search_only)
    assert said[0].startswith("Search only, so one run per point and no intervals.")
    assert "likely too high" in said[0]


def test_answer_without_finished_trials(results):
    empty = dataclasses.replace(results, trials=results.trials.iloc[:0], reports=results.reports.iloc[:0])
    assert words.answer(empty) == ["No trial has finished, so there is no answer yet."]


def test_answer_with_one_seed_gives_no_interval(tmp_path):
    single = load(write_results(tmp_path / "one", trials=6, epochs=3, confirm_seeds=(1,)))
    first = words.answer(single)[0]
    assert "n = 1 seed, no interval" in first
    assert "[" not in first


def test_answer_with_prototypes_alone(tmp_path):
    alone = load(write_results(tmp_path / "alone", trials=6, epochs=3, confirm_seeds=(1, 2), methods=("kmclr",)))
    assert words.answer(alone)[0].startswith("Front of means")


def test_running_and_interrupted_studies_say_so(results):
    assert words.answer(dataclasses.replace(results, running=True))[0].startswith("The study is still running (")
    stopped = dataclasses.replace(results, manifest={**results.manifest, "status": "interrupted"})
    assert "interrupted before its end" in words.answer(stopped)[0]

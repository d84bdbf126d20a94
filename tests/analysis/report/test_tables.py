"""Tables and sentences: numbers as computed by hand from the trials, formats that their readers can parse."""

from __future__ import annotations

import dataclasses
import io
import math
import re

import pandas as pd
import pytest

from analysis.report import answer as words
from analysis.report import table_formats, tables
from analysis.results import points, published
from analysis.results.intervals import mean_interval
from analysis.results.load import load
from tests.helpers.synthetic_results import write_results


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return load(write_results(tmp_path_factory.mktemp("r") / "k_sweep", trials=12, epochs=6, confirm_seeds=(1, 2, 3)))


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory):
    folder = tmp_path_factory.mktemp("r") / "k_sweep-rehearsal"
    return load(write_results(folder, trials=8, epochs=4, confirm_seeds=(1, 2), rehearsal=True, device="cpu"))


@pytest.fixture(scope="module")
def search_only(tmp_path_factory):
    return load(write_results(tmp_path_factory.mktemp("r") / "search", trials=10, epochs=4, confirm_seeds=()))


def values_of(results, point: str, column: str) -> list[float]:
    trials = results.trials
    return trials.loc[trials["point"] == point, column].tolist()


def test_confirmed_points_hold_mean_and_interval_of_their_seeds(results):
    table = points.confirmed(results, "test_acc1")
    for row in table.itertuples():
        expected = mean_interval(values_of(results, row.point, "test_acc1"))
        assert (row.y, row.low, row.high, row.n) == expected[:4]
        assert sorted(row.values) == [1, 2, 3]


def test_score_is_the_test_counterpart_of_the_studys_score(results, rehearsal, search_only):
    assert points.confirm_score(results).column == "test_acc1"
    assert points.confirm_score(rehearsal).column == "test_few_shot_acc1"
    assert points.confirm_score(search_only) is None
    bare = dataclasses.replace(results, trials=results.trials.assign(test_acc1=math.nan))
    assert points.confirm_score(bare).column == "accuracy"


def test_front_table_lists_the_front_by_cost(results):
    table = tables.front_table(results)
    front = table.data[table.data["on_front"]]
    assert front["support_bytes"].is_monotonic_increasing
    assert front["y"].is_monotonic_increasing
    assert table.rows["Point"].tolist() == table.data["label"].tolist()
    assert table.rows.loc[table.rows["On front"] == "yes", "Point"].tolist() == front["label"].tolist()
    assert table.rows["Probability"].astype(float).tolist() == pytest.approx(table.data["p_front"].tolist(), abs=0.0051)
    assert set(table.rows["n"]) == {3}
    first = table.data.iloc[0]
    assert table.rows.iloc[0, 3] == f"{first['y']:.2f} [{first['low']:.2f}, {first['high']:.2f}]"


def test_front_of_a_search_has_no_intervals(search_only):
    table = tables.front_table(search_only)
    assert "Single runs: no intervals" in table.caption
    assert not {"On front", "Probability"} & set(table.rows)
    assert not table.rows.iloc[:, 3].str.contains(r"\[").any()


def test_published_values_stand_beside_the_same_point_only(results):
    table = tables.offline_table(results)
    beside = table.data[table.data["published_acc1"].notna()].set_index("label")["published_acc1"]
    assert beside.to_dict() == {
        "kmclr t=0.2 k=50 f=3": 54.66, "kmclr t=0.2 k=400 f=3": 56.86, "nnclr t=0.2 queue=98304": 57.60,
    }  # fmt: skip
    assert "Rossini" in table.caption


def test_published_values_are_left_out_where_data_differ(rehearsal):
    table = tables.offline_table(rehearsal)
    assert "Published acc@1" not in table.rows
    assert table.data["published_acc1"].isna().all()
    assert "not comparable" in table.caption


def test_published_table_is_the_sources(results):
    table = published.published()
    assert table.loc[table["model"] == "kmclr-600", ["acc1", "acc5", "vectors"]].to_numpy().tolist() == [
        [56.52, 84.48, 600]
    ]
    assert math.isnan(table.loc[table["forget_every"] == 10, "acc1"].item())


def test_paired_table_is_against_the_largest_baseline_queue(results):
    table = tables.paired_table(results)
    assert table.data["reference"].unique().tolist() == ["nnclr t=0.2 queue=98304"]
    assert "nnclr t=0.2 queue=98304" not in table.data["label"].tolist()
    done = points.confirmed(results, "test_acc1").set_index("label")["values"]
    row = table.data[table.data["label"] == "none t=0.2"].iloc[0]
    reference = done["nnclr t=0.2 queue=98304"]
    differences = [v - reference[s] for s, v in done["none t=0.2"].items()]
    assert (row["difference"], row["low"], row["high"]) == pytest.approx(mean_interval(differences)[:3])


def test_failed_trials_are_listed(results):
    rows = tables.failed_table(results).rows
    assert set(rows["Status"]) <= {"failed", "diverged"}
    assert len(rows) == results.trials["status"].isin(["failed", "diverged"]).sum() > 0


def test_no_tables_without_finished_trials(results):
    empty = dataclasses.replace(results, trials=results.trials.iloc[:0], reports=results.reports.iloc[:0])
    assert tables.front_table(empty) is None
    assert tables.offline_table(empty) is None
    assert tables.paired_table(empty) is None
    assert tables.failed_table(empty) is None


def test_csv_holds_numbers_and_says_rehearsal(rehearsal, tmp_path):
    table = tables.front_table(rehearsal)
    table_formats.write(table, tmp_path)
    read = pd.read_csv(tmp_path / "front.csv")
    assert read["rehearsal"].all()
    assert read["y"].tolist() == pytest.approx(table.data["y"].tolist())
    for name in ("front.md", "front.tex"):
        assert "Rehearsal on digits" in (tmp_path / name).read_text()


def test_markdown_is_a_table(results):
    text = table_formats.to_markdown(tables.front_table(results))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert set(lines[1].replace("|", "").split()) == {"---", "---:"}


def test_latex_is_booktabs_and_escaped(results):
    table = tables.Table("t", "T", "50 % of a_b", pd.DataFrame({"A & B": ["x_1"], "n #": ["-1.5 [-2, 1]"]}), None, None)
    text = table_formats.to_latex(table)
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\begin{tabular}{lr}", r"\caption{50 \% of a\_b}"):
        assert rule in text
    assert r"A \& B & n \# \\" in text
    assert r"x\_1 & $-$1.5 [$-$2, 1] \\" in text


def test_latex_wraps_long_names_and_heads_to_the_line(results):
    name = "kmclr k=11 prototype_update=ema half_life=10.3 prototype_dtype=float16 t=0.409"
    rows = pd.DataFrame(
        {"Point": [name, name], "Test acc@1, few-shot probe (%)": ["84.86 [66.86, 100.00]"] * 2, "n": 2}
    )
    text = table_formats.to_latex(tables.front_table(results)._replace(rows=rows))
    assert "% needs \\usepackage{booktabs,array}" in text
    share = float(re.search(r"\\raggedright\\arraybackslash\}p\{([\d.]+)\\linewidth\}rr\}", text)[1])
    assert 0.4 < share < 0.8
    assert r"\shortstack[r]{Test acc@1, few-shot \\ probe (\%)}" in text
    assert r"prototype\_\allowbreak{}update=\allowbreak{}ema" in text
    assert text.count("addlinespace") == 1
    short = table_formats.to_latex(tables.front_table(results)._replace(rows=rows.assign(Point="none")))
    assert r"\begin{tabular}{lrr}" in short
    assert "addlinespace" not in short


def test_latex_takes_any_error_message():
    assert table_formats.tex("a <b> | --resume\nsecond") == (
        r"a \textless{}b\textgreater{} \textbar{} -{}-resume second"
    )
    assert table_formats.tex("\u2192 \u03c4 \u00e9 \u2013") == r"$\to$ ? \u00e9 --".replace(r"\u00e9", "\u00e9")


def test_csv_of_points_holds_seeds_values_and_trial_ids(results):
    row = tables.front_table(results).data.iloc[0]
    assert [part.split(":")[0] for part in row["values"].split("; ")] == ["1", "2", "3"]
    assert row["trials"].split() == results.trials.loc[results.trials["point"] == row["point"], "trial_id"].tolist()


def test_html_is_escaped_and_readable():
    table = tables.Table("t", "T", "c < d", pd.DataFrame({"A": ["<b>"], "B": ["1.0"]}), None, None)
    text = table_formats.to_html(table)
    assert "&lt;b&gt;" in text
    read = pd.read_html(io.StringIO(text.replace("&lt;b&gt;", "b")))[0] if _has_html_parser() else None
    assert read is None or read.shape == (1, 2)


def _has_html_parser() -> bool:
    import importlib.util

    return importlib.util.find_spec("lxml") is not None


def test_studies_that_do_not_report_vectors_still_have_tables_and_an_answer(results):
    bare = dataclasses.replace(results, trials=results.trials.assign(support_vectors=math.nan))
    assert set(tables.front_table(bare).rows["Vectors"]) == {"–"}
    assert set(tables.offline_table(bare).rows["Vectors"]) == {"–"}
    assert words.answer(bare)[0].startswith("kmclr t=")


# --- sentences ---


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

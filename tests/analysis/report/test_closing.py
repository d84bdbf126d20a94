"""What the terminal is told at a study's end."""

from __future__ import annotations

import io

from rich.console import Console

from analysis.report.answer import answer
from analysis.report.closing import show
from analysis.report.tables import front_table
from analysis.results.load import load
from tests.helpers.health_inputs import confirm_trial, curve, search_trial, studied
from tests.helpers.synthetic_results import write_results


def shown(results) -> list[str]:
    screen = io.StringIO()
    show(results, Console(file=screen, highlight=False))
    return [" ".join(line.split()) for line in screen.getvalue().splitlines()]


def test_the_verdicts_and_the_confirmed_points_with_n_and_interval_are_printed_the_front_first(tmp_path):
    results = load(write_results(tmp_path / "k_sweep", trials=12, epochs=6))
    printed, said = shown(results), answer(results)
    assert printed[:3] == said[:3]
    at = next(i for i, line in enumerate(printed) if line.startswith("Confirmed points and their front ("))
    assert "(Test acc@1, offline linear (%), n = 3 seeds; brackets: 95 % intervals):" in printed[at]
    rows = front_table(results).rows
    named = [rows.loc[[line.startswith(f"{p} ") for p in rows["Point"]]].iloc[0] for line in printed[at + 2 :]]
    assert sorted(row["Point"] for row in named) == sorted(rows["Point"])
    on = [row["On front"] == "yes" for row in named]
    assert on == sorted(on, reverse=True)
    assert any(on)
    for row, line in zip(named, printed[at + 2 :], strict=True):
        assert row["Test acc@1, offline linear (%)"] in line
        assert f" {row['n']} " in line


def test_a_study_without_confirmed_points_has_its_verdict_alone(tmp_path):
    results = load(write_results(tmp_path / "s", trials=4, epochs=3, confirm_seeds=()))
    assert shown(results) == [answer(results)[0]]


def test_what_was_left_out_and_the_seeds_to_go_on_with_are_told():
    trials = [search_trial(0, curve(50)), search_trial(1, curve(10)[:2], method="none")]
    trials += [confirm_trial(0, seed, 49.6 + 0.7 * seed, support_vectors=9.0) for seed in (1, 2, 3)]
    trials += [confirm_trial(2, seed, 50.0, method="simclr", support_vectors=0.0) for seed in (1, 2, 3)]
    printed = shown(studied(*trials))
    assert any(line.startswith("none is not compared: its only trial did not finish") for line in printed)
    assert any(
        line.startswith("To go on with so many seeds: --resume --set confirm.seeds=[1,2,3,4") for line in printed
    )

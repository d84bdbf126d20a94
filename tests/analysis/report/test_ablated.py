"""The ablation in the report: sentences, the table in each format, and the page's section."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from analysis.figure_data.ablation_info import ablation_info
from analysis.report.ablated import TOTAL, ablation_table, sentences, signed
from analysis.report.latex import COLUMNS, table_tex
from analysis.report.make import make_report
from analysis.results.load import Results, load
from tests.helpers.ablation_inputs import write_ablation
from tests.helpers.synthetic_results import write_results


def test_sentences_name_the_steps_that_can_be_told_from_nothing(full: Results) -> None:
    info, said = ablation_info(full), sentences(full)
    assert said[0].startswith(f"From none t=0.2 to {info.steps[-1].label} in {len(info.steps) - 1} steps: ")
    assert f"{signed(info.total)} percentage points in Test acc@1" in said[0]
    clear = [s for s in info.steps[1:] if s.difference.low > 0 or s.difference.high < 0]
    assert clear
    for step in info.steps[1:]:
        assert (f"{step.change} {signed(step.difference)}" in said[1]) == (step in clear)
    assert len(said) == 2
    path = {**full.ablation["paths"][0], "seeds": [1, 2, 3, 4]}
    more = sentences(dataclasses.replace(full, ablation={"paths": [path]}))
    assert more[-1] == f"{len(info.steps)} of {4 * len(info.steps)} trainings are missing."
    assert sentences(dataclasses.replace(full, ablation=None)) == []


def test_the_table_has_a_row_for_each_step_and_the_whole(full: Results) -> None:
    info, table = ablation_info(full), ablation_table(full)
    names = list(table.rows["Step"])
    assert names[:2] == ["none t=0.2 (baseline)", "method: none → kmclr (with k = 400, forget_every = 1)"]
    assert names[-1] == TOTAL
    differences = list(table.rows["Difference (percentage points)"])
    assert differences == ["–", *(signed(s.difference) for s in info.steps[1:]), signed(info.total)]
    assert "[" in differences[-1]
    assert table.rows["Support set"].iloc[0] == "0 B"
    assert list(table.data["support_bytes"])[:2] == [0.0, info.steps[1].costs["support_bytes"]]
    assert "paired at equal seeds" in table.caption
    for page in COLUMNS.values():
        assert r"\begin{table" in table_tex(table, page)
    assert r"$\to$" in table_tex(table)


def test_single_runs_have_no_brackets_and_what_is_missing_no_n(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "one", trials=12, epochs=4, confirm_seeds=(1,))
    write_ablation(folder, seeds=(1,), missing=1)
    table = ablation_table(load(folder))
    assert list(table.rows["n"])[-2:] == ["–", "–"]
    assert "Single runs: no intervals." in table.caption
    assert "Brackets" not in table.caption
    assert sentences(load(folder))[1] == "No step can be told from no change with these seeds."


def test_the_page_has_a_section_where_it_was_asked_for(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "r-rehearsal", trials=12, epochs=4, confirm_seeds=(1, 2), rehearsal=True)
    write_ablation(folder, seeds=(1, 2))
    page = make_report(folder, images="none", progress=lambda text: None).read_text()
    section = page.split('<h2 id="ablated">')[1].split("<h2")[0]
    assert '<a href="#ablated">Ablation</a>' in page
    assert '<figure id="ablation"' in section
    assert TOTAL in section
    assert "Rehearsal on digits" in section
    assert page.count('<figure id="ablation"') == 1
    for suffix in ("md", "csv", "tex"):
        assert (folder / "tables" / f"ablation.{suffix}").is_file()
    assert "Rehearsal" in (folder / "tables" / "ablation.tex").read_text()
    assert load(folder).ablation is not None

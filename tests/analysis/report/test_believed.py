"""Sentences, table and command about the search's belief, and the page that holds them."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

from analysis.figure_data.belief_info import moved_info
from analysis.report import believed
from analysis.report.make import make_report
from analysis.results.load import Results, load
from study import schema
from tests.helpers.figure_inputs import write_belief
from tests.helpers.synthetic_results import write_results


def test_what_is_worth_trying_next_in_a_sentence(full: Results) -> None:
    said = believed.sentences(full)[0]
    assert "kmclr k=77 t=0.2 f=3, a new point of 158 kB: 55.00 % [54.00, 56.00]" in said
    assert "an expected gain of 1.2 in hypervolume (2 % of the front's)" in said
    none = {name: value for name, value in full.belief.items() if name != "next"}
    assert "expects no new point to gain anything" in believed.sentences(dataclasses.replace(full, belief=none))[0]
    without = {**none, "without": "1 trials have reported"}
    said = believed.sentences(dataclasses.replace(full, belief=without))[0]
    assert said == "There is no model of the search: 1 trials have reported."


def test_what_confirming_moved_in_a_sentence(full: Results) -> None:
    table = moved_info(full)
    done = table[table["n"] > 0]
    chosen, declared = (done[done["baseline"] == kind]["moved"] for kind in (False, True))
    said = believed.sentences(full)[-1]
    assert f"of the {len(chosen)} points chosen by {chosen.mean():+.2f} percentage points".replace("-", "−") in said
    assert f"of the {len(declared)} points declared as baselines by {declared.mean():+.2f}".replace("-", "−") in said
    names = dict(table.set_index("trial_id").iterrows())
    first, last = full.belief["choices"]["observed"][0], full.belief["choices"]["model"][-1]
    assert f"observed alone takes {names[first]['label']}; model alone takes {names[last]['label']}." in said
    same = {**full.belief, "choices": {"observed": [first], "model": [first]}}
    assert "take the same points" in believed.sentences(dataclasses.replace(full, belief=same))[-1]
    assert "confirm.choose" not in believed.sentences(dataclasses.replace(full, belief=None))[-1]


def test_the_table_names_who_chose_and_what_was_not_confirmed(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "small", trials=12, epochs=4, confirm_seeds=(1, 2, 3))
    content = write_belief(folder)
    table = believed.moved_table(load(folder))
    cells = dict(zip(table.data["trial_id"], table.rows["Chosen by"], strict=True))
    both = set(content["choices"]["observed"]) & set(content["choices"]["model"])
    assert {name for name, cell in cells.items() if cell == "observed and model"} == both
    assert "baseline" in cells.values()
    assert all("[" in cell for cell in table.rows["Confirmed (%)"])
    assert list(table.rows["n"].unique()) == ["3"]


def test_the_page_has_a_section_with_the_command(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "a b", trials=12, epochs=4, confirm_seeds=(1, 2))
    write_belief(folder)
    command = believed.command(load(folder))
    assert shlex.split(command)[-5:] == [
        "-m", "trainables.pretrain", str(folder / schema.NEXT_FILE), "--out", "runs/a b-next"
    ]  # fmt: skip
    page = make_report(folder, images="none", progress=lambda line: None).read_text()
    for text in ('<h2 id="belief">', 'id="believed_accuracy"', 'id="believed_front"', 'id="confirm_moved"'):
        assert page.count(text) == 1
    assert "trainables.pretrain" in page
    assert (folder / schema.TABLES_DIR / "moved.tex").is_file()
    (folder / schema.NEXT_FILE).unlink()
    assert believed.command(load(folder)) is None

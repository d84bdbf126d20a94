"""The table of every trial: what it holds of any study, and how it works in a real browser, by keys and on a phone."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from analysis.report import explorer, page
from analysis.results.load import load
from study import schema
from tests.helpers.browser import Page, look_at, needs_browser
from tests.helpers.synthetic_results import write_lines, write_results

MARKUP = '<img src=x onerror="window.bad=1">'


def column(found: explorer.Explored, name: str) -> list:
    """The cells of a column."""
    place = [one.name for one in found.columns].index(name)
    return [row[place] for row in found.rows]


def change(folder: Path, changed) -> Path:
    """The same folder with each end of a trial changed in place."""
    lines = [json.loads(row) for row in (folder / schema.TRIALS_FILE).read_text().splitlines()]
    for line in lines:
        changed(line)
    write_lines(folder / schema.TRIALS_FILE, lines)
    return folder


def drawn(number: int) -> dict:
    """A draw of the search for a trial that has not reported."""
    draw = {"schema": schema.SCHEMA_VERSION, "number": number, "attempt": 0, "trial_id": f"search-{number:04d}"}
    draw |= {"label": "kmclr k=77", "params": {"method": "kmclr", "k": 77}, "point_index": None}
    return draw | {"duplicate_of": None, "ended": 0}


def written(folder: Path, *studies: Path) -> Path:
    """A page of the table alone."""
    code = page.page("t", [explorer.section([load(one) for one in studies])], explorer.head(), explorer.script())
    (folder / "page.html").write_text(code)
    return folder / "page.html"


# --- what it holds ---


def test_every_trial_is_a_row_the_best_first(results):
    found = explorer.explored([results])
    assert sorted(column(found, "trial_id")) == sorted(results.trials["trial_id"])
    accuracies = [value for value in column(found, "accuracy") if value is not None]
    assert accuracies == sorted(accuracies, reverse=True)
    best = results.trials.loc[results.trials["accuracy"].idxmax()]
    assert found.rows[0][[one.name for one in found.columns].index("trial_id")] == best["trial_id"]
    shown = {one.name for one in found.columns if one.shown}
    assert {"trial_id", "status", "method", "p_k", "accuracy", "support_bytes", "test_acc1", "epochs"} <= shown
    assert {"loss", "wall_s", "started", "label"} <= {one.name for one in found.columns} - shown
    assert "study" not in {one.name for one in found.columns}


def test_a_running_study_shows_what_has_not_ended(tmp_path):
    folder = write_results(tmp_path / "a", trials=6, epochs=4, confirm_seeds=(), running=2)
    write_lines(folder / schema.DRAWS_FILE, [drawn(7), drawn(8)])
    found = explorer.explored([load(folder)])
    states = dict(zip(column(found, "trial_id"), column(found, "status"), strict=True))
    assert (states["search-0006"], states["search-0008"]) == ("running", "running")
    epochs = dict(zip(column(found, "trial_id"), column(found, "epochs"), strict=True))
    assert (epochs["search-0006"], epochs["search-0008"]) == (2, 0)
    assert dict(zip(column(found, "trial_id"), column(found, "p_k"), strict=True))["search-0008"] == 77


def test_failed_and_interrupted_trials_are_there_with_their_error(tmp_path):
    def failed(line):
        if line["number"] < 2:
            line |= {"status": (schema.FAILED, schema.INTERRUPTED)[line["number"]], "metrics": {}, "error": MARKUP}

    found = explorer.explored([load(change(write_results(tmp_path / "a", trials=5, confirm_seeds=()), failed))])
    states = dict(zip(column(found, "trial_id"), column(found, "status"), strict=True))
    assert (states["search-0000"], states["search-0001"]) == ("failed", "interrupted")
    errors = dict(zip(column(found, "trial_id"), column(found, "error"), strict=True))
    assert errors["search-0000"] == MARKUP.replace("<", "‹").replace(">", "›")
    assert column(found, "accuracy")[-2:] == [None, None]


def test_own_parameters_and_fixed_settings_are_columns(tmp_path):
    def own(line):
        line["params"]["mypkg.parts:Power.strength"] = line["number"] / 2

    one = change(write_results(tmp_path / "one", trials=4, confirm_seeds=()), own)
    two = write_results(tmp_path / "two", trials=4, confirm_seeds=(), methods=("none",))
    study = yaml.safe_load((two / schema.STUDY_FILE).read_text())
    study["train"]["batch_size"], study["space"] = 512, {"method": ["none"]}
    (two / schema.STUDY_FILE).write_text(yaml.safe_dump(study))
    found = explorer.explored([load(one), load(two)])
    assert set(column(found, "study")) == {"one", "two"}
    assert set(column(found, "p_mypkg.parts:Power.strength")) == {None, 0, 0.5, 1, 1.5}
    sizes = dict(zip(column(found, "study"), column(found, "p_train.batch_size"), strict=True))
    assert sizes == {"one": 256, "two": 512}
    groups = {one.name: one.group for one in found.columns}
    assert (groups["p_train.batch_size"], groups["p_mypkg.parts:Power.strength"]) == ("Settings", "Parameters")
    assert "p_train.epochs" not in groups


def test_a_value_that_acts_in_no_run_of_the_method_is_absent(results):
    found = explorer.explored([results])
    sizes = {m for m, k in zip(column(found, "method"), column(found, "p_k"), strict=True) if k is not None}
    assert sizes == {"kmclr"}


def test_no_trial_is_a_sentence(tmp_path):
    folder = write_results(tmp_path / "a", trials=0, confirm_seeds=())
    assert explorer.section([load(folder)]) == "<p>No trial has begun.</p>"


def test_rehearsals_are_labelled(rehearsal):
    assert "Rehearsal on digits" in explorer.section([rehearsal])


# --- in a browser ---

TICK = "document.querySelectorAll('#trials-table tbody input')"
INFO = "document.querySelector('.dt-info').textContent"
FIRST = "document.querySelector('#trials-table tbody td.name').textContent"
COMPARED = "[...document.querySelectorAll('#trials-compared tbody tr.differs th')].map(e => e.firstChild.data)"


async def there(shown: Page) -> None:
    """Until the table is made."""
    await shown.until("!!document.querySelector('.dt-info')")


async def settle(shown: Page) -> None:
    """Until what a key or a click set off has happened, fading included."""
    await shown.run("new Promise(done => setTimeout(done, 500))")


@needs_browser
def test_by_keys_alone_it_is_sorted_filtered_and_compared(results, tmp_path):
    async def used(shown: Page) -> None:
        await there(shown)
        best = await shown.run(FIRST)
        await shown.run("document.querySelector('[aria-label^=\"Accuracy\"]').focus()")
        for sense in (None, "ascending"):
            await shown.press("Enter")
            await shown.until("document.querySelector('th[aria-sort]')?.getAttribute('aria-sort') ?? null", sense)
        assert await shown.run(FIRST) != best

        await shown.run("document.querySelector('[aria-label=\"Filter Method\"]').focus()")
        await shown.press("Space", "Tab", "Tab", "Tab", "Space")
        await shown.until("document.activeElement.getAttribute('aria-pressed')", "true")
        count = (results.trials["method"] == await shown.run("document.activeElement.textContent")).sum()
        await shown.until(INFO, f"1 to {min(count, 15)} of {count} trials (of {len(results.trials)})")
        await shown.press("Escape")
        await shown.until("document.activeElement.getAttribute('aria-label')", "Filter Method")

        await shown.run("document.querySelector('[aria-label=\"Filter Accuracy (%)\"]').focus()")
        await shown.press("Enter")
        await shown.until("document.activeElement.matches('input[aria-label=\"Filter Accuracy (%)\"]')")

        await shown.run(f"{TICK}[0].focus()")
        await shown.press("Space", "Tab", "Space")
        await shown.until("document.getElementById('trials-picked').textContent.startsWith('2 trials are ticked')")
        assert "Seed" in await shown.run(COMPARED) or "Stage" in await shown.run(COMPARED)
        assert not shown.errors

    look_at(written(tmp_path, results.folder), used)


@needs_browser
def test_side_by_side_marks_exactly_what_differs(tmp_path):
    def same(line):
        line |= {"label": "x", "metrics": {"accuracy": 50.0 - line["number"], "support_bytes": 7}, "wall_s": 1.0}
        line |= {"started": line["started"][:10] + "T00:00:00+00:00", "ended": line["ended"][:10] + "T00:00:00+00:00"}
        line["params"] = {"method": "kmclr", "k": 100 + (line["number"] == 2)}
        line |= {"method": "kmclr", "status": "completed", "baseline": False, "epochs": 18, "error": None}

    folder = change(write_results(tmp_path / "a", trials=3, confirm_seeds=()), same)
    (folder / schema.REPORTS_FILE).write_text("")

    async def used(shown: Page) -> None:
        await there(shown)
        await shown.run(f"{TICK}[0].click()")
        assert await shown.run("document.getElementById('trials-compared').hidden")
        await shown.run(f"{TICK}[1].click()")
        assert await shown.run(COMPARED) == ["Accuracy (%)"]
        await shown.run(f"{TICK}[2].click()")
        assert await shown.run(COMPARED) == ["k", "Accuracy (%)"]
        heads = "[...document.querySelectorAll('#trials-compared thead th')].map(e => e.textContent)"
        assert await shown.run(heads) == ["search-0000", "search-0001", "search-0002"]
        await shown.run("document.getElementById('trials-only').click()")
        rows = (
            "[...document.querySelectorAll('#trials-compared tbody tr:not(.group)')].filter(e => e.offsetHeight).length"
        )
        assert await shown.run(rows) == 2

    look_at(written(tmp_path, folder), used)


@needs_browser
def test_columns_are_chosen_and_keep_to_a_phone(results, tmp_path):
    async def used(shown: Page) -> None:
        await there(shown)
        await shown.run("document.querySelector('.buttons-colvis').focus()")
        await shown.press("Enter")
        await settle(shown)
        titles = "[...document.querySelectorAll('#trials-table thead .dt-column-title')].map(e => e.textContent)"
        before = await shown.run(titles)
        await shown.run(
            "[...document.querySelectorAll('[role=menuitemcheckbox]')].find(e => e.innerText == 'Seed').click()"
        )
        assert set(await shown.run(titles)) - set(before) == {"Seed"}
        checked = "[...document.querySelectorAll('[aria-checked=true]')].map(e => e.innerText)"
        assert set(await shown.run(checked)) == {*before, "Seed"} - {"Compare"}
        await shown.press("Escape")
        await shown.until("document.activeElement.innerText.startsWith('Columns')")
        await shown.run(f"[...{TICK}].slice(0, 5).forEach(e => e.click())")
        await settle(shown)
        assert await shown.run("document.documentElement.scrollWidth") == 375
        box = "document.getElementById('trials-table').parentElement"
        assert await shown.run(f"{box}.scrollWidth > {box}.clientWidth")

    look_at(written(tmp_path, results.folder), used, width=375)


@needs_browser
def test_nothing_is_fetched_and_no_text_becomes_an_element(tmp_path):
    def evil(line):
        line |= {"label": MARKUP, "error": f"{MARKUP}</script><b>"}
        line["params"][MARKUP] = MARKUP

    folder = change(write_results(tmp_path / "a", trials=6, confirm_seeds=()), evil)

    async def used(shown: Page) -> None:
        await there(shown)
        await shown.run("document.querySelector('.buttons-colvis').click()")
        await settle(shown)
        await shown.run("document.querySelectorAll('[aria-checked=false]').forEach(e => e.click())")
        await shown.press("Escape")
        await shown.run("document.querySelectorAll('.dtcc-button_dropdown').forEach(e => e.click())")
        await shown.run(f"{TICK}.forEach(e => e.click())")
        await settle(shown)
        assert "onerror" in await shown.run("document.getElementById('trials-compared').textContent")
        assert await shown.run("[window.bad === undefined, document.querySelectorAll('main img').length]") == [True, 0]
        assert [url for url in shown.asked_for if not url.startswith(("file:", "data:"))] == []
        assert not shown.errors

    look_at(written(tmp_path, folder), used)

"""A study that learns from earlier ones: what it does not train again, how it goes on, and what its report says."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from analysis.figures import fronts
from analysis.figures.style import get_style
from analysis.health.uncompared import uncompared
from analysis.report import page, tables
from analysis.report.explorer import explored
from analysis.results.load import load
from analysis.results.points import searched
from study import schema
from study.record import earlier as earlier_folders
from study.record import learning as learn
from study.record.task import point_key
from tests.helpers.engine_helpers import lines, make_study, outcome, run_fake
from tests.helpers.without_ray import study_in_this_process

CONFIRM = {"seeds": [1, 2], "max_points": 2}
ALONE = {"confirm": {"enabled": False}}
"""Without a confirm stage."""


@pytest.fixture(autouse=True)
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    study_in_this_process(monkeypatch)


def learning(*folders: Path, sampler: str = "front", trials: int = 5, **changes):
    search = {"trials": trials, "startup_trials": 4, "sampler": sampler, "learn_from": list(map(str, folders))}
    return make_study(**{"search": search, "confirm": CONFIRM, **changes})


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`earlier/fake`: 8 trials, some of them stopped. `fake` has learned from them, with 5 of its own and a confirm
    stage."""
    out = tmp_path_factory.mktemp("both")
    with pytest.MonkeyPatch.context() as patch:
        run = study_in_this_process(patch)
        assert run(make_study(confirm={**CONFIRM, "max_points": 1, "seeds": [1]}), out / "earlier", quiet=True) == 0
        assert run(learning(out / "earlier/fake", budget={"epochs": 400}), out, quiet=True) == 0
    return out


@pytest.fixture
def earlier(both: Path, tmp_path: Path) -> Path:
    """A copy of the earlier study that may be damaged or taken away."""
    return shutil.copytree(both / "earlier/fake", tmp_path / "earlier")


def of_search(folder: Path) -> list[dict]:
    return [end for end in outcome(folder)[1] if end["stage"] == schema.SEARCH]


def points(found: list[dict]) -> set[str]:
    return {point_key(one["params"]) for one in found}


def test_its_trials_count_and_are_not_trained_again(both) -> None:
    folder, theirs = both / "fake", of_search(both / "earlier/fake")
    learned = lines(folder / schema.LEARNED_FILE)
    assert [(one["of"], one["status"], one["params"]) for one in learned] == [
        (end["trial_id"], end["status"], end["params"]) for end in theirs
    ]
    assert {one["status"] for one in learned} == {schema.COMPLETED, schema.STOPPED}
    assert all([report["epoch"] for report in one["reports"]] == [*range(1, one["epochs"] + 1)] for one in learned)
    assert len(of_search(folder)) == 5
    assert not points(of_search(folder)) & points(theirs)
    repeats = [draw["duplicate_of"] for draw in lines(folder / schema.DRAWS_FILE)[:2]]
    assert repeats == ["learned-0000", "learned-0001"], "the baselines are known"
    (note,) = schema.read_manifest(folder)["learned"]
    left_out = [{"trials": 3, "why": "of its confirm stage, which steers no search"}]
    assert (note["learned"], note["left_out"], note["study"]) == (8, left_out, "fake")


def test_the_confirm_stage_trains_known_points_with_its_own_seeds(both) -> None:
    confirmed = [end for end in outcome(both / "fake")[1] if end["stage"] == schema.CONFIRM]
    baselines = {end["point"] for end in confirmed if end["baseline"]}
    assert baselines == {"learned-0000", "learned-0001"}
    assert sorted(e["trial_id"] for e in confirmed if e["baseline"]) == [
        f"confirm-learned-000{n}-{seed}" for n in (0, 1) for seed in (1, 2)
    ]
    known = {line["trial_id"]: line["params"] for line in lines(both / "fake" / schema.LEARNED_FILE)}
    assert all(end["params"] == known[end["point"]] for end in confirmed if end["point"] in known)


def test_a_resume_needs_no_earlier_folder_and_draws_as_undisturbed(earlier, tmp_path, capsys) -> None:
    """Stopped in its second trial, and with Optuna's copy lost too."""
    plain = {"trials": 4, "scheduler": {"name": "none"}, **ALONE}
    assert run_fake(learning(earlier, **plain), tmp_path / "whole", quiet=True) == 0
    assert run_fake(learning(earlier, budget={"epochs": 12}, **plain), tmp_path, quiet=True) == 0
    assert len(of_search(tmp_path / "fake")) == 1
    (tmp_path / "fake" / schema.OPTUNA_FILE).unlink()
    shutil.rmtree(earlier)
    capsys.readouterr()
    assert run_fake(learning(earlier, **plain), tmp_path, resume=True) == 0
    said = f"{earlier} is not there any more; what was learned from it stays as it is on record (8 trials)"
    assert said in capsys.readouterr().out
    assert outcome(tmp_path / "fake") == outcome(tmp_path / "whole/fake")


def test_trials_that_pause_are_chosen_with_what_was_learned(both, tmp_path) -> None:
    promote = {"scheduler": {"name": "promote", "grace_period": 1, "reduction_factor": 3}, **ALONE}
    study = learning(both / "earlier/fake", **promote)
    assert run_fake(study, tmp_path, quiet=True) == 0
    ends = of_search(tmp_path / "fake")
    assert len(ends) == 5
    assert schema.COMPLETED in {end["status"] for end in ends}
    assert not points(ends) & points(of_search(both / "earlier/fake"))


def test_more_to_learn_from_is_accepted_and_less_is_refused(both, earlier, tmp_path, capsys) -> None:
    folder = shutil.copytree(both / "fake", tmp_path / "fake")
    first, before = both / "earlier/fake", outcome(folder)
    capsys.readouterr()
    assert run_fake(learning(first, earlier, trials=7), tmp_path, resume=True) == 0
    said = capsys.readouterr().out
    assert f"search.learn_from: + {earlier}" in said
    assert f"Learned from {earlier}: 0 trials; " in said
    assert "8 trials left out: a point of which another trial counts" in said
    assert outcome(folder)[1][: len(before[1])] == before[1]
    assert len(of_search(folder)) == 7
    with pytest.raises(schema.UserError, match=r"search.learn_from: - .*what was learned from .* is on record"):
        run_fake(learning(trials=7), tmp_path, quiet=True, resume=True)


# --- folders that are not finished, or not as they should be ---
def test_a_study_that_still_runs_or_was_killed_is_learned_from(earlier) -> None:
    manifest = json.loads((earlier / schema.MANIFEST_FILE).read_text())
    (earlier / schema.MANIFEST_FILE).write_text(json.dumps({**manifest, "status": "running", "ended": None}))
    ends = (earlier / schema.TRIALS_FILE).read_bytes().splitlines(keepends=True)
    (earlier / schema.TRIALS_FILE).write_bytes(b"".join(ends[:5]) + ends[5][:100])
    (earlier / "lines.json").unlink()
    (found,) = learn.gather(learning(), [str(earlier)], "1")
    assert (found.note["learned"], found.note["left_out"]) == (5, [{"trials": 3, "why": "has not ended"}])


def test_a_damaged_earlier_folder_is_one_line_and_nothing_begins(earlier, tmp_path) -> None:
    text = (earlier / schema.REPORTS_FILE).read_text()
    (earlier / schema.REPORTS_FILE).write_text(text.replace('"epoch": 3', '"epoch": 4', 1))
    with pytest.raises(schema.UserError, match=r"search.learn_from: .*reports.jsonl:\d+: this line is") as caught:
        run_fake(learning(earlier), tmp_path, quiet=True)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "fake" / schema.MANIFEST_FILE).exists()
    assert earlier_folders.fingerprint_of(str(tmp_path / "gone")) is None


# --- the report ---
def test_the_report_counts_them_apart_and_names_their_study(both) -> None:
    results = load(both / "fake")
    assert len(results.stage(schema.SEARCH)) == 5
    assert len(results.learned) == 8
    assert set(results.learned["origin"]) == {"earlier/fake"}, "as both folders have one name"
    table = searched(results)
    assert (table["origin"] == "earlier/fake").sum() == 8
    front = tables.front_table(results)
    assert front is not None
    names = {True: "earlier/fake", False: "this study"}
    assert front.rows["First tried in"].tolist() == [names["learned" in point] for point in front.data["point"]]
    assert "earlier/fake" in set(front.rows["First tried in"])
    assert "Learned from earlier studies, at no epoch of this one: 8 trials of earlier/fake." in front.caption
    said = f"{both / 'earlier/fake'}: 8 trials; 3 trials left out: of its confirm stage, which steers no search"
    assert dict(page.facts(results))["Learned from"] == said
    for draw in (fronts.front, fronts.search_front):
        figure = draw([results], get_style("web"))
        (ring,) = [trace for trace in figure.figure.data if trace.name == "first tried in earlier/fake"]
        assert len(ring.x) == (figure.data["origin"] != "").sum()
        assert "tried first by an earlier study" in figure.caption
    table = explored([results])
    origin = [one.name for one in table.columns].index("origin")
    assert [row[origin] for row in table.rows].count("earlier/fake") == 8
    assert len(table.rows) == 8 + len(results.trials)
    assert set(results.learned.loc[results.learned["baseline"], "trial_id"]) == {"learned-0000", "learned-0001"}
    assert not uncompared(dataclasses.replace(results, trials=results.stage(schema.SEARCH))).sets, "each arm is known"
    alone = load(both / "earlier/fake")
    assert alone.learned.empty
    assert "origin" not in searched(alone)

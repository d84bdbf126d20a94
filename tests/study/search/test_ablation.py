"""Which path the stage takes, whom it leads to, and what stays on record; journals of a study that trained nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from study import schema
from study.record.journal import Journal
from study.schema import UserError
from study.search import ablation, believing
from study.settings.config import StudyConfig
from tests.helpers.engine_helpers import TO_ABLATE, make_study


def study_with(**ablate) -> StudyConfig:
    return make_study(**TO_ABLATE, ablate=ablate)


@pytest.fixture
def journal(confirmed: Path, tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(shutil.copytree(confirmed, tmp_path / "fake"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def believed(confirmed: Path):
    opened = Journal(confirmed)
    yield believing.look(study_with(), opened)
    opened.close()


def confirmed_means(journal: Journal) -> dict[str, float]:
    ends = journal.final_ends(schema.CONFIRM)
    return {e["point"]: sum(o["metrics"]["accuracy"] for o in ends if o["point"] == e["point"]) / 2 for e in ends}


def test_it_leads_from_the_first_baseline_to_the_most_accurate_confirmed_point(journal, believed) -> None:
    path = ablation.choose(study_with(), journal, believed)
    means = confirmed_means(journal)
    best = max(means, key=means.get)
    assert path["steps"][0]["label"] == "none t=0.2"
    assert path["steps"][-1]["points"][0] == best
    assert f"{means[best]:.2f} % (n = 2)" in path["why"]
    assert (path["seeds"], path["epochs"], path["without"]) == ([1, 2], 9, None)
    for step in path["steps"]:
        assert step["points"][-1] == ablation.own_point(step["params"])
        assert set(step["believed"]) == set(schema.BAND)


def test_each_step_is_the_one_that_the_model_expects_most_of(journal, believed) -> None:
    """Of all next points, which are asked for one by one here."""
    from study.search.path import moves

    path = ablation.choose(study_with(**{"from": "kmclr k=50 t=0.4"}), journal, believed)
    target = path["steps"][-1]["params"]
    assert len(path["steps"]) >= 3
    for before, after in zip(path["steps"], path["steps"][1:], strict=False):
        options = [step.params for step in moves(study_with(), before["params"], target)]
        eyes = ablation._Eyes(study_with(), believed.belief, target)
        expected = [eyes.expected(point)["accuracy"] for point in options]
        assert after["params"] == options[max(range(len(options)), key=expected.__getitem__)]


def test_a_search_that_has_confirmed_nothing_gives_its_best_trial(journal, believed) -> None:
    for name in [name for name, end in journal.ends.items() if end["stage"] == schema.CONFIRM]:
        del journal.ends[name]
    best = max(journal.final_ends(schema.SEARCH), key=lambda end: end["metrics"]["accuracy"])
    path = ablation.choose(study_with(), journal, believed)
    assert path["steps"][-1]["params"] == best["params"]
    assert path["why"].startswith("the most accurate trial of the search on validation")
    for end in journal.ends.values():
        end["status"] = schema.STOPPED
    with pytest.raises(UserError, match="no search trial has completed"):
        ablation.choose(study_with(), journal, believed)


@pytest.mark.parametrize("name", ["search-0005", "a label", "confirm"])
def test_a_trial_is_named_by_its_id_its_label_or_a_trial_that_confirms_it(journal, believed, name: str) -> None:
    end = journal.ends["search-0005"]
    if name == "a label":
        name = f"  {end['label']} "
    if name == "confirm":
        confirmed = journal.final_ends(schema.CONFIRM)[0]
        name, end = confirmed["trial_id"], journal.ends[confirmed["point"]]
    path = ablation.choose(study_with(to=name, **{"from": "kmclr"}), journal, believed)
    assert path["steps"][-1]["params"] == end["params"]
    assert path["why"] == f"{end['trial_id']}, as asked for"


def test_what_cannot_be_meant_is_one_line_with_the_way_out(journal, believed) -> None:
    for ablate, said in (
        (
            {"to": "search-05"},
            r"ablate\.to is 'search-05', no trial of the search; did you mean '.*On the front: search-",
        ),
        ({"to": "z" * 180}, r"ablate\.to is 'z+.*, no trial of the search\. On the front"),
        ({"to": "search-0000"}, r"begins and ends at none t=0\.2 \(search-0000, as asked for\): name another"),
        ({"seeds": [0, 4]}, r"ablate\.seeds \[0, 4\] holds the seed of the search"),
    ):
        with pytest.raises(UserError, match=said) as raised:
            ablation.choose(study_with(**ablate), journal, believed)
        assert "\n" not in str(raised.value)
        assert len(str(raised.value)) < 700


def test_without_a_model_the_order_is_that_of_the_space(journal, believed) -> None:
    blind = believed._replace(belief=None, without="1 trials have reported")
    for found, why in ((None, "it could not be fitted"), (blind, "1 trials have reported")):
        path = ablation.choose(study_with(**{"from": "kmclr"}), journal, found)
        assert path["without"] == why
        assert all("believed" not in step for step in path["steps"])
        assert f"without a model: {why}" in ablation.in_words(path)[0]


def test_a_choice_that_the_space_no_longer_has_is_looked_at_as_the_target_s(journal, believed) -> None:
    study = study_with(**{"from": "kmclr"})
    narrow = study.model_copy(update={"space": {**study.space, "method": ("kmclr", "nnclr")}})
    eyes = ablation._Eyes(narrow, believed.belief, {"method": "kmclr", "k": 60, "temperature": 0.2})
    assert eyes.expected({"method": "none", "temperature": 0.2}) is None  # it has no k to be looked at with
    assert eyes.best([{"method": "none", "temperature": 0.2}, {"method": "kmclr", "k": 60, "temperature": 0.4}]) == 1
    assert eyes.best([{"method": "none", "temperature": 0.2}]) == 0


# --- on record ---
def trained(journal: Journal, path, seeds=(1, 2), stop: int | None = None) -> None:
    """Write the ends of the path's trials, or of the first of them."""
    for task in ablation.tasks(study_with(seeds=list(seeds)), journal, [path])[:stop]:
        end = dict(next(iter(journal.ends.values())), stage=schema.ABLATE, point=task.point, status=schema.COMPLETED)
        end |= {name: getattr(task, name) for name in ("trial_id", "number", "seed", "label", "method")}
        journal.append_end(end | {"params": dict(task.params)})


def never() -> None:
    raise AssertionError("the model was asked")


def test_confirmed_seeds_are_not_trained_again_and_new_ones_are(journal, believed) -> None:
    path = ablation.choose(study_with(), journal, believed)
    tasks = ablation.tasks(study_with(), journal, [path])
    inner = [step["label"] for step in path["steps"][1:-1]]
    assert [(task.seed, task.label) for task in tasks] == [(seed, label) for seed in (1, 2) for label in inner]
    assert [task.number for task in tasks] == list(range(len(tasks)))
    assert {(task.max_epochs, task.stage) for task in tasks} == {(9, schema.ABLATE)}
    more = study_with(seeds=[2, 7])
    seeds = [(task.seed, task.label) for task in ablation.tasks(more, journal, [{**path, "seeds": [2, 7]}])]
    labels = [step["label"] for step in path["steps"]]
    assert seeds == [(2, label) for label in inner] + [(7, label) for label in labels]
    journal.ends["confirm-0000-1"]["status"] = schema.DIVERGED
    assert (1, "none t=0.2") in [(t.seed, t.label) for t in ablation.tasks(study_with(), journal, [path])]
    other = {**path, "epochs": 5}
    assert len(ablation.tasks(study_with(), journal, [other])) == 2 * len(path["steps"])


def test_a_path_in_the_middle_stays_whatever_the_search_learns(journal, believed) -> None:
    path = ablation.current(study_with(), journal, lambda: believed)
    assert ablation.on_record(journal.folder) == [path]
    trained(journal, path, stop=1)
    better = dict(journal.ends["search-0005"], trial_id="search-0099", number=99)
    journal.append_end(better | {"metrics": {"accuracy": 99.0, "support_bytes": 1}})
    assert ablation.current(study_with(), journal, never) == path
    trained(journal, path)
    assert ablation.is_whole(journal, path)
    after = ablation.current(study_with(), journal, lambda: believed)  # the search has one trial more
    assert after["searched"] == path["searched"] + 1
    assert [p["searched"] for p in ablation.on_record(journal.folder)] == [after["searched"]]
    assert ablation.current(study_with(), journal, never) == after


def test_more_seeds_are_trained_on_the_same_path(journal, believed) -> None:
    path = ablation.current(study_with(), journal, lambda: believed)
    trained(journal, path)
    more = ablation.current(study_with(seeds=[1, 2, 3]), journal, never)
    assert more == {**path, "seeds": [1, 2, 3]}
    assert {
        task.seed for task in ablation.tasks(study_with(), journal, [more]) if not journal.ended(task.trial_id)
    } == {3}


def test_paths_share_their_points_and_the_newest_is_the_last(journal, believed) -> None:
    one = ablation.current(study_with(), journal, lambda: believed)
    trained(journal, one)
    two = ablation.current(study_with(**{"from": "kmclr"}), journal, lambda: believed)
    assert ablation.on_record(journal.folder) == [one, two]
    every = ablation.tasks(study_with(), journal, [one, two])
    assert len({task.trial_id for task in every}) == len(every)
    numbers = {task.trial_id: task.number for task in every}
    assert all(numbers[end["trial_id"]] == end["number"] for end in journal.final_ends(schema.ABLATE))
    assert len(set(numbers.values())) == len(numbers)
    assert ablation.current(study_with(), journal, never) == one
    assert ablation.on_record(journal.folder) == [two, one]


def test_a_file_of_another_shape_is_named(journal, believed) -> None:
    path = ablation.current(study_with(), journal, lambda: believed)
    place = journal.folder / schema.ABLATION_FILE
    whole = json.loads(place.read_text())
    for harmed, said in (
        ({**whole, "paths": [{**path, "steps": [{"label": "x"}]}]}, r"ablation\.json: .*steps.*points"),
        ({**whole, "schema": 99}, "schema"),
        ([], "ablation"),
    ):
        place.write_text(json.dumps(harmed))
        with pytest.raises(UserError, match=said):
            ablation.on_record(journal.folder)
    place.write_text("{")
    with pytest.raises(UserError, match=r"ablation\.json:1: not JSON .*remove it; --stage ablate writes it anew"):
        ablation.on_record(journal.folder)


def test_a_point_is_known_by_its_settings() -> None:
    assert ablation.own_point({"k": 5, "method": "kmclr"}) == ablation.own_point({"method": "kmclr", "k": 5})
    assert ablation.own_point({"k": 5}) != ablation.own_point({"k": 6})

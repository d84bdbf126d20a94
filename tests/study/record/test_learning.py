"""What a study copies of earlier ones, and what a folder makes of it when the study goes on."""

from __future__ import annotations

import pytest

from study import schema
from study.record import earlier, learning
from study.record.journal import Journal
from study.record.learned import as_end, as_reports
from tests.helpers.engine_helpers import make_study
from tests.helpers.learning_inputs import POINTS, earlier_study, end_of, gathered, learned_lines
from trainables.files import DamagedFile

FOUND = {"name": "fake", "fingerprint": "1"}


@pytest.fixture
def journal(tmp_path):
    made = Journal(tmp_path / "fake")
    yield made
    made.close()


def reopened(journal: Journal) -> Journal:
    journal.close()
    journal.__init__(journal.folder)
    return journal


def test_a_line_is_a_trial_of_this_search(monkeypatch) -> None:
    first, *_, last = learned_lines(monkeypatch, make_study())
    assert (first["trial_id"], first["of"], first["folder"]) == ("learned-0000", "search-0000", "results/a")
    assert first["label"] == "kmclr k=50 t=0.2"
    assert [sorted(report) for report in last["reports"]] == [["accuracy", "epoch", "support_bytes"]]
    end = as_end(first)
    assert set(end) == {*schema.TRIAL_FIELDS} - {"schema"}
    assert (end["stage"], end["point"], end["status"]) == (schema.SEARCH, None, schema.COMPLETED)
    reports = as_reports(first)
    assert [report["epoch"] for report in reports] == [*range(1, 10)]
    assert reports[-1]["accuracy"] == end["metrics"]["accuracy"]


def test_of_several_trials_of_a_point_a_completed_one_counts(monkeypatch) -> None:
    one = earlier_study([end_of(0, POINTS[0], schema.STOPPED), end_of(1, POINTS[1])], "results/a")
    other = earlier_study([end_of(0, POINTS[1]), end_of(1, POINTS[0]), end_of(2, POINTS[2])], "results/b")
    first, second = gathered(monkeypatch, make_study(), one, other)
    assert [line["of"] for line in first.lines] == ["search-0001"]
    assert [line["of"] for line in second.lines] == ["search-0001", "search-0002"]
    assert first.words == "Learned from results/a: 1 trial; 1 trial left out: a point of which another trial counts"
    (alone,) = gathered(monkeypatch, make_study(), one, taken=[])
    assert len(alone.lines) == 2


def test_reasons_are_grouped_and_the_confirm_stage_is_left_out(monkeypatch) -> None:
    ends = [end_of(n, {**POINTS[3], "k": k}) for n, k in enumerate((100, 300, 400, 500))]
    ends += [end_of(9, POINTS[0], stage=schema.CONFIRM, point="search-0000", trial_id="confirm-0000-1")]
    study = make_study(space={"method": ("kmclr",), "temperature": (0.1,), "k": {"low": 90, "high": 200}}, baselines=())
    found = earlier_study(ends)
    found.reports["search-0007"] = [{"epoch": 1, "stage": schema.SEARCH}]
    (learned,) = gathered(monkeypatch, study, found)
    assert learned.note["learned"] == 1
    assert learned.note["left_out"] == [
        {"trials": 3, "why": "k 300 to 500, outside 90 to 200, the space here"},
        {"trials": 1, "why": "of its confirm stage, which steers no search"},
        {"trials": 1, "why": "has not ended"},
    ]


# --- in a folder ---
def settled(monkeypatch, journal, record, study, *ends, folder="results/a"):
    monkeypatch.setattr(earlier, "check", lambda folders, own: None)
    monkeypatch.setattr(earlier, "fingerprint_of", lambda name: "abc")
    monkeypatch.setattr(earlier, "read", lambda name: earlier_study(list(ends), name))
    return learning.settle(study, journal, record, FOUND, ())


def study_of(*folders: str, **changes):
    return make_study(search={"trials": 8, "learn_from": folders}, **changes)


ENDS = [end_of(0, POINTS[0]), end_of(1, POINTS[1])]


def test_what_was_learned_is_read_back_and_learned_once(monkeypatch, journal) -> None:
    record: dict = {}
    assert settled(monkeypatch, journal, record, study_of("results/a"), *ENDS) == ["Learned from results/a: 2 trials"]
    before = journal.learned
    assert reopened(journal).learned == before
    assert settled(monkeypatch, journal, record, study_of("results/a"), end_of(2, POINTS[2])) == []
    assert journal.learned == before
    assert settled(monkeypatch, journal, {}, make_study()) == []


def test_a_folder_that_is_added_brings_points_that_are_not_known(monkeypatch, journal) -> None:
    record: dict = {}
    settled(monkeypatch, journal, record, study_of("results/a"), *ENDS)
    told = settled(monkeypatch, journal, record, study_of("results/b", "results/a"), *ENDS, end_of(2, POINTS[2]))
    assert told == ["Learned from results/b: 1 trial; 2 trials left out: a point of which another trial counts"]
    assert [line["trial_id"] for line in journal.learned] == [f"learned-{n:04d}" for n in range(3)]
    assert [note["folder"] for note in record["learned"]] == ["results/a", "results/b"]


def test_a_kill_before_the_manifest_had_it(monkeypatch, journal) -> None:
    settled(monkeypatch, journal, {}, study_of("results/a"), *ENDS)
    before, record = journal.learned, dict[str, list]()
    assert len(settled(monkeypatch, journal, record, study_of("results/a"), *ENDS)) == 1
    assert journal.learned == before
    assert record["learned"][0]["learned"] == 2


@pytest.mark.parametrize(("now", "said"), [(None, "is not there any more"), ("xyz", "has changed since it was read")])
def test_a_folder_that_has_gone_or_changed_is_named(monkeypatch, journal, now, said) -> None:
    record: dict = {}
    settled(monkeypatch, journal, record, study_of("results/a"), *ENDS)
    monkeypatch.setattr(earlier, "fingerprint_of", lambda name: now)
    told = learning.settle(study_of("results/a"), journal, record, FOUND, ())
    assert told == [f"results/a {said}; what was learned from it stays as it is on record (2 trials)"]


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_lost_lines_are_read_again_or_named(monkeypatch, journal, harm) -> None:
    record: dict = {}
    settled(monkeypatch, journal, record, study_of("results/a"), *ENDS)
    path = journal.folder / schema.LEARNED_FILE
    whole = path.read_bytes()

    def spoil() -> None:
        if harm == "gone":
            path.unlink()
        else:
            path.write_bytes(whole.replace(b'"k": 50', b'"k": 51'))
        reopened(journal)

    spoil()
    assert len(journal.learned) < 2
    assert any(schema.LEARNED_FILE in line for line in journal.damage)
    settled(monkeypatch, journal, record, study_of("results/a"), *ENDS)
    assert path.read_bytes() == whole
    spoil()
    monkeypatch.setattr(earlier, "fingerprint_of", lambda name: None)
    with pytest.raises(DamagedFile, match=r"learned.jsonl: lines are lost that stand nowhere else any more"):
        learning.settle(study_of("results/a"), journal, record, FOUND, ())


def test_a_seed_of_learned_trials_does_not_confirm(monkeypatch, journal) -> None:
    record: dict = {}
    settled(monkeypatch, journal, record, study_of("results/a"), end_of(0, POINTS[0], seed=3))
    study = study_of("results/a", confirm={"seeds": [1, 3]})
    with pytest.raises(schema.UserError, match=r"confirm.seeds holds 3, the seed of trials learned from results/a"):
        settled(monkeypatch, journal, record, study, end_of(0, POINTS[0], seed=3))


# --- wrong folders ---
def test_wrong_folders_are_one_line(tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    study = tmp_path / "study"
    study.mkdir()
    for name in (schema.MANIFEST_FILE, schema.STUDY_FILE):
        (study / name).write_text("{}")
    cases = {
        (tmp_path / "nowhere",): "not there; give results folders",
        (tmp_path / "file",): "not a folder; give results folders",
        (tmp_path / "empty",): "has no manifest.json, so it is not the results folder of a study",
        (study, tmp_path / "empty" / ".." / "study"): "is named twice",
        (tmp_path / "own",): "is the folder of this study itself",
    }
    (tmp_path / "own").symlink_to(study)
    for folders, said in cases.items():
        own = study if folders[0].name == "own" else tmp_path / "new"
        with pytest.raises(schema.UserError, match=rf"^search.learn_from: .*{said}") as caught:
            earlier.check(list(map(str, folders)), own)
        assert "\n" not in str(caught.value)
    earlier.check([str(study)], tmp_path / "new")

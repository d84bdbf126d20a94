"""What a budget keeps for the confirm stage, with a clock that the test turns."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from study import runner, schema
from study.record.budget import Budget
from study.record.journal import Journal
from study.record.recorder import Recorder
from study.search import reserve, stages
from study.search.reserve import Reserve, makespan
from tests.helpers import fake_trainable
from tests.helpers.engine_helpers import lines, make_study, run_fake
from tests.helpers.record_helpers import BOTH
from tests.helpers.without_ray import study_in_this_process

CONFIRM = {"seeds": [1, 2], "max_points": 3}
EPOCH_S = 100.0


class Study:
    """A study of trials that take EPOCH_S an epoch, in a folder, with a clock that stands still between them."""

    def __init__(self, folder: Path, **changes: object) -> None:
        changes = {"confirm": CONFIRM, "scheduler": {"name": "none"}, **changes}
        self.config = make_study(**changes)
        self.seconds = 0.0
        self.journal = Journal(folder)
        self.recorder = Recorder(self.journal, BOTH, 0.5, clock=lambda: self.seconds)
        self.budget = Budget(self.config.budget, self.recorder, 0.0, clock=lambda: self.seconds)
        self.places = 1
        self.reserve = Reserve(self.config, self.journal, self.budget, concurrent=lambda: self.places)

    def train(self, number: int, accuracy: float, k: int, epochs: int = 9, baseline: bool = False) -> None:
        task = stages.search_task(self.config, number, {"method": "kmclr", "k": k}, baseline)
        self.recorder.start(task)
        for epoch in range(1, epochs + 1):
            self.seconds += EPOCH_S
            self.recorder.report(task, {"epoch": epoch, "accuracy": accuracy, "support_bytes": 1024 * k})
        self.recorder.end(task, schema.COMPLETED if epochs == 9 else schema.STOPPED)


@pytest.fixture
def made(tmp_path: Path):
    made: list[Study] = []

    def make(**changes: object) -> Study:
        made.append(Study(tmp_path / str(len(made)), **changes))
        return made[-1]

    (tmp_path / "0").mkdir()
    (tmp_path / "1").mkdir()
    yield make
    for one in made:
        one.journal.close()


def test_makespan() -> None:
    assert makespan([3, 3, 3, 3, 3], 2) == 9
    assert makespan([5, 1, 1, 1], 2) == 5
    assert makespan([4.0], 8) == 4


def test_the_need_is_that_of_the_points_that_would_be_confirmed_now(made) -> None:
    study = made(budget={"epochs": 1000})
    assert study.reserve.needed() is None
    study.train(0, 50.0, 10)
    study.train(1, 40.0, 20)  # dominated
    study.train(2, 60.0, 30, epochs=3)  # stopped: no point of the front
    needed = study.reserve.needed()
    assert needed.epochs == 2 * 2 * 9  # one point and one that may come, two seeds
    assert needed.held_h == pytest.approx(reserve.MARGIN * 2 * 2 * (9 + reserve.TEST_EPOCHS) * EPOCH_S / 3600)
    assert needed.wall_h == pytest.approx(needed.held_h + reserve.MARGIN * reserve.BEGIN_S / 3600)
    study.train(3, 60.0, 40)
    study.train(4, 62.0, 50)
    assert study.reserve.needed().epochs == 2 * 3 * 9  # no more than that
    study.train(5, 10.0, 90, baseline=True)  # on no front, but confirmed
    study.places = 2
    needed = study.reserve.needed()
    assert needed.epochs == 2 * 4 * 9
    assert needed.wall_h == pytest.approx(needed.held_h / 2 + reserve.MARGIN * reserve.BEGIN_S / 3600)


def test_what_a_model_will_choose_counts_with_as_many_points_as_it_may_take(made) -> None:
    study = made(budget={"epochs": 1000}, confirm={**CONFIRM, "choose": "model"})
    for number in range(5):
        study.train(number, 50.0 - number, 10 + number)
    assert study.reserve.needed().epochs == 2 * 3 * 9


def test_confirm_trials_that_have_begun_are_not_needed_again(made) -> None:
    study = made(budget={"epochs": 1000})
    study.train(0, 50.0, 10)
    tasks = stages.confirm_tasks(study.config, study.journal.final_ends(schema.SEARCH))
    for task, epochs in zip(tasks, (9, 4), strict=True):
        study.recorder.start(task)
        for epoch in range(1, epochs + 1):
            study.recorder.report(task, {"epoch": epoch, "accuracy": 50.0, "support_bytes": 1})
    study.recorder.end(tasks[0], schema.COMPLETED)
    assert study.reserve.needed().epochs == 9 - 4 + 2 * 9


@pytest.mark.parametrize(
    ("name", "limit", "more", "kept"),
    [
        ("epochs", 9 + 9 + 36 + 2, 1, "36 epochs"),
        ("wall_clock_h", (2 * 900 + 1.1 * 4005) / 3600 - 1e-9, 0.001, "73 min"),
        ("gpu_hours", 0.5 * (2 * 900 + 1.1 * 4000) / 3600 - 1e-9, 0.001, "0.611 GPU-hours"),
    ],
)
def test_the_search_ends_when_the_rest_of_a_budget_is_what_confirming_takes(made, name, limit, more, kept) -> None:
    for enough, ends in ((limit, True), (limit + more, False)):
        study = made(budget={name: enough})
        study.train(0, 50.0, 10)
        assert study.reserve.reached() is None
        study.train(1, 40.0, 20)
        reason = study.reserve.reached()
        assert (reason is not None) is ends
        if ends:
            assert reason.startswith(f"budget.{name} (")
            assert f"the search ended with 2 of 8 trials, to keep the {kept} that the confirm stage" in reason


def test_nothing_is_kept_before_a_trial_has_completed_or_where_nobody_asks(made) -> None:
    study = made(budget={"epochs": 1})
    study.train(0, 50.0, 10, epochs=3)
    assert study.reserve.reached() is None
    study.train(1, 50.0, 10)
    assert study.reserve.reached() is not None
    for changes in (
        {"budget": {"epochs": 1, "reserve_for_confirm": False}},
        {"budget": {"epochs": 1}, "confirm": {"enabled": False}},
        {},
    ):
        config = make_study(**{"confirm": CONFIRM, **changes})
        other = Budget(config.budget, study.recorder, 0.0)
        assert Reserve(config, study.journal, other, concurrent=lambda: 1).reached() is None


# --- through the engine ---


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch):
    """The engine without Ray; an epoch takes EPOCH_S of a clock that nothing else moves."""
    study_in_this_process(monkeypatch)
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)  # commands as without uv
    seconds = [0.0]
    monkeypatch.setattr(runner, "Budget", partial(Budget, clock=lambda: seconds[0]))
    monkeypatch.setattr(runner, "Recorder", partial(Recorder, clock=lambda: seconds[0]))

    def sleep(_: float) -> None:
        seconds[0] += EPOCH_S

    monkeypatch.setattr(fake_trainable, "time", SimpleNamespace(sleep=sleep))
    return seconds


def ends_of(folder: Path, stage: str) -> list[dict]:
    return [end for end in lines(folder / schema.TRIALS_FILE) if end["stage"] == stage]


FEWER = {"confirm": {"seeds": [1], "max_points": 2}, "search": {"trials": 25, "startup_trials": 25}}
STUDY = {"confirm": {"seeds": [1], "max_points": 2}, "search": {"trials": 60, "startup_trials": 60}}


@pytest.mark.parametrize(
    ("scheduler", "budget"),
    [
        ("pareto_asha", {"epochs": 120}),
        ("pareto_asha", {"wall_clock_h": 120 * EPOCH_S / 3600}),
        ("none", {"wall_clock_h": 120 * EPOCH_S / 3600}),
        ("promote", {"epochs": 120}),
    ],
)
def test_a_budget_that_ends_in_the_search_still_confirms(
    engine, tmp_path: Path, capsys: pytest.CaptureFixture, budget: dict, scheduler: str
) -> None:
    study = make_study(**STUDY, budget=budget, scheduler={"name": scheduler, "grace_period": 3})
    assert run_fake(study, tmp_path) == 0
    folder, out = tmp_path / "fake", capsys.readouterr().out
    searched = [end for end in ends_of(folder, schema.SEARCH) if end["status"] != schema.INTERRUPTED]
    assert 1 <= len(searched) < 60
    confirmed = ends_of(folder, schema.CONFIRM)
    assert confirmed
    assert {end["status"] for end in confirmed} == {schema.COMPLETED}
    assert {e["point"] for e in confirmed} == {e["trial_id"] for e in stages.confirm_points(
        searched, study.objectives, 2, per_method=True)}  # fmt: skip
    spent = len(lines(folder / schema.REPORTS_FILE))
    assert 80 < spent <= 120  # what was kept is what it took, not much more
    name = next(iter(budget))
    assert f"budget.{name} (" in out
    assert f"the search ended with {len(searched)} of 60 trials, to keep the " in out
    twice = f"budget.{name}={2 * budget[name]:.12g}"
    assert f"Raised, the search goes on with: python run_study.py fake.yaml --resume --set {twice}" in out
    record = schema.read_manifest(folder)
    assert record["status"] == "finished"
    assert record["sessions"][0]["reason"] == record["sessions"][0][schema.EARLY]["reason"]


def test_without_it_the_search_takes_all(engine, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    study = make_study(**STUDY, budget={"epochs": 60, "reserve_for_confirm": False})
    assert run_fake(study, tmp_path) == 0
    assert ends_of(tmp_path / "fake", schema.CONFIRM) == []
    assert "budget.epochs (60) reached: stopped in the search stage" in capsys.readouterr().out


def test_a_larger_budget_goes_on_with_the_search_and_the_same_one_does_not(engine, tmp_path: Path) -> None:
    folder = tmp_path / "fake"
    assert run_fake(make_study(**FEWER, budget={"epochs": 70}), tmp_path) == 0
    before = lines(folder / schema.REPORTS_FILE)
    assert run_fake(make_study(**FEWER, budget={"epochs": 70}), tmp_path, resume=True) == 0
    assert lines(folder / schema.REPORTS_FILE) == before
    assert run_fake(make_study(**FEWER, budget={"epochs": 5000}), tmp_path, resume=True) == 0
    searched = [end for end in ends_of(folder, schema.SEARCH) if end["status"] != schema.INTERRUPTED]
    assert len(searched) == 25
    points = stages.confirm_points(
        searched, make_study().objectives, 2, {e["point"] for e in ends_of(folder, schema.CONFIRM)}, per_method=True
    )
    confirmed = [end["point"] for end in ends_of(folder, schema.CONFIRM)]
    assert sorted(confirmed) == sorted(e["trial_id"] for e in points)
    assert schema.read_manifest(folder)["sessions"][-1]["reason"] == "done"


def test_interrupted_while_it_confirms_it_goes_on_with_confirming(
    engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(**STUDY, budget={"epochs": 120})
    begun = Recorder.start

    def stop(recorder: Recorder, task) -> None:
        if task.stage == schema.CONFIRM:
            raise KeyboardInterrupt
        begun(recorder, task)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "start", stop)
        with pytest.raises(KeyboardInterrupt):
            run_fake(study, tmp_path)
    folder = tmp_path / "fake"
    searched = ends_of(folder, schema.SEARCH)
    assert ends_of(folder, schema.CONFIRM) == []
    assert run_fake(study, tmp_path, resume=True) == 0
    assert ends_of(folder, schema.SEARCH) == searched
    assert ends_of(folder, schema.CONFIRM)


def test_one_stage_alone_keeps_its_part_too(engine, tmp_path: Path) -> None:
    study = make_study(**STUDY, budget={"epochs": 60})
    assert run_fake(study, tmp_path, stage=schema.SEARCH) == 0
    assert 0 < len(ends_of(tmp_path / "fake", schema.SEARCH)) < 60
    assert run_fake(study, tmp_path, stage=schema.CONFIRM, resume=True) == 0
    assert {end["status"] for end in ends_of(tmp_path / "fake", schema.CONFIRM)} == {schema.COMPLETED}

"""docs/extending.md, followed: the parts of a study (not of a run) that it has, each in a study of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import optuna
import pytest

import run_study
from analysis.__main__ import main as analysis_main
from study import schema
from tests.helpers import extending
from tests.helpers.engine_helpers import lines
from tests.helpers.extending import change, run

SMALL = {
    "data": {"name": "digits", "train_limit": 60, "validation_per_class": 5},
    "train": {"epochs": 2, "batch_size": 30},
    "support": None,
    "encoder": {"name": "small_conv", "width": 4},
    "space": {"method": ["none", "kmclr"], "k": {"low": 4, "high": 30}},
    "confirm": {"enabled": False},
}
"""What makes the study of the page one that takes no time."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    yield from extending.place(tmp_path, monkeypatch)


def drawn(out: str) -> list[dict]:
    return [line["params"] for line in lines(Path(out, "own", schema.DRAWS_FILE))]


def test_a_sampler_draws_also_after_a_stop_what_it_would_have_drawn(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search = {**extending.part("search")["search"], "trials": 7, "options": {"explore": 0.3}}
    change(place, **SMALL, search=search)
    ways = ("--allow-code", "--stage", "search", "--set", "scheduler.name=none")
    assert run(*ways, "--out", "whole") == 0
    assert run(*ways, "--out", "parts", "--set", "budget.epochs=5") == 0
    Path("parts/own", schema.OPTUNA_FILE).unlink()
    assert run(*ways, "--out", "parts", "--resume") == 0
    assert drawn("parts") == drawn("whole")
    best = max(lines(Path("whole/own", schema.TRIALS_FILE))[:6], key=lambda end: end["metrics"]["accuracy"])
    assert any(params["method"] == best["params"]["method"] for params in drawn("whole")[-1:])
    parts = schema.read_manifest(Path("whole/own"))["own"]["parts"]
    assert parts == {"search.sampler": "mypkg.search:NearTheBest"}
    assert run(*ways, "--out", "whole", "--resume", "--set", "search.options.explore=0.9") == 0
    assert "Changed since the last session: search.options.explore: 0.3 -> 0.9" in capsys.readouterr().out


def test_a_tracker_is_told_of_every_epoch_and_end(place: Path) -> None:
    change(place, **SMALL, **extending.part("tracking"), search={"trials": 2})
    assert run("--allow-code", "--stage", "search", "--set", "scheduler.name=none", "--set", "budget.epochs=3") == 0
    other = "tracking.options.file=other.tsv"
    assert run("--allow-code", "--stage", "search", "--set", "scheduler.name=none", "--resume", "--set", other) == 0
    folder = place / "results/own"
    first, second = (
        [row.split("\t") for row in (folder / name).read_text().splitlines()] for name in ("epochs.tsv", "other.tsv")
    )
    told = [
        [line["trial_id"], *(str(line[name]) for name in ("epoch", "accuracy", "support_bytes"))]
        for line in lines(folder / schema.REPORTS_FILE)
    ]
    assert [row for row in (*first, *second) if row[1].isdigit()] == told
    assert [row[0] for row in first if row[1] == "begins"] == ["search-0000", "search-0001"]
    assert second[-1] == ["search-0001", "completed", "2"]


def stopped_and_resumed(*changes: str) -> tuple[Path, Path]:
    """The folders of an undisturbed search, and of one that a budget has ended and that was resumed twice."""
    ways = ("--allow-code", "--stage", "search", *(word for one in changes for word in ("--set", one)))
    assert run(*ways, "--out", "whole") == 0
    for number, epochs in enumerate((4, 7, 99)):
        again = ["--resume"] if number else []
        assert run(*ways, "--out", "parts", "--set", f"budget.epochs={epochs}", *again) == 0
    return Path("whole/own"), Path("parts/own")


def test_a_scheduler_that_stops_decides_after_a_stop_as_it_would_have(place: Path) -> None:
    change(place, **{**SMALL, "train": {"epochs": 3, "batch_size": 30}}, **extending.part("scheduler"))
    folders = stopped_and_resumed("search.trials=6")
    found = [{e["trial_id"]: (e["status"], e["epochs"]) for e in lines(f / schema.TRIALS_FILE)} for f in folders]
    assert found[0] == found[1]
    reports = lines(folders[0] / schema.REPORTS_FILE)
    for epoch in (1, 2):
        seen: list[float] = []
        for line in (one for one in reports if one["epoch"] == epoch):
            seen.append(line["accuracy"])
            ended = found[0][line["trial_id"]] == ("stopped", epoch)
            assert ended == (line["accuracy"] < median(seen))
    assert {status for status, _ in found[0].values()} == {"stopped", "completed"}
    assert schema.read_manifest(folders[0])["rungs"] == [1, 2]


def test_a_scheduler_that_pauses_has_the_turns_after_a_stop_that_it_would_have_had(place: Path) -> None:
    change(place, **SMALL, scheduler={"name": "mypkg.rules:Finals", "options": {"places": 2}})
    folders = stopped_and_resumed("search.trials=5")
    turns = [[(line["number"], line["turn"], line["until"]) for line in lines(f / schema.TURNS_FILE)] for f in folders]
    assert turns[0] == turns[1]
    first = {line["number"]: line["accuracy"] for line in lines(folders[0] / schema.REPORTS_FILE) if line["epoch"] == 1}
    best = sorted(first, key=lambda number: -first[number])[:2]
    assert turns[0] == [*((number, 0, 1) for number in range(5)), *((number, 1, 2) for number in best)]
    ends = {e["number"]: e["status"] for e in lines(folders[1] / schema.TRIALS_FILE) if e["status"] != "interrupted"}
    assert ends == {number: "completed" if number in best else "stopped" for number in range(5)}


def test_an_objective_is_measured_searched_for_confirmed_and_reported(place: Path, monkeypatch) -> None:
    monkeypatch.setattr(
        run_study, "report", lambda *_, **__: None
    )  # made below, by a process that does not know the code
    own = {**extending.part("objectives"), "confirm": {"seeds": [1, 2], "max_points": 1, "linear_epochs": 1}}
    own["tracking"] = {"wandb": "disabled", "tensorboard": True}
    change(place, **{**SMALL, **own}, search={"trials": 3}, scheduler={"name": "none"})
    assert run("--allow-code", "--stage", "search", "--set", "budget.epochs=3") == 0
    assert run("--allow-code", "--resume") == 0
    folder = place / "results/own"
    ends = lines(folder / schema.TRIALS_FILE)
    for line in (
        *lines(folder / schema.REPORTS_FILE),
        *(end["metrics"] for end in ends if end["status"] == "completed"),
    ):
        assert 0 < line["top_share"] <= 100
    assert {end["stage"] for end in ends} == {"search", "confirm"}
    told = optuna.load_study(study_name=None, storage=f"sqlite:///{folder / schema.OPTUNA_FILE}")
    done = {
        end["trial_id"]: end["metrics"] for end in ends if end["stage"] == "search" and end["status"] == "completed"
    }
    assert {trial.values[1] for trial in told.get_trials()} == {metrics["top_share"] for metrics in done.values()}
    events = b"".join(path.read_bytes() for path in folder.glob("tensorboard/*/events*"))
    assert b"top_share" in events
    assert "switched off" not in (folder / "tracking.log").read_text()
    code = "import sys, analysis.__main__ as a; a.main([sys.argv[1], '--images', 'none', '--x', 'top_share'])"
    code += "; assert 'mypkg' not in sys.modules"
    ways = {"env": {"PYTHONPATH": str(extending.ROOT)}, "capture_output": True, "text": True}
    assert subprocess.run([sys.executable, "-c", code, str(folder)], **ways).stderr == ""
    assert "Variance in one direction" in (folder / "report.html").read_text()
    assert "| Variance in one direction |" in (folder / "tables/front.md").read_text()


@pytest.mark.parametrize("value", ["float('nan')", "None"])
def test_an_objective_without_a_value_ends_its_trial(place: Path, value: str) -> None:
    code = "class Odd:\n    title, unit, sense = 'Odd', '', 'max'\n    def __init__(self, options): ...\n"
    (place / "mypkg" / "odd.py").write_text(code + f"    def measure(self, trial):\n        return {value}\n")
    change(place, **SMALL, objectives={"accuracy": "max", "mypkg.odd:Odd": "max"}, search={"trials": 1})
    assert run("--allow-code", "--stage", "search", "--set", "scheduler.name=none") == 0
    (end,) = lines(place / "results/own" / schema.TRIALS_FILE)
    assert end["status"] == ("failed" if value == "None" else "diverged")
    if value == "None":
        assert end["error"] == "UserError: measure.name (mypkg.odd:Odd): measure gave NoneType, no number"


def test_a_figure_is_drawn_where_the_file_or_the_command_names_it_or_it_is_installed(
    place: Path, monkeypatch, capsys
) -> None:
    asked = []
    monkeypatch.setattr(run_study, "report", lambda *arguments: asked.append(arguments))
    change(place, **SMALL, **extending.part("report"), search={"trials": 2})
    assert run("--allow-code", "--set", "scheduler.name=none") == 0
    name, folder = "mypkg.figures:accuracy_by_trial", place / "results/own"
    assert asked == [(Path("results/own"), True, (name,), True)]
    drawn = folder / "figures/accuracy_by_trial.csv"
    draw = [str(folder), "--images", "none"]
    assert analysis_main([*draw, "--figure", name]) == 2
    assert "--figure is mypkg.figures:accuracy_by_trial: code of your own" in capsys.readouterr().err
    assert analysis_main([*draw, "--figure", "mypkg.figures:go", "--allow-code"]) == 2
    assert "--figure: mypkg.figures:go is no class or function; name that of a figure" in capsys.readouterr().err
    assert analysis_main([*draw, "--figure", "mypkg.figures:colour", "--allow-code"]) == 2
    assert "mypkg.figures:colour is no figure: it must take (results, style)" in capsys.readouterr().err
    assert analysis_main(draw) == 0  # the folder's study.yaml names it
    assert not drawn.exists()
    assert analysis_main([*draw, "--figure", name, "--allow-code"]) == 0
    ends = lines(folder / schema.TRIALS_FILE)
    rows = [row.split(",") for row in drawn.read_text().splitlines()[1:]]
    assert {(row[0], float(row[2])) for row in rows} == {(e["method"], e["metrics"]["accuracy"]) for e in ends}
    page = (folder / "report.html").read_text()
    assert '<figure id="accuracy_by_trial"' in page
    assert "Accuracy of each completed trial of the search, in the order in which they began. One seed each." in page
    drawn.unlink()
    extending.install(place, "broken = mypkg.gone:figure")
    capsys.readouterr()
    assert analysis_main(draw) == 0
    assert drawn.exists()
    assert "figure broken: not drawn (UserError: --figure is mypkg.gone:figure, but there is no module mypkg.gone" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Draw(9)", "next_action gave Draw(until=9) with can_draw=True; return GoOn"),
        ("GoOn(0, 2)", "next_action gave GoOn(number=0, until=2) with can_draw=True"),
        ("'go'", "next_action gave 'go' with can_draw=True"),
    ],
)
def test_an_answer_that_cannot_be_followed_is_a_line(place: Path, capsys, answer: str, said: str) -> None:
    code = "from study.search.promotion import *\n\nclass Odd:\n    def __init__(self, spec): ...\n"
    code += f"    def next_action(self, trials, *, can_draw):\n        return {answer}\n"
    (place / "mypkg" / "odd.py").write_text(code)
    change(place, **SMALL, scheduler={"name": "mypkg.odd:Odd"})
    assert run("--allow-code", "--stage", "search") == 2
    assert f"scheduler.name (mypkg.odd:Odd): {said}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("search.sampler=tpee", "search.sampler is 'tpee', no sampler; did you mean 'tpe'? Known: front, grid, near"),
        ("tracking.tracker=tabel", "tracking.tracker is 'tabel', no tracker; did you mean 'table'? Known: table"),
        ("tracking.tracker=mypkg.track:Section", "mypkg.track:Section is no tracker: it has no start, report, end"),
        ("tracking={tracker: table, options: {fil: x}}", "tracking.options.fil is not a known setting; did you mean"),
        ("scheduler.name=medain", "scheduler.name is 'medain', no scheduler; did you mean 'median'? Known: asha, hy"),
        ("scheduler.name=mypkg.rules:Field", "mypkg.rules:Field has neither decide (whether a trial goes on) nor next"),
        ("scheduler={name: median, options: {first: 0}}", "scheduler.options.first must be greater than or equal to 1"),
        ("objectives={accuracy: max, top_shar: min}", "objectives.top_shar is no objective; did you mean 'top_share'?"),
        ("objectives={accuracy: max, top_share: max}", "objectives.top_share is max, but less of it is better; w"),
        ("objectives={accuracy: max, 'mypkg.measures:Field': min}", "is no measure: it has no title, unit, sense, mea"),
        ("measure={name: top_share, options: {images: 1}}", "measure.options.images must be greater than or equal to"),
        ("report.figures=[accuracy_by_tral]", "report.figures[0] is 'accuracy_by_tral', no figure; did you mean 'acc"),
        ("search.sampler=near_the_bst", "did you mean 'near_the_best'?"),
        ("search.sampler=mypkg.search:RandomSmpler", "mypkg.search has no RandomSmpler; did you mean 'RandomSampler'"),
        ("search.sampler=mypkg.search:Section", "is no sampler: it has no infer_relative_search_space, sample_rel"),
        ("search.sampler=mypkg.search:BaseSampler", "is no sampler: it has no infer_relative_search_space, sample_rel"),
        ("search={sampler: near_the_best, options: {explore: 2}}", "explore must be less than or equal to 1, got 2"),
        ("search={sampler: tpe, options: {explore: 1}}", "sampler names no sampler of your own that has options"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_line(place: Path, capsys: pytest.CaptureFixture, changed: str, said: str) -> None:
    extending.install(place)
    change(place, **SMALL)
    assert run("--plan", "--allow-code", "--set", changed) == 2
    found = capsys.readouterr().err
    assert said in found
    assert "Traceback" not in found
    assert len(found.splitlines()) == 1


@pytest.mark.parametrize(
    "changed",
    [
        "search.sampler=mypkg.search:NearTheBest",
        "scheduler.name=mypkg.rules:Median",
        "objectives={accuracy: max, 'mypkg.measures:TopShare': min}",
        "report.figures=['mypkg.figures:accuracy_by_trial']",
        "tracking.tracker=mypkg.track:Table",
    ],
)
def test_code_is_refused_without_the_flag(place: Path, capsys: pytest.CaptureFixture, changed: str) -> None:
    change(place, **SMALL)
    assert run("--plan", "--set", changed) == 2
    assert "add --allow-code, or install it as an entry point of kmclr_study." in capsys.readouterr().err
    assert "mypkg" not in sys.modules

"""Loading a results folder: what is there comes out as tables; what is broken is named by file and line."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import yaml

from analysis.results.load import load
from study import schema
from study.schema import UserError, files
from tests.helpers.synthetic_results import write_results


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_results(tmp_path / "k_sweep", trials=8, epochs=6, confirm_seeds=(1, 2))


def lines_of(path: Path) -> list[dict]:
    return [json.loads(row) for row in path.read_text().splitlines()]


def rewrite(path: Path, change, number: int) -> None:
    """Apply `change` to one line (from 1)."""
    lines = lines_of(path)
    change(lines[number - 1])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_tables_hold_what_the_files_hold(folder):
    results = load(folder)
    ends, reports = lines_of(folder / schema.TRIALS_FILE), lines_of(folder / schema.REPORTS_FILE)
    assert len(results.trials) == len(ends)
    assert len(results.reports) == len(reports)
    for end in ends:
        row = results.trials.set_index("trial_id").loc[end["trial_id"]]
        assert row["status"] == end["status"]
        assert row["p_method"] == end["params"]["method"]
        for name, value in end["metrics"].items():
            assert math.isnan(row[name]) if value is None else row[name] == value
    fields = set(schema.TRIAL_FIELDS) - {"params", "metrics"}
    assert fields | set(schema.REPORT_METRICS) | set(schema.TEST_METRICS) <= set(results.trials.columns)
    assert set(schema.REPORT_IDENTITY) | set(schema.REPORT_METRICS) <= set(results.reports.columns)
    assert (results.name, results.rehearsal, results.running) == ("k_sweep", False, False)


def test_parameters_that_do_not_apply_are_nan(folder):
    trials = load(folder).trials
    assert trials.loc[trials["method"] == "none", "p_k"].isna().all()
    assert trials.loc[trials["method"] == "kmclr", "p_k"].notna().all()


def test_reports_know_their_trials_method(folder):
    results = load(folder)
    expected = results.trials.set_index("trial_id")["method"]
    assert (results.reports["method"] == results.reports["trial_id"].map(expected)).all()


def test_gpu_hours_are_the_time_a_trial_held_its_process_times_the_share(folder, tmp_path):
    """Also of a trial that never reported."""
    trials, reports = folder / schema.TRIALS_FILE, folder / schema.REPORTS_FILE
    first, second, third = (line["trial_id"] for line in lines_of(trials)[:3])
    rewrite(trials, lambda line: line.update(wall_s=7200.0), 1)
    rewrite(trials, lambda line: line.update(wall_s=1.0), 2)
    rewrite(trials, lambda line: line.update(wall_s=60.0), 3)
    left = [line for line in lines_of(reports) if line["trial_id"] != third]
    reports.write_text("".join(json.dumps(line) + "\n" for line in left))
    hours = load(folder).trials.set_index("trial_id")["gpu_hours"]
    assert list(hours[[first, second, third]]) == pytest.approx([1.0, 0.5 / 3600, 0.5 * 60 / 3600])
    on_cpu = load(write_results(tmp_path / "cpu", trials=4, epochs=2, confirm_seeds=(), device="cpu"))
    assert on_cpu.trials["gpu_hours"].isna().all()


def test_running_study(tmp_path):
    results = load(write_results(tmp_path / "live", trials=4, epochs=4, confirm_seeds=(), running=2))
    assert results.running
    unknown = results.reports[~results.reports["trial_id"].isin(results.trials["trial_id"])]
    assert unknown["trial_id"].nunique() == 2
    assert unknown["method"].isna().all()


def test_torn_last_line_is_dropped_with_a_warning(folder):
    path = folder / schema.TRIALS_FILE
    whole = len(lines_of(path))
    with path.open("a") as file:
        file.write('{"schema": 1, "stage": "sea')
    with pytest.warns(UserWarning, match=r"trials\.jsonl: dropped a torn last line of 27 bytes"):
        assert len(load(folder).trials) == whole


def test_broken_line_is_named(folder):
    path = folder / schema.REPORTS_FILE
    rows = path.read_text().splitlines()
    rows[4] = rows[4][:-5]
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(files.DamagedFile, match=r"reports\.jsonl:5: not JSON"):
        load(folder)


@pytest.mark.parametrize(
    ("file", "number", "change", "message"),
    [
        ("trials", 3, lambda d: d.pop("method"), r"trials\.jsonl:3: field 'method' is missing"),
        ("trials", 1, lambda d: d.update(schema=99), r"trials\.jsonl:1: expected schema version 1, got 99"),
        ("trials", 2, lambda d: d.update(status="won"), r"trials\.jsonl:2: status must be one of completed.*'won'"),
        ("trials", 2, lambda d: d.update(stage="final"), r"trials\.jsonl:2: stage must be one of search, confirm"),
        ("trials", 2, lambda d: d.update(metrics=[1]), r"trials\.jsonl:2: metrics must be an object"),
        ("trials", 1, lambda d: d["metrics"].pop("accuracy"), r"trials\.jsonl:1: completed trial search-0000 has no m"),
        (
            "trials",
            1,
            lambda d: d["metrics"].update(loss="low"),
            r"trials\.jsonl:1: metrics.loss must be a number or null",
        ),
        ("trials", 2, lambda d: d.update(trial_id="search-0000"), r"trials\.jsonl:2: trial search-0000 has ended"),
        ("reports", 7, lambda d: d.pop("epoch"), r"reports\.jsonl:7: field 'epoch' is missing"),
        ("reports", 7, lambda d: d.update(epoch="two"), r"reports\.jsonl:7: epoch must be a whole number, got 'two'"),
        ("reports", 2, lambda d: d.update(epoch=1), r"reports\.jsonl:2: epoch 1 of trial search-0000 .* in line 1"),
    ],
)
def test_bad_lines(folder, file, number, change, message):
    rewrite(folder / f"{file}.jsonl", change, number)
    with pytest.raises(files.DamagedFile, match=message):
        load(folder)


def test_interrupted_end_is_replaced_by_the_later_one(folder):
    path = folder / schema.TRIALS_FILE
    lines = lines_of(path)
    early = {**lines[0], "status": schema.INTERRUPTED, "epochs": 2}
    path.write_text("".join(json.dumps(line) + "\n" for line in [early, *lines]))
    results = load(folder)
    assert len(results.trials) == len(lines)
    assert results.trials.iloc[0]["status"] == lines[0]["status"]


def test_manifest_and_study_are_checked(folder):
    manifest = folder / schema.MANIFEST_FILE
    good = manifest.read_text()
    manifest.write_text(good[:-20])
    with pytest.raises(files.DamagedFile, match=r"manifest\.json:\d+: not JSON"):
        load(folder)
    manifest.write_text(json.dumps({k: v for k, v in json.loads(good).items() if k != "rungs"}))
    with pytest.raises(files.DamagedFile, match=r"manifest\.json: field 'rungs' is missing"):
        load(folder)
    manifest.unlink()
    with pytest.raises(UserError, match=r"manifest\.json: missing, so .* is not the results folder of a study"):
        load(folder)
    manifest.write_text(good)
    (folder / schema.STUDY_FILE).write_text("schema: 1\nname: [broken\n")
    with pytest.raises(files.DamagedFile, match=r"study\.yaml, line \d+, column \d+: "):
        load(folder)
    (folder / schema.STUDY_FILE).write_text(yaml.safe_dump({"schema": 2}))
    with pytest.raises(files.DamagedFile, match=r"study\.yaml: expected schema version 1, got 2"):
        load(folder)


def test_not_a_folder(tmp_path):
    with pytest.raises(UserError, match=r"nowhere: not a folder; give the results folder"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("how", ["empty", "absent"])
def test_files_without_lines_give_empty_tables(folder, how):
    for name in (schema.TRIALS_FILE, schema.REPORTS_FILE):
        (folder / name).write_text("") if how == "empty" else (folder / name).unlink()
    results = load(folder)
    assert (len(results.trials), len(results.reports)) == (0, 0)
    assert "accuracy" in results.trials
    assert "method" in results.reports


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            schema.TRIALS_FILE,
            {"method": "swav"},
            "method must be one of kmclr, nnclr, none, simclr, byol, resa, got 'swav'",
        ),
        (
            schema.TRIALS_FILE,
            {"ended": "yesterday"},
            "ended must be a time as in ISO 8601, with its zone, got 'yesterday'",
        ),
        (schema.TRIALS_FILE, {"stage": "confirm", "point": None}, "point must be text in the confirm stage, got None"),
        (schema.TRIALS_FILE, {"baseline": "no"}, "baseline must be true or false, got 'no'"),
        (schema.REPORTS_FILE, {"trial_id": ["a"]}, r"trial_id must be text, got \['a'\]"),
        (schema.REPORTS_FILE, {"time": 5}, "time must be a time as in ISO 8601, with its zone, got 5"),
    ],
)
def test_values_that_figures_would_stumble_over_are_named(folder, name, change, message):
    rewrite(folder / name, lambda line: line.update(change), 2)
    with pytest.raises(files.DamagedFile, match=rf"{name}:2: {message}"):
        load(folder)


def test_bytes_that_are_no_text_are_named(folder):
    path = folder / schema.TRIALS_FILE
    rows = path.read_bytes().split(b"\n")
    rows[2] = (
        rows[2].replace(b"kmclr", b"kmcl\xff", 1).replace(b"nnclr", b"nncl\xff", 1).replace(b"none", b"non\xff", 1)
    )
    path.write_bytes(b"\n".join(rows))
    with pytest.raises(files.DamagedFile, match=r"trials\.jsonl:3: not UTF-8 text"):
        load(folder)


def test_rungs_must_be_epochs(folder):
    path = folder / schema.MANIFEST_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "rungs": "3, 9"}))
    with pytest.raises(files.DamagedFile, match=r"manifest\.json: rungs must be a list, got '3, 9'"):
        load(folder)


@pytest.mark.parametrize(
    ("objectives", "message"),
    [
        (["accuracy"], r"objectives must be an object, got \['accuracy'\]"),
        ({"support_bytes": "min"}, "objectives must begin with accuracy: max"),
        ({"accuracy": "max", "price": "min"}, "objectives.price is not known; known: accuracy, support_bytes"),
        ({"accuracy": "max", "epoch_s": "low"}, "objectives.epoch_s must be one of max, min, got 'low'"),
    ],
)
def test_objectives_are_checked(folder, objectives, message):
    path = folder / schema.MANIFEST_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "objectives": objectives}))
    with pytest.raises(files.DamagedFile, match=message):
        load(folder)


def test_accuracy_alone_is_drawn_against_the_support_set(folder):
    path = folder / schema.MANIFEST_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "objectives": {"accuracy": "max"}}))
    assert load(folder).costs == (schema.SUPPORT_BYTES,)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "a: !!bool maybe"])
def test_what_no_program_of_ours_wrote_is_damage(folder, text):
    for name in (schema.STUDY_FILE, schema.MANIFEST_FILE):
        (folder / name).write_text(text)
        with pytest.raises(ValueError, match=name) as caught:
            load(folder)
        assert len(str(caught.value)) < len(str(folder)) + 500

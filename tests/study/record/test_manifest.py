"""The manifest and the stored study: complete, atomic, and a guard on resume."""

from __future__ import annotations

import json

import pytest
import yaml

from study import schema
from study.record import manifest
from tests.helpers.engine_helpers import make_study
from trainables.files import DamagedFile


def test_every_field_and_nothing_else(record) -> None:
    assert set(record) == {*schema.MANIFEST_FIELDS, *schema.MANIFEST_MAY} - {schema.OWN, schema.LEARNED}
    assert record["rehearsal"] is True
    assert record["status"] == "running"
    assert record["versions"]["python"].startswith("3.")
    assert {"ray", "optuna", "torch"} <= set(record["versions"])
    assert record["hardware"]["memory_bytes"] > 10**8
    assert record["hardware"]["cpu"]


def test_sessions_are_opened_and_closed(record) -> None:
    manifest.begin_session(record, "run_study.py a.yaml")
    manifest.begin_session(record, "run_study.py a.yaml")  # the first was killed
    manifest.end_session(record, status="interrupted", reason="SIGTERM")
    assert [s["reason"] for s in record["sessions"]] == ["killed", "SIGTERM"]
    assert record["status"] == "interrupted"
    assert record["ended"] is not None
    manifest.begin_session(record, "run_study.py a.yaml")
    assert (record["status"], record["ended"]) == ("running", None)


def test_a_session_remembers_a_storage_elsewhere(record) -> None:
    manifest.begin_session(record, "run_study.py a.yaml", storage="s3://bucket/studies")
    manifest.begin_session(record, "run_study.py a.yaml")
    assert [s.get("storage") for s in record["sessions"]] == ["s3://bucket/studies", None]


def test_save_and_load(record, tmp_path) -> None:
    manifest.save(tmp_path, record)
    assert schema.read_manifest(tmp_path) == json.loads(json.dumps(record))
    assert [p.name for p in tmp_path.iterdir()] == [schema.MANIFEST_FILE]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (None, r"manifest\.json: missing, so .* is not the results folder of a study"),
        ('{"schema": 1', r"manifest\.json:1: not JSON"),
        ('{"schema": 99}', r"manifest\.json: expected schema version 1, got 99"),
        ("[]", r"manifest\.json: expected an object, got list"),
    ],
)
def test_bad_manifests_are_refused(tmp_path, text, match) -> None:
    if text is not None:
        (tmp_path / schema.MANIFEST_FILE).write_text(text)
    with pytest.raises(DamagedFile, match=match):
        schema.read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (None, "missing"),
        ("a: [", r"study\.yaml, line 1, column 5: expected the node content"),
        ("a: 1", "expected schema version 1"),
    ],
)
def test_bad_studies_are_refused(tmp_path, text, match) -> None:
    if text is not None:
        (tmp_path / schema.STUDY_FILE).write_text(text)
    with pytest.raises(DamagedFile, match=match):
        schema.read_study(tmp_path)


def test_study_round_trip_and_differences(tmp_path) -> None:
    study = make_study()
    manifest.save_study(tmp_path, study)
    manifest.check_changes(tmp_path, study, "x.yaml")
    changed = make_study(train={"epochs": 10}, space={"method": ("kmclr",)}, baselines=())
    with pytest.raises(
        ValueError, match=r"x\.yaml: changed since .*: train\.epochs: 9 -> 10 \(its trials had another budget\); space"
    ) as caught:
        manifest.check_changes(tmp_path, changed, "x.yaml")
    assert "space.k: {'low': 25.0" in str(caught.value)
    assert "start the changed study elsewhere" in str(caught.value)
    assert yaml.safe_load((tmp_path / schema.STUDY_FILE).read_text())["schema"] == 1


def test_long_differences_are_cut(tmp_path) -> None:
    manifest.save_study(tmp_path, make_study())
    changed = make_study(heads={"projector_hidden": 2, "embedding_dim": 2, "predictor_hidden": 2}, seed=1, space={})
    with pytest.raises(ValueError, match=r"; and [0-9]+ more"):
        manifest.check_changes(
            tmp_path,
            changed.model_copy(update={"optimizer": make_study(optimizer={"name": "sgd", "momentum": 0.1}).optimizer}),
            "x.yaml",
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"resources": {"cpu": 2}},
        {"budget": {"epochs": 5}},
        {"tracking": {"wandb": "offline"}},
        {"question": "?"},
        {"data": {"root": "/elsewhere", "cache_dir": "/tmp/cache"}},
        {"train": {"epochs": 9, "checkpoint_every": 5, "time_limit_s": 60}},
        {"device": "cpu"},
    ],
)
def test_what_does_not_change_results_may_change(tmp_path, changes) -> None:
    manifest.save_study(tmp_path, make_study())
    manifest.check_changes(tmp_path, make_study(**changes), "x.yaml")


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "a: !!bool maybe"])
def test_what_no_program_of_ours_wrote_is_damage(tmp_path, text) -> None:
    for name, read in ((schema.MANIFEST_FILE, schema.read_manifest), (schema.STUDY_FILE, schema.read_study)):
        (tmp_path / name).write_text(text)
        with pytest.raises(DamagedFile, match=name) as caught:
            read(tmp_path)
        assert len(str(caught.value)) < len(str(tmp_path)) + 500

"""What the files of a results folder must hold: each field dropped, and each replaced by values of other kinds."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from study import schema
from study.record.journal import Journal
from study.schema import files
from tests.helpers.ablation_inputs import write_ablation
from tests.helpers.figure_inputs import write_belief
from tests.helpers.synthetic_results import write_results
from trainables.lines import COUNTS_FILE

OTHERS = (None, True, "x", -1, 1.5, [], {}, [[]], {"a": None}, 10**400)
NUMBERS = (*schema.METRICS, schema.HELD_S)
DRAW = dict(zip(schema.DRAW_FIELDS, (1, 0, 0, "search-0000", "kmclr", {"k": 5}, None, None, 0), strict=True))


def variants(whole: dict[str, Any], fields: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The object with each declared field dropped, and with each replaced by something of another kind."""
    for name, kind in fields.items():
        rest = {key: value for key, value in whole.items() if key != name}
        yield name, rest
        for other in OTHERS:
            if kind.problem(other, name):
                yield name, {**rest, name: other}


@pytest.mark.parametrize(
    ("name", "fields"),
    [(schema.REPORTS_FILE, schema.REPORT_IDENTITY), (schema.TRIALS_FILE, schema.TRIAL_FIELDS)],
)
def test_a_line_of_another_shape_is_named(tmp_path: Path, name: str, fields: dict) -> None:
    path = write_results(tmp_path, trials=4, epochs=2, confirm_seeds=()) / name
    good = [json.loads(row) for row in path.read_text("utf-8").splitlines()]
    tried = 0
    for field, line in variants(good[1], fields):
        (tmp_path / COUNTS_FILE).unlink(missing_ok=True)  # as of an earlier version: no number says what is lost
        path.write_text("".join(json.dumps(row) + "\n" for row in (good[0], line, *good[2:])), "utf-8")
        with pytest.raises(files.DamagedFile, match=rf"{name}:2: .*{field}"):
            Journal(tmp_path)
        tried += 1
    assert tried > 5 * len(fields)


def test_a_draw_of_another_shape_is_named(tmp_path: Path) -> None:
    path = tmp_path / schema.DRAWS_FILE
    for field, line in [*variants(DRAW, schema.DRAW_FIELDS), ("trial_id", {**DRAW, "trial_id": None})]:
        (tmp_path / COUNTS_FILE).unlink(missing_ok=True)
        path.write_text(json.dumps(DRAW) + "\n" + json.dumps(line) + "\n", "utf-8")
        with pytest.raises(files.DamagedFile, match=rf"{schema.DRAWS_FILE}:2: .*{field}"):
            Journal(tmp_path)


@pytest.mark.parametrize("value", ["high", [], True, float("nan")])
def test_a_metric_is_a_number_or_null(tmp_path: Path, value: Any) -> None:
    path = write_results(tmp_path, trials=4, epochs=2, confirm_seeds=()) / schema.REPORTS_FILE
    first, *rest = path.read_text("utf-8").splitlines()
    for name in NUMBERS:
        line = json.dumps({**json.loads(first), name: value})
        path.write_text("\n".join([line, *rest]) + "\n", "utf-8")
        with pytest.raises(files.DamagedFile, match=f"{schema.REPORTS_FILE}:1: {name} must be a number"):
            Journal(tmp_path)


def test_a_manifest_of_another_shape_is_named(tmp_path: Path) -> None:
    path = write_results(tmp_path, trials=4, epochs=2, confirm_seeds=()) / schema.MANIFEST_FILE
    good = json.loads(path.read_text("utf-8"))
    for field, changed in variants(good, schema.MANIFEST_FIELDS):
        path.write_text(json.dumps(changed), "utf-8")
        with pytest.raises(files.DamagedFile, match=rf"{schema.MANIFEST_FILE}: .*{field}"):
            schema.read_manifest(tmp_path)
    deep = copy.deepcopy(good)
    deep["sessions"][0].pop("started")
    path.write_text(json.dumps(deep), "utf-8")
    with pytest.raises(files.DamagedFile, match=r"field 'sessions\.0\.started' is missing"):
        schema.read_manifest(tmp_path)


def test_a_belief_of_another_shape_is_named(tmp_path: Path) -> None:
    folder = write_results(tmp_path, trials=4, epochs=2, confirm_seeds=())
    assert schema.read_belief(folder) is None
    good = write_belief(folder)
    assert schema.read_belief(folder) == good
    inner = {"trials": good["trials"][0], "curves": good["curves"][0]["sizes"][0]}
    changed = list(variants(good, schema.BELIEF))
    changed += [
        (f"next.{field}", {**good, "next": {**good["next"], field: []}}) for field in ("gain", "label", "share")
    ]
    changed += [("trials.0.state", {**good, "trials": [{**inner["trials"], "state": "lost"}]})]
    changed += [("curves.0.sizes.0.believed.low_95", {**good, "curves": [_curve_without(inner["curves"], "low_95")]})]
    for field, content in changed:
        (folder / schema.BELIEF_FILE).write_text(json.dumps(content), "utf-8")
        with pytest.raises(files.DamagedFile, match=rf"{schema.BELIEF_FILE}: .*{re.escape(field)}"):
            schema.read_belief(folder)


def _curve_without(size: dict[str, Any], field: str) -> dict[str, Any]:
    band = {name: value for name, value in size["believed"].items() if name != field}
    return {"method": size["method"], "sizes": [{**size, "believed": band}]}


@pytest.mark.parametrize("change", [{"resources": []}, {"resources": {"gpu": "all"}}, {"device": 3}, {"name": None}])
def test_a_study_of_another_shape_is_named(tmp_path: Path, change: dict) -> None:
    path = write_results(tmp_path, trials=4, epochs=2, confirm_seeds=()) / schema.STUDY_FILE
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text("utf-8")), **change}), "utf-8")
    with pytest.raises(files.DamagedFile, match=rf"{schema.STUDY_FILE}: {next(iter(change))}"):
        schema.read_study(tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe\0", b"\0" * 100, b"", b"[1, 2]", b"null", b"[" * 100_000])
def test_files_that_are_no_text_or_no_object_are_named(tmp_path: Path, content: bytes) -> None:
    readers = {schema.MANIFEST_FILE: schema.read_manifest, schema.STUDY_FILE: schema.read_study}
    for name, read in (readers | {schema.BELIEF_FILE: schema.read_belief}).items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(files.DamagedFile, match=name) as caught:
            read(tmp_path)
        assert len(str(caught.value).splitlines()) == 1


def test_an_ablation_of_another_shape_is_named(tmp_path: Path) -> None:
    write_results(tmp_path, trials=4, epochs=2, confirm_seeds=())
    write_ablation(tmp_path)
    path = tmp_path / schema.ABLATION_FILE
    whole = json.loads(path.read_text("utf-8"))
    for name, changed in variants(whole, schema.ABLATION):
        path.write_text(json.dumps(changed), "utf-8")
        with pytest.raises(files.DamagedFile, match=rf"{schema.ABLATION_FILE}: .*{name}"):
            schema.read_ablation(tmp_path)
    (one,) = whole["paths"]
    for name, changed in variants(one, schema._PATH.fields):
        path.write_text(json.dumps({**whole, "paths": [changed]}), "utf-8")
        with pytest.raises(files.DamagedFile, match=rf"{schema.ABLATION_FILE}: .*paths\.0\.{name}"):
            schema.read_ablation(tmp_path)

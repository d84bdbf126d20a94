"""The reference: every setting is described, and the schemas for editors agree with what is loaded."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings

from study.settings import reference
from study.settings.config import StudyConfig
from study.settings.loading import load_study
from tests.test_config_files import RUNS, STUDIES
from tests.test_random_settings import BASE, sections
from trainables.settings import edge
from trainables.settings.config import RunConfig
from trainables.settings.edge import ConfigError

STUDY_FILES = [*STUDIES, *sorted((STUDIES[0].parent / "paper").glob("*.yaml"))]
CHECKERS = {model: jsonschema.Draft202012Validator(reference.json_schema(model)) for model in (RunConfig, StudyConfig)}
SETTINGS = {setting.name: setting for setting in reference.settings()}


def refused(model: type, content: dict[str, Any]) -> list[str]:
    """Where an editor would mark a file."""
    return [error.json_path for error in CHECKERS[model].iter_errors(content)]


def test_every_setting_says_what_it_is():
    assert [name for name, setting in SETTINGS.items() if not setting.facts.get("description", "").strip()] == []


def test_every_number_has_a_unit_except_seeds():
    numbers = [name for name, s in SETTINGS.items() if re.search(r"number", s.values) and not s.section]
    assert [n for n in numbers if not SETTINGS[n].unit and not re.search(r"seeds?$", n)] == []
    assert len(numbers) > 60


def test_values_defaults_and_places_by_hand():
    k, checkpoint, seeds = (SETTINGS[n] for n in ("support.k", "train.checkpoint_every", "confirm.seeds"))
    assert (k.values, k.unit, k.default, k.in_space) == ("whole number, 1 to 10,000,000", "prototypes", "400", "k")
    assert k.acts == "method=kmclr"
    assert checkpoint.values == "whole number, 1 to 1,000,000, or auto"
    assert (checkpoint.unit, checkpoint.default, checkpoint.in_space) == ("epochs", "auto", "")
    assert (seeds.default, SETTINGS["budget.epochs"].default, SETTINGS["name"].default) == ("[1, 2, 3]", "null", "")
    assert SETTINGS["augment.view2.crop_min"].values == "number, above 0, at most 1"
    assert SETTINGS["support.half_life"].acts == "method=kmclr and support.update=ema"
    assert SETTINGS["space.NAME.grid"].acts == "search.sampler=grid"


def test_rules_about_studies_name_what_exists():
    named = {name for alternatives in reference.STUDY_NEEDS.values() for needs in alternatives for name in needs}
    assert named | reference.STUDY_NEEDS.keys() <= SETTINGS.keys()
    for alternatives in reference.STUDY_NEEDS.values():
        for name, values in alternatives[0].items():
            facts = SETTINGS[name].facts
            known = facts["enum"] if "enum" in facts else facts["anyOf"][0]["enum"]
            assert set(values) - {reference.OWN} <= set(known)


@pytest.mark.parametrize("model", CHECKERS, ids=lambda model: model.__name__)
def test_schemas_are_schemas(model):
    jsonschema.Draft202012Validator.check_schema(reference.json_schema(model))


@pytest.mark.parametrize("path", [*STUDY_FILES, *RUNS], ids=lambda path: path.stem)
def test_an_editor_accepts_the_projects_files_and_finds_their_schema(path: Path):
    assert refused(RunConfig if path in RUNS else StudyConfig, edge.read_file(path)) == []
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", path.read_text())
    assert named, "the first line names the schema, relative to the file"
    assert (path.parent / named[1]).resolve().name == ("run.json" if path in RUNS else "study.json")
    assert (path.parent / named[1]).exists()


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"support": {"kk": 5}}, "$.support"),
        ({"method": "kmlcr"}, "$.method"),
        ({"train": {"epochs": "20"}}, "$.train.epochs"),
        ({"train": {"epochs": 0}}, "$.train.epochs"),
        ({"space": {"tempurature": [0.1]}}, "$.space"),
        ({"space": {"k": {"low": 5}}}, "$.space.k"),
        ({"baselines": [{"kk": 5}]}, "$.baselines[0]"),
        ({"objectives": {"accuracy": "min"}}, "$.objectives.accuracy"),
        ({"rehearsal": {"name": "other"}}, "$.rehearsal"),
        ({"rehearsal": {"train": {"epochs": 0}}}, "$.rehearsal.train.epochs"),
    ],
    ids=str,
)
def test_an_editor_marks_what_loading_refuses(changes: dict[str, Any], where: str):
    assert refused(StudyConfig, BASE) == []
    assert refused(StudyConfig, {**BASE, **changes}) == [where]


def test_a_rehearsal_may_give_half_a_range_or_take_a_parameter_out():
    assert refused(StudyConfig, {**BASE, "rehearsal": {"space": {"k": {"low": 5}, "method": None}}}) == []


@settings(max_examples=60)
@given(changes=sections(StudyConfig, without=("name", "rehearsal")))
def test_an_editor_accepts_whatever_loads(changes: dict[str, Any]):
    with TemporaryDirectory() as place:
        path = Path(place) / "study.yaml"
        path.write_bytes(yaml.safe_dump({**BASE, **changes}, allow_unicode=True).encode("utf-8", "replace"))
        try:
            load_study(path)
        except ConfigError:
            return
        assert refused(StudyConfig, edge.read_file(path)) == []

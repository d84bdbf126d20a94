"""The YAML edge: what is read, what is refused, and how the refusal reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from study.settings.config import StudyConfig
from trainables.settings import edge
from trainables.settings.config import RunConfig
from trainables.settings.edge import ConfigError
from trainables.settings.run_file import load_run


@pytest.fixture
def run_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write a run file and load it as `run.yaml`."""
    monkeypatch.chdir(tmp_path)

    def load(text: str, *overrides: str) -> RunConfig:
        Path("run.yaml").write_text(text)
        return load_run("run.yaml", overrides)

    return load


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("2e-3", 2e-3),
        ("1E3", 1000.0),
        ("-.5", -0.5),
        ("+3", 3),
        ("0", 0),
        ("98_304", 98304),
        ("1_000.5", 1000.5),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("yes", "yes"),
        ("on", "on"),
        ("010", "010"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("none", "none"),
        ("'20'", "20"),
        ("[1, a, 1e-5]", [1, "a", 1e-5]),
        ("{a: {b: 1}}", {"a": {"b": 1}}),
        ("x: &x {a: 1}\ny: {<<: *x, b: 2}", {"x": {"a": 1}, "y": {"a": 1, "b": 2}}),
    ],
)
def test_values_are_read_as_people_mean_them(text: str, value: object) -> None:
    found = edge.parse(text, "here")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "run.yaml: the file is empty; see configs/ for examples"),
        ("# only a comment\n", "run.yaml: the file is empty; see configs/ for examples"),
        ("- a\n- b", "run.yaml: the top level must be a mapping of settings (key: value), got a list"),
        ("3", "run.yaml: the top level must be a mapping of settings (key: value), got the single value 3"),
        ("seed: 1\nseed: 2", "run.yaml, line 2, column 1: 'seed' is given twice, first in line 1"),
        ("train: {epochs: 3, epochs: 4}", "run.yaml, line 1, column 20: 'epochs' is given twice, first in line 1"),
        ("train:\n\tepochs: 3", "run.yaml, line 2, column 1: .* (indent with spaces, not tabs)"),
        ("train: [1", "run.yaml, line 1, column 10: expected ',' or ']', but got '<stream end>'"),
        ("a: b: c", "run.yaml, line 1, column 5: mapping values are not allowed here"),
        ("a: *b", "run.yaml, line 1, column 4: found undefined alias 'b'"),
        ("a: &a [*a]", "run.yaml: nested too deeply, or an alias that holds itself"),
        ("1: 2", "run.yaml, line 1, column 1: a key must be text, got 1"),
        ("? [a]\n: 2", 'run.yaml, line 1, column 3: a key must be text, got a list ["a"]'),
        ("a: 1e999", "run.yaml, line 1, column 4: 1e999 is not a finite number"),
        ("a: 1\n---\nb: 2", "run.yaml, line 2, column 1: expected a single document in the stream, but found another"),
        (
            "a: !!python/object:os.system {}",
            "run.yaml, line 1, column 4: could not determine a constructor for the tag",
        ),
        ("a: '\x01'", "run.yaml: not YAML: unacceptable character #x0001"),
    ],
)
def test_bad_yaml_gets_one_line_with_file_and_place(run_file, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message).replace(r"\.\*", ".*")) as caught:
        run_file(text)
    assert "\n" not in str(caught.value)


def test_deep_nesting_is_refused_not_crashed(run_file) -> None:
    with pytest.raises(ConfigError, match="nested too deeply"):
        run_file("a: " + "[" * 1200 + "]" * 1200)


def test_missing_file_suggests_another(run_file) -> None:
    run_file("seed: 1")
    with pytest.raises(ConfigError, match=r"^rum\.yaml: no such file; did you mean run\.yaml\?$"):
        load_run("rum.yaml")
    with pytest.raises(ConfigError, match=r"^zzz: no such file; \. has: run\.yaml$"):
        load_run("zzz")


def test_folder_and_binary_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\)"):
        load_run(tmp_path)
    (tmp_path / "a.yaml").write_bytes(b"seed: \xff\xfe")
    with pytest.raises(ConfigError, match=r"a\.yaml: not UTF-8 text"):
        load_run(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "train: {epoch: 3}",
            "run.yaml: train.epoch is not a known setting; did you mean 'epochs'? Known: batch_size,",
        ),
        ("trian: {}", "run.yaml: trian is not a known setting; did you mean 'train'? Known: augment, data,"),
        ("epochs: 3", "run.yaml: epochs is not a known setting; did you mean 'train.epochs'? Known:"),
        ("zzz: 3", "run.yaml: zzz is not a known setting. Known: augment,"),
        ("method: KMLCR", "run.yaml: method is 'KMLCR'; allowed: .*; did you mean 'kmclr'?"),
        (
            "learning_rte: 3",
            "run.yaml: learning_rte is not a known setting; did you mean 'optimizer.learning_rate'? Kno",
        ),
        ("train: {optimizr: 3}", "run.yaml: train.optimizr is not a known setting; did you mean 'optimizer'? Known: "),
        ("method: kmcl", "run.yaml: method is 'kmcl'; allowed: 'kmclr', 'nnclr', 'none', .*; did you mean 'kmclr'?"),
        ("preset: sed", "run.yaml: preset is 'sed'; allowed: 'strong' or 'seed'; did you mean 'seed'?"),
        ("heads: {projector_layers: 4}", "run.yaml: heads.projector_layers is 4; allowed: 2 or 3"),
        ("train: {epochs: '20'}", "run.yaml: train.epochs must be a whole number, got '20' (text)"),
        ("train: {epochs: 1.5}", "run.yaml: train.epochs must be a whole number, got 1.5"),
        ("train: {epochs: 20.0}", "run.yaml: train.epochs must be a whole number, got 20.0"),
        ("train: {epochs: true}", "run.yaml: train.epochs must be a whole number, got true"),
        ("train: {epochs: 0}", "run.yaml: train.epochs must be greater than or equal to 1, got 0"),
        ("train: {epochs: [3]}", "run.yaml: train.epochs must be a whole number, got a list [3]"),
        ("train: {one_forward: 1}", "run.yaml: train.one_forward must be true or false, got 1"),
        ("data: {download: yes}", "run.yaml: data.download must be true or false, got 'yes' (text)"),
        ("data: {root: 3}", "run.yaml: data.root must be text, got 3"),
        ("loss: {temperature: cold}", "run.yaml: loss.temperature must be a number, got 'cold' (text)"),
        ("loss: {temperature: true}", "run.yaml: loss.temperature must be a number, got true"),
        ("loss: {temperature: 11}", "run.yaml: loss.temperature must be less than or equal to 10, got 11"),
        ("loss: 3", "run.yaml: loss must be a mapping (key: value), got 3"),
        ("loss:", "run.yaml: loss must be a mapping (key: value), got null"),
        ("augment: {view1: {crop_min: 0.9, crop_max: 0.5}}", "run.yaml: augment.view1: crop_min (0.9) must not exceed"),
        ("train: {epochs: 5}", "run.yaml: optimizer.warmup_epochs (10) must be below train.epochs (5)"),
    ],
)
def test_bad_setting_gets_one_line(run_file, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match="^" + re.escape(message).replace(r"\.\*", ".*")) as caught:
        run_file(text)
    assert "\n" not in str(caught.value)


def test_every_problem_gets_its_line(run_file) -> None:
    with pytest.raises(ConfigError) as caught:
        run_file("method: x\ntrain: {epochs: a, batch: 3}\n")
    lines = str(caught.value).splitlines()
    assert [line.split(" ")[1] for line in lines] == ["method", "train.epochs", "train.batch"]


def test_integers_are_numbers_and_numbers_in_any_form(run_file) -> None:
    run = run_file("optimizer: {learning_rate: 1, weight_decay: 1e-5, warmup_epochs: 0}")
    assert run.optimizer.learning_rate == 1.0
    assert run.optimizer.weight_decay == 1e-5


def test_preset_lies_below_the_file_and_the_file_below_overrides(run_file) -> None:
    text = "preset: seed\ntrain: {batch_size: 128}\nloss: {temperature: 0.3}"
    run = run_file(text, "loss.temperature=0.4")
    assert (run.train.epochs, run.train.batch_size, run.loss.temperature) == (500, 128, 0.4)
    assert run.augment.view2.solarise == 0.2
    assert run_file(text, "preset=strong").train.epochs == 200


def test_a_study_is_no_run(run_file) -> None:
    with pytest.raises(ConfigError, match=r"run\.yaml: this is a study .*python run_study\.py run\.yaml"):
        run_file("space: {k: [1]}")


# --- overrides ---


def test_overrides_are_typed_by_the_schema(run_file) -> None:
    given = [
        "train.epochs=20",
        "optimizer.learning_rate=2e-3",
        "data.root=2024",
        "train.channels_last=true",
        "method=byol",
    ]
    run = run_file("{}", *given)
    assert (run.train.epochs, run.optimizer.learning_rate, run.train.channels_last) == (20, 2e-3, True)
    assert (run.data.root, run.method) == ("2024", "byol")
    assert run_file("data: {root: a}", "data.root=null").data.root is None
    assert run_file("{}", "data.root=a: b").data.root == "a: b"
    assert run_file("{}", "data.root=x=y").data.root == "x=y"


def test_last_override_wins(run_file) -> None:
    assert run_file("train: {epochs: 30}", "train.epochs=40", "train.epochs=50").train.epochs == 50


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epoch=3", "--set train.epoch=3: train.epoch is not a known setting; did you mean 'epochs'? Known: "),
        ("train.epochs=abc", "--set train.epochs='abc': train.epochs must be a whole number, got 'abc' (text)"),
        ("train.epochs=1e2", "--set train.epochs=100.0: train.epochs must be a whole number, got 100.0"),
        ("train.epochs=", "--set train.epochs=null: train.epochs must be a whole number, got null"),
        ("train.epochs", "--set train.epochs: expected a.dotted.name=value, for example train.epochs=20"),
        ("=3", "--set =3: expected a.dotted.name=value"),
        ("train..epochs=3", "--set train..epochs=3: expected a.dotted.name=value"),
        ("train.epochs=[1", "--set train.epochs=[1, line 1, column 3: expected ',' or ']'"),
        ("seed=-1", "--set seed=-1: seed must be greater than or equal to 0, got -1"),
    ],
)
def test_bad_override_is_named(run_file, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match="^" + re.escape(message)):
        run_file("{}", override)


def test_override_reaches_into_mappings_of_a_study() -> None:
    pairs = edge.parse_overrides(["space.k.low=30", "objectives.accuracy=max", "question=yes: no"], StudyConfig)
    assert pairs == [("space.k.low", 30), ("objectives.accuracy", "max"), ("question", "yes: no")]


# --- small parts ---


def test_flatten_and_unflatten_are_inverse() -> None:
    nested = {"a": {"b": 1, "c": {"d": [2]}}, "e": {}}
    assert edge.flatten(nested) == {"a.b": 1, "a.c.d": [2], "e": {}}
    assert edge.unflatten(edge.flatten(nested).items()) == nested
    assert edge.unflatten([("a", 1), ("a.b", 2)]) == {"a": {"b": 2}}


def test_merge_leaves_its_arguments_alone() -> None:
    base = {"a": {"b": 1, "c": 2}, "d": [1, 2]}
    over = {"a": {"b": 3}, "d": [4], "e": None}
    assert edge.merge(base, over) == {"a": {"b": 3, "c": 2}, "d": [4], "e": None}
    assert base == {"a": {"b": 1, "c": 2}, "d": [1, 2]}
    assert over == {"a": {"b": 3}, "d": [4], "e": None}


def test_did_you_mean() -> None:
    known = ["temperature", "k"]
    assert edge.did_you_mean("tempurature", known) == "; did you mean 'temperature'? Known: k, temperature"
    assert edge.did_you_mean("xyz", known) == ". Known: k, temperature"


def test_overrides_are_read_as_utf8_whatever_the_locale_made_of_them():
    typed = "question=Käse".encode().decode("ascii", "surrogateescape")  # as Python has it in the C locale
    assert edge.parse_overrides([typed], StudyConfig) == [("question", "Käse")]
    with pytest.raises(edge.ConfigError, match=r"--set data\.root=/b\\xff: is not UTF-8 text; give such a folder anot"):
        edge.parse_overrides(["data.root=/b\udcff"], StudyConfig)

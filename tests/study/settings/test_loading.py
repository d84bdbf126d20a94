"""Study files: precedence, the rehearsal, what is refused, and that study.yaml re-loads to the same study."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from study import schema
from study.record import manifest
from study.settings.loading import Loaded, load_study
from trainables.settings.edge import ConfigError

STUDY = """
name: sweep
space:
  method: [kmclr, none]
  k: {low: 25, high: 2000, log: true}
  temperature: {low: 0.05, high: 0.5, log: true}
train: {epochs: 100}
baselines:
  - {method: kmclr, k: 400}
rehearsal:
  data: {name: digits}
  train: {epochs: 20}
  space: {k: {low: 5}}
  optimizer: {warmup_epochs: 1}
"""


@pytest.fixture
def study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write a study file and load it as `s.yaml`; `old=new` pairs are replaced in STUDY."""
    monkeypatch.chdir(tmp_path)

    def load(text: str = STUDY, *overrides: str, **options) -> Loaded:
        Path("s.yaml").write_text(text)
        return load_study("s.yaml", overrides=overrides, **options)

    return load


def refused(load, text: str, *overrides: str, **options) -> str:
    with pytest.raises(ConfigError) as caught:
        load(text, *overrides, **options)
    return str(caught.value)


# --- what is loaded ---


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0"])
def test_devices_that_a_trial_can_have(study_file, device: str) -> None:
    assert study_file(device=device).study.device == device


def test_a_numbered_gpu_is_refused_with_the_way_out(study_file) -> None:
    said = refused(study_file, STUDY, device="cuda:12")
    assert "write device: cuda (CUDA_VISIBLE_DEVICES=12 keeps a study on that GPU of this machine)" in said
    assert "\n" not in said


def test_as_written(study_file) -> None:
    loaded = study_file()
    assert (loaded.name_on_disk, loaded.rehearsal, loaded.path) == ("sweep", False, Path("s.yaml"))
    assert (loaded.study.train.epochs, loaded.study.train.batch_size, loaded.study.data.name) == (100, 256, "cifar100")
    assert loaded.changes == ()


def test_rehearsed(study_file) -> None:
    loaded = study_file(rehearse=True)
    assert (loaded.name_on_disk, loaded.rehearsal) == ("sweep-rehearsal", True)
    assert (loaded.study.train.epochs, loaded.study.data.name, loaded.study.name) == (20, "digits", "sweep")
    assert loaded.changes == (
        ("data.name", "cifar100", "digits"),
        ("optimizer.warmup_epochs", 10, 1),
        ("space.k.low", 25, 5),
        ("train.epochs", 100, 20),
    )
    k = loaded.study.space["k"]
    assert (k.low, k.high, k.log) == (5, 2000, True)


def test_precedence(study_file) -> None:
    text = "preset: seed\n" + STUDY.replace("train: {epochs: 100}", "train: {epochs: 100}\nloss: {symmetric: false}")
    plain = study_file(text).study
    assert (plain.train.batch_size, plain.train.epochs, plain.loss.temperature) == (64, 100, 0.1), "preset < file"
    rehearsed = study_file(text, rehearse=True).study
    assert (rehearsed.train.batch_size, rehearsed.train.epochs) == (64, 20), "file < rehearsal"
    both = study_file(text, "train.epochs=30", "preset=strong", rehearse=True).study
    assert (both.train.epochs, both.train.batch_size) == (30, 256), "rehearsal < --set"


def test_overrides_and_device(study_file) -> None:
    loaded = study_file(STUDY, "space.k.low=30", "question=Why: now?", "baselines=[]", device="cpu")
    assert (loaded.study.space["k"].low, loaded.study.question, loaded.study.device) == (30, "Why: now?", "cpu")
    assert loaded.study.baselines == ()
    assert ("device", "auto", "cpu") in loaded.changes
    assert loaded.overrides == ("space.k.low=30", "question=Why: now?", "baselines=[]")


def test_override_of_the_rehearsal(study_file) -> None:
    overrides = ("rehearsal.train.epochs=17",)
    assert study_file(STUDY, *overrides, rehearse=True).study.train.epochs == 17
    loaded = study_file(STUDY, *overrides)
    assert loaded.study.train.epochs == 100
    assert loaded.study.rehearsal["train"]["epochs"] == 17


def test_null_takes_a_parameter_out_of_the_space(study_file) -> None:
    assert "k" not in study_file(STUDY, "space.k=null", "baselines=[]").study.space
    text = STUDY.replace("space: {k: {low: 5}}", "space: {k: null}\n  baselines: []")
    assert set(study_file(text, rehearse=True).study.space) == {"method", "temperature"}
    assert set(study_file(text).study.space) == {"method", "k", "temperature"}


@pytest.mark.parametrize("rehearse", [False, True])
def test_study_yaml_of_a_results_folder_is_the_same_study(study_file, tmp_path: Path, rehearse: bool) -> None:
    study = study_file("preset: seed\n" + STUDY, rehearse=rehearse).study
    manifest.save_study(tmp_path, study)
    again = load_study(tmp_path / schema.STUDY_FILE)
    assert again.study == study
    stored = yaml.safe_load((tmp_path / schema.STUDY_FILE).read_text())
    assert stored["schema"] == schema.SCHEMA_VERSION
    assert load_study(tmp_path / schema.STUDY_FILE, rehearse=True).study.train.epochs == 20


# --- what is refused ---


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("train: {epochs: 100}", "train: {epoch: 100}", "s.yaml: train.epoch is not a known setting; did you mean 'ep"),
        (
            "temperature:",
            "tempurature:",
            "s.yaml: space.tempurature is not a known parameter; did you mean 'temperature'",
        ),
        ("name: sweep", "name: a/b", "s.yaml: name is 'a/b'; use letters, digits, '.', '_' and '-' only"),
        ("name: sweep", "", "s.yaml: name is missing"),
        ("k: {low: 25,", "k: {low: 2500,", "s.yaml: space.k: low (2500) must be below high (2000)"),
        ("k: {low: 25,", "k: {low: 0,", "s.yaml: space.k: low (0) must be positive when log is true"),
        ("k: {low: 25,", "k: {lo: 25,", "s.yaml: space.k.low is missing"),
        (
            "k: {low: 25, high: 2000, log: true}",
            "k: 400",
            "s.yaml: space.k must be a list of choices or a mapping (key: value), got",
        ),
        ("[kmclr, none]", "[none]", "s.yaml: space.k has no effect: it applies to kmclr"),
        ("method: kmclr, k", "k", "s.yaml: baselines[0] must name its method, one of kmclr, none"),
        ("- {method", "- 3\n  - {method", "s.yaml: baselines[0] must be a mapping"),
        (
            "name: sweep",
            "name: sweep\nobjectives: {accuracy: up}",
            "s.yaml: objectives.accuracy is 'up'; allowed: 'max' or",
        ),
        (
            "name: sweep",
            "name: sweep\nobjectives: {accuracy: max, support_bytes: max}",
            "s.yaml: objectives.support_bytes is max, but less of it is better; write support_bytes: min",
        ),
        ("name: sweep", "name: sweep\nobjectives: {accuracy: min}", "objectives must begin with 'accuracy: max'"),
        ("name: sweep", "name: sweep\nobjectives: {}", "s.yaml: objectives must begin with 'accuracy: max'"),
        ("name: sweep", "name: sweep\nobjectives: {support_bytes: min}", "objectives must begin with 'accuracy: max'"),
        (
            "name: sweep",
            "name: sweep\nobjectives: {accuracy: max, neighbour_purity: max}",
            "objectives.neighbour_purity is no objective. Known: accuracy, epoch_s, method_bytes, peak_memory_bytes,",
        ),
        (
            "name: sweep",
            "name: sweep\nscheduler: {grace_period: 100}",
            "scheduler.grace_period (100) must be below train.ep",
        ),
        ("name: sweep", "name: sweep\nsearch: {trials: 0}", "search.trials must be greater than or equal to 1, got 0"),
        (
            "name: sweep",
            "name: sweep\nsearch: {sampler: grid, trials: 9}",
            "search.trials (9) is below the 20 points of the",
        ),
        ("name: sweep", "name: sweep\nconfirm: {seeds: [1, 1]}", "confirm.seeds must be different numbers"),
        ("name: sweep", "name: sweep\nconfirm: {seeds: []}", "confirm.seeds must be different numbers"),
        (
            "name: sweep",
            "name: sweep\nconfirm: {seeds: [-1]}",
            "confirm.seeds[0] must be greater than or equal to 0, got -1",
        ),
        (
            "name: sweep",
            "name: sweep\nconfirm: {seeds: [1, a]}",
            "confirm.seeds[1] must be a whole number, got 'a' (text)",
        ),
        ("name: sweep", "name: sweep\nconfirm: {seeds: [0, 1]}", "holds the seed of the search (0)"),
        ("name: sweep", "name: sweep\nschema: 2", "s.yaml: schema is 2; this version reads schema 1"),
    ],
)
def test_one_clear_line(study_file, old: str, new: str, message: str) -> None:
    assert old in STUDY
    found = refused(study_file, STUDY.replace(old, new, 1))
    assert message in found
    assert found.startswith("s.yaml: ")


def test_warm_up_longer_than_training(study_file) -> None:
    text = STUDY.replace("train: {epochs: 100}", "train: {epochs: 8}\nscheduler: {name: none}")
    assert "optimizer.warmup_epochs (10) must be below train.epochs (8)" in refused(study_file, text)


def test_fewer_trials_than_baselines(study_file) -> None:
    text = STUDY + "search: {trials: 1}\n"
    text = text.replace("  - {method: kmclr, k: 400}", "  - {method: kmclr, k: 400}\n  - {method: none}")
    assert "search.trials (1) is below the number of baselines (2)" in refused(study_file, text)


@pytest.mark.parametrize("rehearse", [False, True])
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "train: {epochs: 20}",
            "train: {epoch: 20}",
            r"s\.yaml \(rehearsal\): train\.epoch is not a known setting; did you",
        ),
        (
            "data: {name: digits}",
            "data: {name: digit}",
            r"s\.yaml \(rehearsal\): data\.name is 'digit', no data source; did",
        ),
        (
            "space: {k: {low: 5}}",
            "space: {kk: {low: 5}}",
            r"s\.yaml \(rehearsal\): space\.kk is not a known parameter; did you mean",
        ),
        ("  train: {epochs: 20}", "  name: x", r"s\.yaml: rehearsal may not change 'name'"),
        ("  train: {epochs: 20}", "  rehearsal: {}", r"s\.yaml: rehearsal may not change 'rehearsal'"),
    ],
)
def test_typos_in_the_rehearsal_are_found_even_if_it_is_not_used(study_file, rehearse, old, new, message) -> None:
    assert re.match(message, refused(study_file, STUDY.replace(old, new), rehearse=rehearse))


def test_rehearsal_must_be_there_and_a_mapping(study_file) -> None:
    without = STUDY[: STUDY.index("rehearsal:")]
    assert "s.yaml: has no rehearsal: section" in refused(study_file, without, rehearse=True)
    assert study_file(without).study.rehearsal == {}
    assert "s.yaml: rehearsal must be a mapping" in refused(study_file, without + "rehearsal: digits")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epoch=3", "--set train.epoch=3: train.epoch is not a known setting; did you mean 'epochs'?"),
        ("search.trials=many", "--set search.trials='many': search.trials must be a whole number, got 'many' (text)"),
        (
            "space.metod.choices=[kmclr]",
            "s.yaml: space.metod is not a known parameter; did you mean 'method'? Known: balance,",
        ),
        (
            "space.k.choices=[5]",
            "--set space.k.choices=a list [5]: space.k: choices are written as a plain list, for example [50, 400]; a ",
        ),
        ("space.kk=[1]", "s.yaml: space.kk is not a known parameter; did you mean 'k'?"),
        ("confirm.seeds=3", "--set confirm.seeds=3: confirm.seeds must be a list, got 3"),
    ],
)
def test_bad_override(study_file, override: str, message: str) -> None:
    assert refused(study_file, STUDY, override).startswith(message)


def test_a_run_file_is_no_study(study_file) -> None:
    message = refused(study_file, "method: kmclr\ntrain: {epochs: 20}")
    assert (
        message
        == "s.yaml: has no space:, so it is no study; one run is trained by `python -m trainables.pretrain s.yaml`"
    )


def test_the_study_of_a_rehearsals_folder_is_rehearsed_as_it_was(study_file, tmp_path) -> None:
    """Its section is not applied once more, over what --set had changed."""
    loaded = study_file(STUDY, "train.epochs=12", rehearse=True)
    folder = tmp_path / loaded.name_on_disk
    folder.mkdir()
    manifest.save_study(folder, loaded.study)
    assert load_study(folder / schema.STUDY_FILE, rehearse=True).study.train.epochs != 12
    data = {"name": "digits", "fingerprint": "abc"}
    manifest.save(folder, manifest.new(loaded.study, rehearsal=True, command="run", data=data, rungs=[]))
    again = load_study(folder / schema.STUDY_FILE, rehearse=True, overrides=["search.trials=9"])
    assert again.name_on_disk == loaded.name_on_disk
    assert (again.study.train.epochs, again.study.search.trials) == (12, 9)
    assert again.study.rehearsal == loaded.study.rehearsal
